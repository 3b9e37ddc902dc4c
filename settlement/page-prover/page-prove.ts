/** Proves pages of one circuit: solves the witness in this process, and proves it in one of its own. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { barretenberg, PROOF_FORM } from './barretenberg.js'
import type { PageJob } from './page-job.js'
import type { PageKey } from './page-keys.js'
import { PageSolver } from './page-solve.js'

export class PageProver {
  private readonly solver: PageSolver

  constructor(
    private readonly key: PageKey,
    /** Of a proof; all of the machine's unless given. */
    private readonly threads?: number,
  ) {
    this.solver = new PageSolver(key.compiled)
  }

  /** The witness, as the proof system takes it. Throws NoPageWitness. */
  solve(job: PageJob): Promise<Uint8Array> {
    return this.solver.solve(job)
  }

  /**
   * The proof of a witness. Under the public string it is verified before it is given out. The tool knows no other
   * string: under the development string the chain's verifier is asked, by whoever has a chain (`eth_call`).
   */
  async proveWitness(witness: Uint8Array): Promise<Uint8Array> {
    const { compiled, string, keyFile } = this.key
    const folder = mkdtempSync(join(tmpdir(), 'page-proof-'))
    try {
      const witnessFile = join(folder, 'witness.gz')
      writeFileSync(witnessFile, witness)
      const files = ['-b', compiled.programFile, '-w', witnessFile, '-k', keyFile]
      await barretenberg(['prove', ...PROOF_FORM, ...files, '-o', folder, '-c', string.folder], this.threads)
      const proofFile = join(folder, 'proof')
      if (!string.isDevelopment) {
        const made = ['-p', proofFile, '-i', join(folder, 'public_inputs'), '-k', keyFile]
        await barretenberg(['verify', ...PROOF_FORM, ...made, '-c', string.folder])
      }
      return readFileSync(proofFile)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }

  /** Throws NoPageWitness or PageProverError. */
  async prove(job: PageJob): Promise<Uint8Array> {
    return this.proveWitness(await this.solve(job))
  }
}
