/** What the prover uses of snarkjs, which ships without types. */
declare module 'snarkjs' {
  /** A file path, or a file in memory. */
  export type FileLike = string | { type: 'mem'; data?: Uint8Array }
  export interface Groth16Proof {
    readonly pi_a: readonly string[]
    readonly pi_b: readonly (readonly string[])[]
    readonly pi_c: readonly string[]
  }
  export interface Logger {
    debug(text: string): void
    info(text: string): void
    warn(text: string): void
    error(text: string): void
  }
  export const groth16: {
    prove(zkey: FileLike, witness: FileLike): Promise<{ proof: Groth16Proof; publicSignals: string[] }>
    verify(key: object, publicSignals: readonly string[], proof: Groth16Proof): Promise<boolean>
  }
  export const wtns: {
    calculate(input: object, wasm: FileLike, out: FileLike): Promise<void>
  }
  export const zKey: {
    newZKey(r1cs: FileLike, ptau: FileLike, zkey: FileLike, logger?: Logger): Promise<Uint8Array | -1>
    contribute(
      from: FileLike,
      to: FileLike,
      name: string,
      entropy: string,
      logger?: Logger,
    ): Promise<Uint8Array>
    verifyFromR1cs(r1cs: FileLike, ptau: FileLike, zkey: FileLike, logger?: Logger): Promise<boolean>
    exportVerificationKey(zkey: FileLike): Promise<Record<string, unknown>>
  }
  /** For tests: a powers-of-tau file of one's own. */
  export const powersOfTau: {
    newAccumulator(curve: Curve, power: number, file: string): Promise<unknown>
    contribute(from: string, to: string, name: string, entropy: string): Promise<unknown>
    preparePhase2(from: string, to: string): Promise<unknown>
  }
  export interface Group {
    readonly g: Uint8Array
    readonly zero: Uint8Array
    add(a: Uint8Array, b: Uint8Array): Uint8Array
    double(a: Uint8Array): Uint8Array
    toAffine(a: Uint8Array): Uint8Array
    batchToAffine(points: Uint8Array): Promise<Uint8Array>
    toRprLEM(out: Uint8Array, offset: number, point: Uint8Array): void
    readonly F: { readonly n8: number }
  }
  export interface Curve {
    readonly G1: Group
    readonly G2: Group
    readonly q: bigint
    readonly r: bigint
    terminate(): Promise<void>
  }
  export const curves: {
    getCurveFromName(name: 'bn128', options?: { singleThread?: boolean }): Promise<Curve>
  }
}
