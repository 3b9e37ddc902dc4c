/** Answers to `depth` are byte for byte what the codecs make of them, and encode a level once until the book changes. */
import { jsonCodec, msgpackCodec, packJson, unpackJson } from '../../sdk/wire/codec.js'
import { Kind } from '../../sdk/wire/layout.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import { BookView } from '../views/book-view.js'
import { DepthAnswers } from './depth-answers.js'

function expectSame(book: BookView, answers: DepthAnswers, depth: number): void {
  const value = {
    seq: book.lastSeq,
    levels: book.top(depth),
    checksum: book.checksum(),
  } as unknown as WireValue
  const answer = answers.answer(depth)
  expect(answer.json()).toBe(packJson(value))
  for (const id of [0, 200, 2 ** 31 - 1])
    for (const codec of [jsonCodec, msgpackCodec])
      expect(answer.message(codec, id)).toEqual(codec.encode([Kind.Result, id, value]))
}

test('any depth in any order, of empty, one-sided and large books, between changes', () => {
  const book = new BookView(0)
  const answers = new DepthAnswers(book)
  expectSame(book, answers, 10)
  for (let index = 0; index < 1500; index++)
    book.set(1, 1000 + 7 * index, 1 + index * 1_000_003, 1 + index, 5)
  for (const depth of [1, 1000, 3, 999, 1000]) expectSame(book, answers, depth)
  for (let index = 0; index < 300; index++) book.set(0, 900 - index, 2 ** 40 + index, 300, 6)
  for (const depth of [2, 500, 16, 15]) expectSame(book, answers, depth)
  // A second change of the same command: its seq is the same, the book is not.
  book.set(0, 900, 0, 0, 6)
  expectSame(book, answers, 5)
  book.clear()
  expectSame(book, answers, 5)
})

test('equal questions between two changes encode nothing again', () => {
  const book = new BookView(0)
  let made = 0
  const level = [50, 3, 1] as unknown as [number, number, number]
  const join = level.join.bind(level)
  level.join = (separator) => {
    made++
    return join(separator)
  }
  const answers = new DepthAnswers(book)
  book.top = () => [[level], []]
  for (let count = 0; count < 10; count++) unpackJson(answers.answer(1).json())
  expect(made).toBe(1)
  book.set(0, 50, 3, 1, 9)
  answers.answer(1).json()
  expect(made).toBe(2)
})
