/** What the page prover uses of Noir's packages: so that the project compiles where they are not installed. */
declare module '@noir-lang/noir_wasm' {
  export interface FileManager {
    readFile(name: string): Promise<Uint8Array>
  }
  export function createFileManager(folder: string): FileManager
  export function compile_program(
    files: FileManager,
    projectPath: string | undefined,
    log: (text: string) => void,
    debug: (text: string) => void,
  ): Promise<{ readonly program: object; readonly warnings: readonly unknown[] }>
}
declare module '@noir-lang/noir_js' {
  export class Noir {
    constructor(program: object)
    execute(inputs: object): Promise<{ readonly witness: Uint8Array }>
  }
}
