/** The queue alone, with provers that are plain HTTP calls: who gets what, what fails, what is refused. */
import { ProverQueue, QueueStopped, type ProverQueueOptions } from './prover-queue.js'
import { sleep } from '../chain/chain.js'
import type { ChunkInputs } from '../follow/witness.js'

const TOKEN = 'a token of this test'
const GOOD = ['1', '2', '3', '4', '5', '6', '7', '8']
const BAD = ['8', '7', '6', '5', '4', '3', '2', '1']

const inputsOf = (id: string): ChunkInputs =>
  ({ firstRoot: '1', lastRoot: '2', z: '3', evaluation: id.replace(/\D/g, '') }) as ChunkInputs

describe('prover queue', () => {
  const open: ProverQueue[] = []
  afterEach(() => {
    for (const queue of open.splice(0)) queue.close()
  })

  interface Answer {
    readonly status: number
    readonly body: Record<string, unknown>
  }
  type Call = (path: string, body?: object, token?: string) => Promise<Answer>

  async function start(options: Partial<ProverQueueOptions> = {}): Promise<{
    queue: ProverQueue
    call: Call
    trouble: string[]
  }> {
    const trouble: string[] = []
    const queue = new ProverQueue({
      token: TOKEN,
      depth: 28,
      onTrouble: (text) => void trouble.push(text),
      ...options,
    })
    open.push(queue)
    const url = await queue.listen()
    const call: Call = async (path, body = {}, token = TOKEN) => {
      const isGet = path === 'status'
      const response = await fetch(`${url}/${path}`, {
        method: isGet ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${token}` },
        ...(isGet ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      return {
        status: response.status,
        body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>,
      }
    }
    return { queue, call, trouble }
  }
  const offer = (queue: ProverQueue, id: string, rows = 7, makeInputs = () => inputsOf(id)) => {
    const [batch, chunk] = id.split('/').map(Number) as [number, number]
    return queue.offer({ batch, chunk, rows, rowsPerChunk: 7, makeInputs })
  }

  test('nothing is told or taken without the token', async () => {
    const { queue, call } = await start()
    const proof = offer(queue, '1/0')
    for (const path of ['lease', 'result', 'failed', 'status'])
      for (const token of ['', 'another', `${TOKEN}x`, TOKEN.slice(1)])
        expect((await call(path, { id: '1/0', proof: GOOD }, token)).status).toBe(401)
    expect(queue.metrics()).toMatchObject({ waiting: 1, leased: 0, failures: 0 })
    await call('lease')
    await call('result', { id: '1/0', proof: GOOD })
    expect(await proof).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n])
  })

  test('two provers get two chunks; figures and leases tell who does what', async () => {
    const { queue, call } = await start({ chainId: 31337 })
    const proofs = [offer(queue, '1/0'), offer(queue, '1/1', 3)]
    const [first, second] = [await call('lease', { prover: 'A' }), await call('lease', { prover: 'B' })]
    expect(first.body).toEqual({
      id: '1/0',
      rowsPerChunk: 7,
      depth: 28,
      chainId: 31337,
      inputs: inputsOf('1/0'),
    })
    expect(second.body.id).toBe('1/1')
    expect((await call('lease', { prover: 'A' })).status).toBe(204)
    const { body } = await call('status')
    expect(body).toMatchObject({ waiting: 0, leased: 2, provenRows: 0, failures: 0 })
    expect(body.leases).toMatchObject([
      { id: '1/0', prover: 'A', failures: 0 },
      { id: '1/1', prover: 'B', failures: 0 },
    ])
    await call('result', { id: '1/1', proof: GOOD })
    await call('result', { id: '1/0', proof: GOOD })
    await Promise.all(proofs)
    expect(queue.metrics()).toMatchObject({ waiting: 0, leased: 0, provenRows: 10 })
    expect(queue.metrics().rowsPerSecond).toBeGreaterThan(0)
  })

  test('a lease that runs out goes to another; the first good proof counts, the second is not needed', async () => {
    const { queue, call } = await start({ leaseMs: 30 })
    const proof = offer(queue, '1/0')
    expect((await call('lease', { prover: 'dead' })).body.id).toBe('1/0')
    while (queue.metrics().leased > 0) await sleep(5)
    expect((await call('lease', { prover: 'other' })).body.id).toBe('1/0')
    expect((await call('result', { id: '1/0', proof: GOOD })).body).toEqual({ taken: true })
    await proof
    expect((await call('result', { id: '1/0', proof: BAD })).body).toEqual({ taken: false })
    expect(queue.metrics()).toMatchObject({ provenRows: 7, failures: 0 })
  })

  test('a proof that does not verify is refused before anything is sent, and the chunk is leased again', async () => {
    const asked: bigint[][] = []
    const { queue, call, trouble } = await start({
      retryMs: 1,
      check: (number, inputs, proof) => {
        expect(number).toBe(1)
        asked.push([...inputs])
        return Promise.resolve(proof[0] === 1n)
      },
    })
    let isDone = false
    const proof = offer(queue, '1/5').then((words) => ((isDone = true), words))
    await call('lease', { prover: 'forger' })
    expect(await call('result', { id: '1/5', proof: BAD })).toEqual({
      status: 422,
      body: { error: 'the proof does not verify' },
    })
    for (const words of [
      GOOD.slice(1),
      [...GOOD.slice(1), '-1'],
      [...GOOD.slice(1), '9'.repeat(79)],
      'no',
      null,
    ])
      expect((await call('result', { id: '1/5', proof: words })).status).toBe(400)
    expect(isDone).toBe(false)
    expect(asked).toEqual([[1n, 2n, 3n, 15n]])
    expect(queue.metrics()).toMatchObject({ waiting: 1, provenRows: 0, failures: 6 })
    expect(trouble[0]).toBe('prover forger: 1/5: a proof that does not verify')
    let lease = await call('lease')
    while (lease.status === 204) lease = await call('lease')
    expect(lease.body.id).toBe('1/5')
    await call('result', { id: '1/5', proof: GOOD })
    expect(await proof).toEqual(GOOD.map(BigInt))
  })

  test('where the verifier cannot be asked, the chain judges the proof', async () => {
    const { queue, call, trouble } = await start({ check: () => Promise.reject(new Error('no endpoint')) })
    const proof = offer(queue, '1/0')
    await call('lease')
    expect((await call('result', { id: '1/0', proof: GOOD })).status).toBe(200)
    await proof
    expect(trouble).toEqual(['prover: 1/0: not checked: no endpoint'])
  })

  test('a chunk that fails again and again waits longer, and keeps nobody from the others', async () => {
    const { queue, call, trouble } = await start({ retryMs: 60_000 })
    const proofs = [offer(queue, '1/0'), offer(queue, '1/1')]
    expect((await call('lease')).body.id).toBe('1/0')
    await call('failed', { id: '1/0', error: 'no witness' })
    expect((await call('lease')).body.id).toBe('1/1')
    expect((await call('lease')).status).toBe(204)
    expect(queue.metrics()).toMatchObject({ waiting: 1, leased: 1, failures: 1 })
    expect(trouble).toEqual(['prover: 1/0: no witness'])
    // What does not exist does not fail.
    expect((await call('failed', { id: '9/9', error: 'x' })).status).toBe(200)
    expect(queue.metrics().failures).toBe(1)
    queue.stop()
    for (const proof of proofs) await expect(proof).rejects.toThrow(QueueStopped)
    await expect(offer(queue, '1/2')).rejects.toThrow(QueueStopped)
  })

  test('inputs that cannot be made are told, and the next chunk is leased', async () => {
    const { queue, call, trouble } = await start()
    offer(queue, '1/0', 7, () => {
      throw new Error('the tree is not kept any more')
    }).catch(() => undefined)
    offer(queue, '1/1').catch(() => undefined)
    expect((await call('lease')).body.id).toBe('1/1')
    expect(trouble).toEqual(['prover: 1/0: the tree is not kept any more'])
    queue.stop()
  })

  test('what is no request is refused', async () => {
    const { queue, call } = await start()
    expect((await call('nothing')).status).toBe(404)
    const sized = (bytes: number): object => ({ id: 'x'.repeat(bytes - '{"id":""}'.length) })
    expect(await call('result', sized(64 * 1024))).toEqual({ status: 200, body: { taken: false } })
    expect((await call('result', sized(64 * 1024 + 1))).status).toBe(400)
    expect((await call('result', [1])).body).toEqual({ taken: false })
    expect(queue.metrics()).toMatchObject({ waiting: 0, failures: 0 })
  })
})
