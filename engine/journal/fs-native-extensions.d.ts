/** The one function that is used of the package; it carries no types. */
declare module 'fs-native-extensions' {
  /** Takes the kernel's lock on an open file (an open-file-description lock on Linux); false when another has it. */
  export function tryLock(fd: number): boolean
}
