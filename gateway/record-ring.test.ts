/** The ring of records on disk: what a restart finds, after a change of capacity and after a torn write. */
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EVENT_WORDS } from '../engine/layout.js'
import { NUMBER_F64, RECORD_FLOATS, RecordRing, TIME_F64 } from './record-ring.js'

const folder = mkdtempSync(join(tmpdir(), 'glassbook-ring-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const event = new Int32Array(EVENT_WORDS).fill(7)

function fill(ring: RecordRing, from: number, to: number): void {
  for (let number = from; number < to; number++) {
    ring.add(event, 0, number, 1000 + number)
    if (number % 3 === 0) ring.flush()
  }
  ring.flush()
}

/** Numbers of the records that are kept, oldest first. */
function numbers(ring: RecordRing): number[] {
  const list: number[] = []
  for (let position = ring.first; position < ring.end; position++) {
    const float = (position % ring.capacity) * RECORD_FLOATS
    expect(ring.floats[float + TIME_F64]).toBe(1000 + ring.floats[float + NUMBER_F64]!)
    list.push(ring.floats[float + NUMBER_F64]!)
  }
  return list
}
const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index)

test('the newest records outlive a restart, and the file does not grow', () => {
  const path = join(folder, 'a.bin')
  const first = new RecordRing({ capacity: 16, path, write: true })
  fill(first, 0, 5)
  expect(numbers(new RecordRing({ capacity: 16, path, write: false }))).toEqual(range(0, 5))
  fill(first, 5, 50)
  expect(numbers(first)).toEqual(range(34, 50))
  // Not closed: as after kill -9.
  const second = new RecordRing({ capacity: 16, path, write: true })
  expect(numbers(second)).toEqual(range(34, 50))
  fill(second, 50, 60)
  second.close()
  expect(statSync(path).size).toBe(16 * 128)
  expect(numbers(new RecordRing({ capacity: 16, path, write: false }))).toEqual(range(44, 60))
})

test.each([
  [8, range(32, 40)],
  [64, range(24, 40)],
])('another capacity takes over what there is (%i)', (capacity, kept) => {
  const path = join(folder, `b${capacity}.bin`)
  const first = new RecordRing({ capacity: 16, path, write: true })
  fill(first, 0, 40)
  first.close()
  const second = new RecordRing({ capacity, path, write: true })
  expect(numbers(second)).toEqual(kept)
  fill(second, 40, 42)
  second.close()
  const third = new RecordRing({ capacity, path, write: true })
  expect(numbers(third)).toEqual([...kept, 40, 41].slice(-capacity))
  third.close()
})

test('a record that was lost takes the older ones with it', () => {
  const path = join(folder, 'c.bin')
  const first = new RecordRing({ capacity: 16, path, write: true })
  fill(first, 0, 12)
  first.close()
  const file = openSync(path, 'r+')
  writeSync(file, new Uint8Array(128), 0, 128, 5 * 128)
  closeSync(file)
  expect(numbers(new RecordRing({ capacity: 16, path, write: false }))).toEqual(range(6, 12))
})
