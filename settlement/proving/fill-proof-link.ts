/**
 * Questions for proofs of fills, answered in a thread of their own (fill-proof-thread.ts), which begins with the first
 * one: they delay nobody but each other, and no more of them wait than FILL_PROOFS_WAITING_MAX.
 */
import { Worker } from 'node:worker_threads'
import type { Hex } from 'viem'
import {
  FILL_NODES_AGAIN_MS,
  FILL_PROOFS_WAITING_MAX,
  FILL_PROOF_LATER_MS,
  FILL_TROUBLES_KEPT,
} from '../limits.js'
import type { ProofLater } from './fill-proofs.js'

/** Hashes as "0x" and 64 digits. */
export interface FillProofMessage {
  readonly batch: number
  readonly state: 'committed' | 'proven' | 'final'
  /** The leaf's bytes, "0x" and digits. */
  readonly leaf: Hex
  readonly siblings: readonly Hex[]
  /** Bit i is 1 where siblings[i] is the left one. */
  readonly leftSiblings: number
}

export interface FillQuestion {
  readonly ticket: number
  readonly seq: number
  readonly index: number
}

/** null: no batch on the chain has the fill. `trouble`: why it cannot be said, for the operator. */
export interface FillAnswer {
  readonly ticket: number
  readonly proof: FillProofMessage | ProofLater | null
  readonly trouble?: string
}

type Told = FillAnswer['proof']

/** In place of "no batch has it", which nobody knows. */
export const UNREADABLE: ProofLater = { retryAfterMs: FILL_NODES_AGAIN_MS, why: 'unreadable' }

export class FillProofLink {
  private worker: Worker | undefined
  private readonly waiting = new Map<number, (proof: Told) => void>()
  private ticket = 0
  private readonly troubles = new Set<string>()
  private isStopped = false

  constructor(
    private readonly dataDir: string,
    private readonly onTrouble: (text: string) => void,
  ) {}

  /** Proof of fill `index` of the command at `seq`; null while no batch on the chain has it, or ever. */
  ask(seq: number, index: number): Promise<Told> {
    if (this.waiting.size >= FILL_PROOFS_WAITING_MAX)
      return Promise.resolve({ retryAfterMs: FILL_PROOF_LATER_MS, why: 'busy' })
    if (this.isStopped) return Promise.resolve(UNREADABLE)
    this.worker ??= this.start()
    const ticket = ++this.ticket
    return new Promise((resolve) => {
      this.waiting.set(ticket, resolve)
      this.worker!.postMessage({ ticket, seq, index } satisfies FillQuestion)
    })
  }

  /** Ends the thread; who waits, and who asks later, is told that nothing can be read. */
  async stop(): Promise<void> {
    this.isStopped = true
    await this.worker?.terminate()
  }

  private start(): Worker {
    const worker = new Worker(new URL('./fill-proof-thread.js', import.meta.url), {
      workerData: { dataDir: this.dataDir },
      name: 'fill-proofs',
    })
    worker.on('message', ({ ticket, proof, trouble }: FillAnswer) => {
      if (trouble !== undefined) this.tell(trouble)
      this.waiting.get(ticket)!(proof)
      this.waiting.delete(ticket)
    })
    worker.on('error', (error) => this.tell(error.message))
    worker.on('exit', () => {
      // The next question starts another one.
      this.worker = undefined
      for (const answer of this.waiting.values()) answer(UNREADABLE)
      this.waiting.clear()
    })
    return worker
  }

  /** Each trouble once: whoever asks may ask often. */
  private tell(text: string): void {
    if (this.troubles.has(text)) return
    if (this.troubles.size === FILL_TROUBLES_KEPT) this.troubles.clear()
    this.troubles.add(text)
    this.onTrouble(`proofs of fills: ${text}`)
  }
}
