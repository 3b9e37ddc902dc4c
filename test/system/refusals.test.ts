/** What two programs cannot share is refused to the second one, with its reason and a code; the first goes on. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NO_PROVER, Program } from '../support/program.js'
import { freePort } from '../support/ports.js'

const folder = mkdtempSync(join(tmpdir(), 'glassbook-refusals-'))
const programs: Program[] = []
const run = (...args: string[]): Program => {
  const program = new Program(args)
  programs.push(program)
  return program
}
const refused = async (program: Program): Promise<[number | null, string]> => [
  await program.ends(),
  program.output,
]
afterAll(async () => {
  await Promise.all(programs.map((program) => (program.hasExited ? null : program.kill('SIGTERM'))))
  rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
})

test('a socket has one exchange and one gateway, a history one writer', async () => {
  const dataDir = join(folder, 'data')
  const sockets = [join(folder, 'one.sock'), join(folder, 'two.sock')] as const
  const exchange = run(
    ...['start', '--data', dataDir, ...NO_PROVER],
    ...sockets.flatMap((path) => ['--gateway-socket', path]),
  )
  await exchange.says('Ctrl-C')
  const gatewayOf = async (socket: string, data: string): Promise<Program> =>
    run('gateway', '--connect', socket, '--data', data, '--gateway-port', String(await freePort()))
  const gateway = await gatewayOf(sockets[0], dataDir)
  await gateway.says('ws://')

  expect(
    await refused(run('start', '--data', join(folder, 'other'), '--gateway-socket', sockets[0])),
  ).toEqual([1, expect.stringMatching(/gateway socket .*one\.sock is in use by process \d+/)])
  // Another gateway on the same socket, with a history of its own.
  expect(await refused(await gatewayOf(sockets[0], join(folder, 'history')))).toEqual([
    1,
    expect.stringContaining(sockets[0]),
  ])
  // Another gateway with the same history, on a socket of its own.
  expect(await refused(await gatewayOf(sockets[1], dataDir))).toEqual([
    1,
    expect.stringMatching(/history folder .* is in use by process \d+/),
  ])
  expect([exchange.hasExited, gateway.hasExited]).toEqual([false, false])
  expect(await exchange.kill('SIGTERM')).toBe(0)
  expect(await gateway.ends()).toBe(0)
}, 900_000)

test('a data folder that cannot be made is refused', async () => {
  const [code, output] = await refused(run('start', '--data', '/proc/none', ...NO_PROVER))
  expect([code, output]).toEqual([2, expect.stringContaining('data folder /proc/none cannot be used')])
}, 900_000)
