import { UNWRITTEN_BYTES_MAX } from '../limits.js'
import { Output } from './terminal.js'

/** A terminal, and what it was told. */
function terminal(isTTY: boolean) {
  const written: string[] = []
  const blocking: boolean[] = []
  const stream = {
    isTTY,
    columns: 80,
    writableLength: 0,
    write: (text: string) => written.push(text) > 0,
    _handle: { setBlocking: (value: boolean) => blocking.push(value) },
  }
  return { stream, written, blocking, out: new Output(stream as unknown as NodeJS.WriteStream) }
}

test('a terminal is not waited for; a pipe or a file is as Node has it', () => {
  expect(terminal(true).blocking).toEqual([false])
  expect(terminal(false).blocking).toEqual([])
})

test('what passes is left out while lines wait, lines when far too many do', () => {
  const { stream, written, out } = terminal(true)
  out.line('a')
  out.passing('1')
  stream.writableLength = 10
  out.passing('2')
  out.before('-')
  out.line('b')
  stream.writableLength = UNWRITTEN_BYTES_MAX + 1
  out.line('c')
  out.before('-')
  out.line('d')
  stream.writableLength = 10
  out.line('e')
  expect(written).toEqual(['a\n', '1', '-', 'b\n', '(2 lines were not shown: nobody read them)\n', 'e\n'])
})
