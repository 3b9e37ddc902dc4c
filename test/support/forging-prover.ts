/**
 * A prover for tests that need final batches and no proofs: it forges what is asked for, with the published secrets of
 * the development key, in milliseconds where a real proof takes seconds. The chain takes its proofs: that is what
 * the secrets of a ceremony are worth.
 */
import { bn254 } from '@noble/curves/bn254.js'
import { developmentVerificationKey } from '../../settlement/chain/development-key.js'
import { secretsOf } from '../../settlement/prover/development-key.js'
import { freePort } from './ports.js'

const { Fr } = bn254.fields
const TOKEN = 'a token for forged proofs'
const IDLE_MS = 50

interface Lease {
  readonly id: string
  readonly inputs: Readonly<Record<'firstRoot' | 'lastRoot' | 'z' | 'evaluation', string>>
}

/**
 * With a and b at random: A = a G1, B = b G2, C = ((a b - alpha beta) / delta) G1 - (gamma / delta) IC(x).
 * @returns points in EIP-197 order.
 */
function forge(inputs: readonly bigint[]): bigint[] {
  const { alpha, beta, gamma, delta } = secretsOf(Fr.ORDER)
  const [a, b] = [43n, 47n]
  const point = ([x, y]: readonly string[]) => bn254.G1.Point.fromAffine({ x: BigInt(x!), y: BigInt(y!) })
  const [first, ...others] = developmentVerificationKey.IC.map(point)
  const sum = others.reduce((total, each, at) => {
    const scalar = Fr.create(inputs[at]!)
    return scalar === 0n ? total : total.add(each.multiply(scalar))
  }, first!)
  const perDelta = Fr.inv(Fr.create(delta))
  const c = bn254.G1.Point.BASE.multiply(Fr.mul(Fr.create(a * b - alpha * beta), perDelta)).subtract(
    sum.multiply(Fr.mul(Fr.create(gamma), perDelta)),
  )
  const [pointA, pointB, pointC] = [
    bn254.G1.Point.BASE.multiply(a).toAffine(),
    bn254.G2.Point.BASE.multiply(b).toAffine(),
    c.toAffine(),
  ]
  return [
    ...[pointA.x, pointA.y, pointB.x.c1, pointB.x.c0],
    ...[pointB.y.c1, pointB.y.c0, pointC.x, pointC.y],
  ]
}

export interface Forger {
  /** For `glassbook start`, with its environment: the queue is where the forger asks. */
  readonly flags: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  stop(): Promise<void>
}

/** Forges for whoever starts with its flags, until it is stopped. */
export async function startForger(): Promise<Forger> {
  const port = await freePort()
  let isStopped = false
  /** undefined: nobody listens yet or any more, or there is nothing to prove. */
  const post = async (path: string, body: object): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }).catch(() => undefined)
    return response?.status === 200 ? response.json() : undefined
  }
  const working = (async () => {
    while (!isStopped) {
      const lease = (await post('lease', { prover: 'forger' })) as Lease | undefined
      if (lease === undefined) {
        await new Promise((done) => setTimeout(done, IDLE_MS))
        continue
      }
      const { firstRoot, lastRoot, z, evaluation } = lease.inputs
      const proof = forge([firstRoot, lastRoot, z, evaluation].map(BigInt)).map(String)
      await post('result', { id: lease.id, proof, milliseconds: 1 })
    }
  })()
  return {
    flags: ['--no-local-prover', '--prover-listen', String(port)],
    environment: { GLASSBOOK_PROVER_TOKEN: TOKEN },
    async stop() {
      isStopped = true
      await working
    },
  }
}
