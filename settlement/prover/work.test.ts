/**
 * Prover programs at a queue, with real proofs of a little tree: two at once, one that dies within a lease, a
 * wrong token, a wrong key, a development key for a chain that holds value.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { curves, groth16 } from 'snarkjs'
import { sleep } from '../chain/chain.js'
import { ProverQueue, type ProverQueueOptions } from '../proving/prover-queue.js'
import { chunkOf } from '../../test/support/small-chunks.js'
import { developmentKey } from './keys.js'

const SHAPE = { rows: 2, depth: 2 }
const TOKEN = 'a token of this test'
const PROGRAM = join(dirname(fileURLToPath(import.meta.url)), 'main.js')
const WAIT_MS = 600_000

describe('provers at work', () => {
  const running: ChildProcess[] = []
  const queues: ProverQueue[] = []
  let verificationKey: Record<string, unknown>

  beforeAll(async () => {
    ;({ verificationKey } = await developmentKey(SHAPE))
  }, 300_000)
  afterEach(() => {
    for (const child of running.splice(0)) child.kill('SIGKILL')
    for (const queue of queues.splice(0)) queue.close()
  })
  afterAll(async () => (await curves.getCurveFromName('bn128')).terminate())

  async function startQueue(options: Partial<ProverQueueOptions> = {}): Promise<[ProverQueue, string]> {
    const queue = new ProverQueue({
      token: TOKEN,
      depth: SHAPE.depth,
      chainId: 31337,
      check: (_number, inputs, [ax, ay, bx1, bx0, by1, by0, cx, cy]) =>
        groth16.verify(verificationKey, inputs.map(String), {
          pi_a: [String(ax), String(ay), '1'],
          pi_b: [
            [String(bx0), String(bx1)],
            [String(by0), String(by1)],
            ['1', '0'],
          ],
          pi_c: [String(cx), String(cy), '1'],
          ...{ protocol: 'groth16', curve: 'bn128' },
        }),
      ...options,
    })
    queues.push(queue)
    return [queue, await queue.listen()]
  }

  interface Prover {
    readonly child: ChildProcess
    readonly lines: Record<string, unknown>[]
    readonly ended: Promise<number | null>
  }
  function startProver(
    url: string,
    name: string,
    token = TOKEN,
    rows = SHAPE.rows,
    more: readonly string[] = [],
  ): Prover {
    const args = [
      'work',
      '--url',
      url,
      '--rows',
      String(rows),
      '--depth',
      String(SHAPE.depth),
      '--name',
      name,
      ...more,
    ]
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, GLASSBOOK_PROVER_TOKEN: token },
    })
    running.push(child)
    const lines: Record<string, unknown>[] = []
    createInterface({ input: child.stdout! }).on('line', (line) =>
      lines.push(JSON.parse(line) as Record<string, unknown>),
    )
    return { child, lines, ended: new Promise((resolve) => child.once('exit', resolve)) }
  }
  const until = async (what: string, isTrue: () => boolean): Promise<void> => {
    for (const deadline = Date.now() + WAIT_MS; !isTrue();) {
      if (Date.now() > deadline) throw new Error(`waited ${WAIT_MS} ms for ${what}`)
      await sleep(5)
    }
  }
  const inputsOf = (chunk: number) =>
    chunkOf(
      [10 + chunk, 20, 30, 40],
      new Map([
        [0, 5],
        [2, 31 + chunk],
      ]),
      SHAPE.rows,
      BigInt(1000 + chunk),
    )
  const offer = (queue: ProverQueue, chunks: number, rowsPerChunk = SHAPE.rows): Promise<unknown[]> =>
    Promise.all(
      Array.from({ length: chunks }, (_, chunk) =>
        queue.offer({ batch: 1, chunk, rows: SHAPE.rows, rowsPerChunk, makeInputs: () => inputsOf(chunk) }),
      ),
    )
  const last = ({ lines }: Prover): Record<string, unknown> | undefined => lines.at(-1)
  const provenBy = ({ lines }: Prover): number => lines.filter(({ event }) => event === 'proven').length

  test('two side by side share the work; one that is killed within a lease is replaced by the other', async () => {
    const [queue, url] = await startQueue({ leaseMs: 1000 })
    const [one, two] = [startProver(url, 'one'), startProver(url, 'two')]
    // Both are there before there is work, so both get some.
    await until('both provers', () => [one, two].every((prover) => last(prover)?.event === 'ready'))
    const proofs = offer(queue, 8)
    await until('a lease of each at one time', () => {
      const names = queue.leases().map(({ prover }) => prover)
      return names.includes('one') && names.includes('two')
    })
    one.child.kill('SIGKILL')
    expect(await proofs).toHaveLength(8)
    expect(queue.metrics()).toMatchObject({ waiting: 0, leased: 0, provenRows: 16, failures: 0 })
    expect(provenBy(one) + provenBy(two)).toBeGreaterThanOrEqual(8)
    two.child.kill('SIGTERM')
    expect(await two.ended).toBe(0)
    expect(last(two)).toEqual({ event: 'stopped' })
  })

  test('a wrong token, a key of another shape, and a development key for a chain that holds value end a prover', async () => {
    const [queue, url] = await startQueue()
    const stranger = startProver(url, 'stranger', 'another token')
    expect(await stranger.ended).toBe(1)
    expect(last(stranger)).toMatchObject({ event: 'error', name: 'WrongQueue' })

    const [valuable, valuableUrl] = await startQueue({ chainId: 1, retryMs: 1 })
    const held = offer(valuable, 1)
    held.catch(() => undefined)
    const insecure = startProver(valuableUrl, 'insecure')
    expect(await insecure.ended).toBe(1)
    expect(last(insecure)).toMatchObject({ event: 'error', name: 'InsecureKey' })
    expect(valuable.metrics()).toMatchObject({ waiting: 1, leased: 0, provenRows: 0, failures: 1 })
    valuable.stop()

    const [wide, wideUrl] = await startQueue()
    offer(wide, 1, 3).catch(() => undefined)
    const narrow = startProver(wideUrl, 'narrow')
    expect(await narrow.ended).toBe(1)
    expect(last(narrow)).toMatchObject({ event: 'error', name: 'WrongQueue' })
    wide.stop()
    expect(queue.metrics().failures).toBe(0)
  })

  test('inputs without a witness are told and tried again; a prover goes on after them', async () => {
    const told: string[] = []
    const [queue, url] = await startQueue({ retryMs: 60_000, onTrouble: (text) => void told.push(text) })
    queue
      .offer({
        batch: 1,
        chunk: 9,
        rows: SHAPE.rows,
        rowsPerChunk: SHAPE.rows,
        makeInputs: () => ({ ...inputsOf(9), lastRoot: '5' }),
      })
      .catch(() => undefined)
    const proofs = offer(queue, 1)
    const prover = startProver(url, 'honest')
    await proofs
    expect(told).toHaveLength(1)
    expect(told[0]).toMatch(/^prover honest: 1\/9: .*Assert Failed/s)
    expect(prover.lines.find(({ event }) => event === 'failed')).toMatchObject({ id: '1/9', isOurs: false })
    queue.stop()
  })

  test('an attached prover ends with whoever started it, another one goes on', async () => {
    const [, url] = await startQueue()
    const attached = startProver(url, 'attached', TOKEN, SHAPE.rows, ['--attached'])
    const free = startProver(url, 'free')
    await until('both provers', () => [attached, free].every((prover) => last(prover)?.event === 'ready'))
    for (const { child } of [attached, free]) child.stdin!.destroy()
    expect(await attached.ended).toBe(0)
    expect(free.child.exitCode).toBeNull()
    free.child.kill('SIGTERM')
    expect(await free.ended).toBe(0)
  })

  test('a proof is offered again while the queue is out of reach', async () => {
    const [queue, url] = await startQueue()
    let calls = 0
    const flaky = new Proxy(globalThis.fetch, {
      apply: (target, self, args: Parameters<typeof fetch>) => {
        // Every second call is lost.
        if (++calls % 2 === 1) return Promise.reject(new TypeError('fetch failed'))
        return Reflect.apply(target, self, args) as Promise<Response>
      },
    })
    const { fetch } = globalThis
    globalThis.fetch = flaky
    try {
      const { work } = await import('./work.js')
      let isStopped = false
      const working = work({
        url,
        token: TOKEN,
        key: await developmentKey(SHAPE),
        onProgress: () => {},
        isStopped: () => isStopped,
      })
      expect(await offer(queue, 2)).toHaveLength(2)
      isStopped = true
      await working
      expect(queue.metrics()).toMatchObject({ provenRows: 4, failures: 0 })
    } finally {
      globalThis.fetch = fetch
    }
  })
})
