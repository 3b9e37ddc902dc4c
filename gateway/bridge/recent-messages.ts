/**
 * The newest messages of what the engine applied, as frames: what the next gateway process is told again, so that
 * fills and orders that ended while nobody listened are in its history too. To it they are nobody's answer.
 */
import { Outbound } from '../../engine/messages.js'
import { RECENT_BYTES_MAX } from '../limits.js'
import { BRIDGE_HEADER_BYTES } from './bridge-frames.js'

export class RecentMessages {
  #frames: Buffer[] = []
  #bytes = 0

  /** Keeps a frame, between RECENT_BYTES_MAX and twice that of the newest ones. */
  keep(frame: Buffer): void {
    this.#frames.push(frame)
    this.#bytes += frame.length
    if (this.#bytes <= 2 * RECENT_BYTES_MAX) return
    let from = 0
    // It begins with whole commands: a fill is numbered within its own.
    const isMidCommand = (): boolean => wordOf(this.#frames[from - 1]!, Outbound.MORE) === 1
    for (; this.#bytes > RECENT_BYTES_MAX || isMidCommand(); from++) this.#bytes -= this.#frames[from]!.length
    this.#frames = this.#frames.slice(from)
  }

  /** All of them, oldest first; from now on nobody asked for any of them. */
  again(nobody: number): readonly Buffer[] {
    for (const frame of this.#frames)
      frame.writeInt32LE(nobody, BRIDGE_HEADER_BYTES + Outbound.CONNECTION * 4)
    return this.#frames
  }
}

/** Word `index` of the ring message in a frame. */
export const wordOf = (frame: Buffer, index: number): number =>
  frame.readInt32LE(BRIDGE_HEADER_BYTES + index * 4)
