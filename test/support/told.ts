/** Runs a tool; what it printed on standard output and error. */
export async function told(run: () => Promise<number>): Promise<{ code: number; out: string }> {
  let out = ''
  const [stdout, stderr] = [process.stdout.write, process.stderr.write]
  const take = (chunk: string | Uint8Array): boolean => ((out += String(chunk)), true)
  Object.assign(process.stdout, { write: take })
  Object.assign(process.stderr, { write: take })
  try {
    return { code: await run(), out }
  } finally {
    Object.assign(process.stdout, { write: stdout })
    Object.assign(process.stderr, { write: stderr })
  }
}
