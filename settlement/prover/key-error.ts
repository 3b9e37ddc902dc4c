/** A key's files are absent, damaged, of another circuit, or of no use: the message names the file and why. */
export class KeyError extends Error {
  override readonly name = 'KeyError'
}
