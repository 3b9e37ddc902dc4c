/**
 * Answers to `depth`, encoded once between two changes of a book: however many ask, and for how many levels, each
 * level is encoded once for each codec, and an answer is cut from that. Bound: BOOK_DEPTH_MAX levels a side, codec
 * and market.
 *
 * Called by requests.ts. Invariant: an answer's bytes are what the codec makes of the same answer (depth-answers.test.ts).
 */
import { Kind } from '../../sdk/wire/layout.js'
import { type Codec, msgpackCodec, packJson } from '../../sdk/wire/codec.js'
import { MsgpackWriter, type WireValue } from '../../sdk/wire/msgpack.js'
import type { LevelEntry } from '../../sdk/wire/layout.js'
import type { BookView } from '../views/book-view.js'
import type { Encoded } from '../connections/connection.js'

/** An answer that is encoded otherwise than by its value. */
export abstract class EncodedAnswer {
  /** The message that answers request `id`. */
  abstract message(codec: Codec, id: number): Encoded
  /** Its JSON alone. */
  abstract json(): string
}

/** Levels of one side as text, and where each ends. */
class JsonSide {
  #text = ''
  #ends: number[] = []

  upTo(levels: readonly LevelEntry[]): string {
    if (this.#ends.length < levels.length) {
      let added = ''
      const start = this.#text.length
      for (let index = this.#ends.length; index < levels.length; index++) {
        if (index > 0) added += ','
        added += `[${levels[index]!.join(',')}]`
        this.#ends.push(start + added.length)
      }
      this.#text += added
    }
    return levels.length === 0 ? '' : this.#text.slice(0, this.#ends[levels.length - 1])
  }
}

const writer = new MsgpackWriter(32 << 10)

/** Levels of one side as bytes, and where each ends. */
class MsgpackSide {
  #bytes = new Uint8Array(0)
  #ends: number[] = []

  upTo(levels: readonly LevelEntry[]): Uint8Array {
    if (this.#ends.length < levels.length) {
      writer.reset().raw(this.#bytes)
      for (let index = this.#ends.length; index < levels.length; index++) {
        writer.value(levels[index]!)
        this.#ends.push(writer.view().length)
      }
      this.#bytes = writer.take()
    }
    return levels.length === 0 ? NO_BYTES : this.#bytes.subarray(0, this.#ends[levels.length - 1])
  }
}

const NO_BYTES = new Uint8Array(0)

export class DepthAnswers {
  readonly #book: BookView
  /** Version of the book that the sides are of. */
  #version = -1
  #json: readonly [JsonSide, JsonSide] = [new JsonSide(), new JsonSide()]
  #msgpack: readonly [MsgpackSide, MsgpackSide] = [new MsgpackSide(), new MsgpackSide()]
  #checksum = 0

  constructor(book: BookView) {
    this.#book = book
  }

  /** What `depth` is answered now; to be encoded before the book changes. */
  answer(depth: number): EncodedAnswer {
    const book = this.#book
    if (this.#version !== book.version) {
      this.#version = book.version
      this.#json = [new JsonSide(), new JsonSide()]
      this.#msgpack = [new MsgpackSide(), new MsgpackSide()]
      this.#checksum = book.checksum()
    }
    return new DepthAnswer(book, depth, this.#checksum, this.#json, this.#msgpack)
  }
}

class DepthAnswer extends EncodedAnswer {
  readonly #seq: number
  readonly #levels: readonly [bids: readonly LevelEntry[], asks: readonly LevelEntry[]]
  readonly #checksum: number
  readonly #json: readonly [JsonSide, JsonSide]
  readonly #msgpack: readonly [MsgpackSide, MsgpackSide]

  constructor(
    book: BookView,
    depth: number,
    checksum: number,
    json: readonly [JsonSide, JsonSide],
    msgpack: readonly [MsgpackSide, MsgpackSide],
  ) {
    super()
    this.#seq = book.lastSeq
    this.#levels = book.top(depth)
    this.#checksum = checksum
    this.#json = json
    this.#msgpack = msgpack
  }

  /** What the answer says, for who does not encode it here. */
  toJSON(): WireValue {
    return { seq: this.#seq, levels: this.#levels as unknown as WireValue, checksum: this.#checksum }
  }

  json(): string {
    const [bids, asks] = this.#levels
    const levels = `[${this.#json[0].upTo(bids)}],[${this.#json[1].upTo(asks)}]`
    return `{"seq":${this.#seq},"levels":[${levels}],"checksum":${this.#checksum}}`
  }

  message(codec: Codec, id: number): Encoded {
    if (codec !== msgpackCodec) return `${packJson([Kind.Result, id]).slice(0, -1)},${this.json()}]`
    const [bids, asks] = this.#levels
    // The sides first: they are written with the same writer.
    const sides = [this.#msgpack[0].upTo(bids), this.#msgpack[1].upTo(asks)] as const
    writer.reset().array(3).value(Kind.Result).value(id).map(3)
    writer.string('seq').value(this.#seq).string('levels').array(2)
    writer.array(bids.length).raw(sides[0]).array(asks.length).raw(sides[1])
    return writer.string('checksum').value(this.#checksum).take()
  }
}
