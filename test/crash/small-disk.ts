/** File systems of a few megabytes (tmpfs), for tests of what a full disk does. They need the right to mount. */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'

/** Mounts one of `size` (as tmpfs takes it: 1300k, 32m) at `folder`; false without the right to. */
export function mount(folder: string, size: string): boolean {
  try {
    mkdirSync(folder, { recursive: true })
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}

/** Also when a file of it is still open somewhere. */
export const unmount = (folder: string): void => void execFileSync('umount', ['-l', folder])

export const resize = (folder: string, size: string): void =>
  void execFileSync('mount', ['-o', `remount,size=${size}`, folder])

/** Writes zeros until nothing fits any more, to the last byte. */
export function fillUp(path: string): void {
  const file = openSync(path, 'a')
  for (const bytes of [1024 * 1024, 4096, 1])
    for (;;)
      try {
        if (writeSync(file, new Uint8Array(bytes)) < bytes) break
      } catch {
        break
      }
  closeSync(file)
}
