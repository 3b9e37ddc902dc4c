/**
 * Masks for offsets into the tables. An offset that has passed through one lies in a range in which V8
 * knows that adding a field's place cannot overflow an int32, and leaves out the check that it would make
 * at each of some hundred accesses a command (measured: 6 to 8 % more commands a second). They change no
 * value: every table is smaller.
 */
/**
 * Any word of any table of the core: the largest, nodes of 20 words for 2^24 levels, ends below 2^30, and so do 2^22
 * accounts of 32 words, 2^22 rows of 4, and 2^24 orders of 16 with entries of 8.
 */
export const OFFSETS = 0x3fffffff
/** Any word of the event buffer. */
export const EVENTS = 0xffff

/** Words of a cache line. */
const LINE = 16

/** A table of words that begins with a pair of cache lines: large buffers begin 16 bytes behind one. */
export function linesOf(words: number): Int32Array {
  return new Int32Array(new ArrayBuffer(words * 4 + 128), 112, words)
}

/** The least number of words, at least `words`, that fills lines. */
export function wholeLines(words: number): number {
  return Math.ceil(words / LINE) * LINE
}
