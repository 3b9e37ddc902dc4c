/** The prover's loop against a queue over HTTP; what proves is made up here. */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { PageJob } from './page-job.js'
import { NoPageWitness } from './page-prover-error.js'
import { InsecureString, workOnPages, WrongPageQueue, type ProvesPages } from './page-work.js'

interface Call {
  readonly path: string
  readonly body: Record<string, unknown>
}

const jobOf = (circuit: string): PageJob => ({ circuit }) as PageJob

describe('a page prover at work', () => {
  let server: Server
  let url: string
  let calls: Call[]
  let leases: object[]
  let statusOfResult: number
  let isStopped: boolean

  beforeEach(async () => {
    calls = []
    leases = []
    statusOfResult = 200
    isStopped = false
    server = createServer((request, response) => {
      void read(request).then((body) => {
        if (request.headers.authorization !== 'Bearer right') return response.writeHead(401).end()
        const path = request.url!.slice(1)
        if (path !== 'lease') {
          calls.push({ path, body })
          return response.writeHead(path === 'result' ? statusOfResult : 200).end('{}')
        }
        const lease = leases.shift()
        if (lease === undefined) isStopped = true
        response.writeHead(lease === undefined ? 204 : 200).end(JSON.stringify(lease))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterEach(() => {
    server.close()
    server.closeAllConnections()
  })

  const read = async (request: IncomingMessage): Promise<Record<string, unknown>> => {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    return JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>
  }
  const work = (prover: ProvesPages, token = 'right'): Promise<void> =>
    workOnPages({
      url,
      token,
      provers: new Map([['list', prover]]),
      isDevelopment: true,
      onProgress: () => {},
      isStopped: () => isStopped,
      giveUpSeconds: 1,
    })
  const good: ProvesPages = {
    solve: () => Promise.resolve(Uint8Array.of(1)),
    proveWitness: () => Promise.resolve(Uint8Array.of(0xab, 0xcd)),
  }

  test('returns proofs, and solves the next page while one is proven', async () => {
    const steps: string[] = []
    let finish = (): void => {}
    const prover: ProvesPages = {
      solve: ({ z }) => {
        steps.push(`solve ${z}`)
        if (z === '2') setTimeout(finish, 10)
        return Promise.resolve(Uint8Array.of(1))
      },
      proveWitness: async () => {
        steps.push('prove')
        if (steps.length < 3) await new Promise<void>((resolve) => (finish = resolve))
        return Uint8Array.of(0xab, 0xcd)
      },
    }
    leases = ['1', '2'].map((z) => ({ id: `1/${z}`, chainId: 31337, job: { ...jobOf('list'), z } }))
    await work(prover)
    expect(steps).toEqual(['solve 1', 'prove', 'solve 2', 'prove'])
    expect(calls.map(({ path, body }) => [path, body.id, body.proof])).toEqual([
      ['result', '1/1', '0xabcd'],
      ['result', '1/2', '0xabcd'],
    ])
  })

  test('tells what has no witness, what it has no circuit for, and what the proof program says', async () => {
    leases = [
      { id: 'a', job: jobOf('list') },
      { id: 'b', job: jobOf('other') },
    ]
    await work({ ...good, solve: () => Promise.reject(new NoPageWitness('no')) })
    isStopped = false
    leases = [{ id: 'c', job: jobOf('list') }]
    await work({ ...good, proveWitness: () => Promise.reject(new Error('killed')) })
    expect(calls.map(({ path, body }) => [path, body.id, body.error])).toEqual([
      ['failed', 'a', 'no'],
      ['failed', 'b', 'no circuit "other"'],
      ['failed', 'c', 'killed'],
    ])
  })

  test('goes on when the queue refuses a proof, and ends when it refuses the token', async () => {
    statusOfResult = 422
    leases = [
      { id: 'a', job: jobOf('list') },
      { id: 'b', job: jobOf('list') },
    ]
    await work(good)
    expect(calls.map(({ body }) => body.id)).toEqual(['a', 'b'])
    isStopped = false
    await expect(work(good, 'wrong')).rejects.toThrow(WrongPageQueue)
  })

  test('does not prove for a chain that is not local under the development string', async () => {
    leases = [{ id: 'a', chainId: 1, job: jobOf('list') }]
    await expect(work(good)).rejects.toThrow(InsecureString)
    expect(calls.map(({ path }) => path)).toEqual(['failed'])
  })

  test('gives up a queue that is out of reach', async () => {
    server.close()
    server.closeAllConnections()
    await expect(work(good)).rejects.toThrow()
  })
})
