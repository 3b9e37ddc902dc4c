/** Solves the witness of a page: what the circuit's every wire holds, or the constraint that a wrong job breaks. */
import { Noir } from '@noir-lang/noir_js'
import { hashFamily } from '../quad-tree/poseidon2.js'
import { readPageProgram, type CompiledPageCircuit } from './page-circuits.js'
import { denseInputs, listInputs, type CircuitInputs } from './page-inputs.js'
import type { PageJob } from './page-job.js'
import { NoPageWitness } from './page-prover-error.js'

export class PageSolver {
  private readonly solver: Noir

  constructor(private readonly compiled: CompiledPageCircuit) {
    this.solver = new Noir(readPageProgram(compiled))
  }

  /** The witness, as the proof system takes it. Throws NoPageWitness. */
  async solve(job: PageJob): Promise<Uint8Array> {
    return this.execute(this.inputsOf(job))
  }

  /** The same from inputs: tests try wrong ones. Throws NoPageWitness. */
  async execute(inputs: CircuitInputs): Promise<Uint8Array> {
    try {
      return (await this.solver.execute(inputs)).witness
    } catch (error) {
      throw new NoPageWitness(brokenConstraint(error))
    }
  }

  inputsOf(job: PageJob): CircuitInputs {
    const { circuit } = this.compiled
    if (job.circuit !== circuit.name)
      throw new NoPageWitness(`a page for circuit ${job.circuit}, this is ${circuit.name}`)
    if (job.kind === 'list' && circuit.kind === 'list') return listInputs(job, circuit, hashFamily)
    if (job.kind === 'dense' && circuit.kind === 'dense') return denseInputs(job, circuit)
    throw new NoPageWitness(`a ${job.kind} page for circuit ${circuit.name}, which is ${circuit.kind}`)
  }
}

/** What the solver says, and the statement of the circuit's source that does not hold. */
function brokenConstraint(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { noirCallStack = [] } = error as { noirCallStack?: readonly string[] }
  // The rest of a line is the place of the compilation.
  return [error.message, ...noirCallStack.map((line) => line.replace(/ \([^()]*\)$/, ''))].join('; ')
}
