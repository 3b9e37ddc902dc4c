/**
 * The compiled page circuits against forged pages: each attack of the table in settlement/circuits/pages/README.md
 * has no witness, and the statement that refuses it is the one that the table names. And a real proof under the
 * development string, judged by its generated contract on a local chain.
 */
import {
  createTestClient,
  encodeFunctionData,
  http,
  parseAbi,
  publicActions,
  walletActions,
  type Address,
  type Hex,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { startAnvil, type Anvil } from '../../contracts/anvil/anvil.js'
import type { PageJob } from './page-job.js'
import { pageKeys, type PageKey } from './page-keys.js'
import { PageProver } from './page-prove.js'
import { verifierCode, verifierSource } from './page-verifier.js'
import { toField } from '../tree/field.js'
import { forgedFrom, hashUp, inputsOfForged } from '../../test/support/forged-pages.js'
import { PAGE_ATTACKS } from '../../test/support/page-attacks.js'
import {
  sampleDenseJob,
  sampleListJob,
  SMALL_DENSE_CIRCUIT,
  SMALL_LIST_CIRCUIT,
  SMALL_PAGE,
} from '../../test/support/sample-pages.js'
import { compilePageCircuits } from './page-circuits.js'
import type { CircuitInputs, InputTree } from './page-inputs.js'
import { NoPageWitness } from './page-prover-error.js'
import { PageSolver } from './page-solve.js'

const { leaves: LEAVES, slots: SLOTS } = SMALL_LIST_CIRCUIT
const { levels: LEVELS } = SMALL_DENSE_CIRCUIT
const PAGE = SMALL_PAGE
const ROWS = PAGE.rows.length
const SENTINEL = LEAVES + SLOTS

const verifierAbi = parseAbi(['function verify(bytes proof, bytes32[] publicInputs) view returns (bool)'])
/** Of a proof with its calldata: the largest circuit's needs less. */
const GAS_MAX = 800_000
/** Of anvil. */
const account = privateKeyToAccount('0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80')

const word = (value: string): Hex => `0x${BigInt(value).toString(16).padStart(64, '0')}`
const publicInputsOf = ({ firstRoot, lastRoot, z, evaluation }: PageJob): Hex[] =>
  [firstRoot, lastRoot, z, evaluation].map(word)

/** The statement that refuses the inputs; undefined: there is a witness. */
async function refusalOf(solver: PageSolver, inputs: CircuitInputs): Promise<string | undefined> {
  try {
    await solver.execute(inputs)
    return undefined
  } catch (error) {
    if (!(error instanceof NoPageWitness)) throw error
    return error.message
  }
}

/** Every way to a single number in the inputs. */
function* places(tree: InputTree, way: readonly number[] = []): Generator<readonly number[]> {
  if (typeof tree === 'string') yield way
  else for (let at = 0; at < tree.length; at++) yield* places(tree[at]!, [...way, at])
}

/** The tree with one more at one place. */
function oneMore(tree: InputTree, [at, ...way]: readonly number[]): InputTree {
  if (typeof tree === 'string') return `0x${toField(BigInt(tree) + 1n).toString(16)}`
  return tree.map((each, place) => (place === at ? oneMore(each, way) : each))
}

/** Names of the single numbers that may be one more without being refused. */
async function freeNumbers(solver: PageSolver, inputs: CircuitInputs): Promise<string[]> {
  const free: string[] = []
  for (const [name, tree] of Object.entries(inputs))
    for (const way of places(tree))
      if ((await refusalOf(solver, { ...inputs, [name]: oneMore(tree, way) })) === undefined)
        free.push([name, ...way].join(' '))
  return free
}

let solvers: readonly [PageSolver, PageSolver]
beforeAll(async () => {
  const [list, dense] = await compilePageCircuits([SMALL_LIST_CIRCUIT, SMALL_DENSE_CIRCUIT])
  solvers = [new PageSolver(list!), new PageSolver(dense!)]
}, 120_000)

describe(`list circuit of ${LEAVES} leaves and ${SLOTS} slots`, () => {
  const circuit = SMALL_LIST_CIRCUIT
  let solver: PageSolver
  let inputs: CircuitInputs
  beforeAll(() => {
    solver = solvers[0]
    inputs = solver.inputsOf(sampleListJob(PAGE, circuit.name))
  })

  test('a page has a witness; hashed up again it is the same page', async () => {
    expect(await refusalOf(solver, inputs)).toBeUndefined()
    const page = forgedFrom(inputs)
    hashUp(page)
    expect(inputsOfForged(page)).toEqual(inputs)
  })

  for (const [name, { attack, stoppedBy, keepsRoots }] of Object.entries(PAGE_ATTACKS))
    test(`refused: ${name}`, async () => {
      const page = forgedFrom(inputs)
      attack(page)
      if (keepsRoots !== true) hashUp(page)
      expect(await refusalOf(solver, inputsOfForged(page))).toMatch(stoppedBy)
    })

  test('no number is free, but those of what is not used', async () => {
    const unused = Array.from({ length: LEAVES - ROWS }, (_, at) => ROWS + at)
    expect(await freeNumbers(solver, inputs)).toEqual([
      ...unused.map((leaf) => `key ${leaf}`),
      // The last unused slot, whose keys must increase, and the sentinel's values: nothing points to them.
      `key ${SENTINEL - 1}`,
      `old ${SENTINEL}`,
      `change ${SENTINEL}`,
      ...unused.map((leaf) => `inverse ${leaf}`),
    ])
  })
})

describe(`dense circuit of ${4 ** LEVELS} leaves`, () => {
  const circuit = SMALL_DENSE_CIRCUIT
  let solver: PageSolver
  let inputs: CircuitInputs
  beforeAll(() => {
    solver = solvers[1]
    inputs = solver.inputsOf(sampleDenseJob(PAGE, circuit.name, LEVELS))
  })
  /** Leaf 33 is place 1 of subtree 2. */
  const changing = (name: string, change: (values: string[]) => void): CircuitInputs => {
    const values = [...(inputs[name] as string[])]
    change(values)
    return { ...inputs, [name]: values }
  }

  test('a page has a witness', async () => {
    expect(await refusalOf(solver, inputs)).toBeUndefined()
  })

  test('refused: a hidden row, a zero row', async () => {
    const hidden = changing('changed', (changed) => void (changed[1] = '0x0'))
    expect(await refusalOf(solver, hidden)).toMatch(/changed\[i\]/)
    const zero = changing('changed', (changed) => void (changed[0] = '0x1'))
    expect(await refusalOf(solver, zero)).toMatch(/inverse\[i\]/)
  })

  test('refused: a balance out of range, another subtree, half a bit', async () => {
    for (const balance of [2n ** 53n, toField(-1n)]) {
      const balances = (inputs.balances as string[][]).map((lanes) => [...lanes])
      balances[1]![0] = `0x${balance.toString(16)}`
      expect(await refusalOf(solver, { ...inputs, balances })).toMatch(/balances\[lane\]/)
    }
    const elsewhere = changing('low', (low) => void (low[0] = '0x1'))
    expect(await refusalOf(solver, elsewhere)).toMatch(/evaluation/)
    expect(
      await refusalOf(
        solver,
        changing('high', (high) => void (high[0] = '0x2')),
      ),
    ).toMatch(/x \* x/)
  })

  test('no number is free, but the inverses of what does not change', async () => {
    const unchanged = (inputs.changed as string[]).flatMap((changed, at) => (changed === '0x0' ? [at] : []))
    expect(await freeNumbers(solver, inputs)).toEqual(unchanged.map((leaf) => `inverse ${leaf}`))
  })
})

describe('a page’s proof', () => {
  let chain: Anvil
  let key: PageKey
  let proof: Uint8Array
  let verifier: Address
  const job = sampleListJob(SMALL_PAGE, SMALL_LIST_CIRCUIT.name)
  const clientOf = () =>
    createTestClient({ mode: 'anvil', account, transport: http(chain.rpcUrl) })
      .extend(publicActions)
      .extend(walletActions)

  beforeAll(async () => {
    chain = await startAnvil({})
    key = (await pageKeys([SMALL_LIST_CIRCUIT]))[0]!
    proof = await new PageProver(key, 1).prove(job)
    const client = clientOf()
    const hash = await client.sendTransaction({ data: verifierCode(await verifierSource(key)), chain: null })
    verifier = (await client.waitForTransactionReceipt({ hash })).contractAddress!
  }, 120_000)
  afterAll(() => chain.stop())

  const judged = (bytes: Uint8Array, inputs: readonly Hex[]): Promise<boolean> =>
    clientOf().readContract({
      address: verifier,
      abi: verifierAbi,
      functionName: 'verify',
      args: [`0x${Buffer.from(bytes).toString('hex')}`, inputs],
    })

  test('is accepted by the contract, in one transaction', async () => {
    expect(await judged(proof, publicInputsOf(job))).toBe(true)
    const client = clientOf()
    const data = encodeFunctionData({
      abi: verifierAbi,
      functionName: 'verify',
      args: [`0x${Buffer.from(proof).toString('hex')}`, publicInputsOf(job)],
    })
    const hash = await client.sendTransaction({ to: verifier, data, chain: null })
    const { status, gasUsed } = await client.waitForTransactionReceipt({ hash })
    expect(status).toBe('success')
    expect(Number(gasUsed)).toBeLessThan(GAS_MAX)
  })

  test('is refused with any public input changed, with a byte changed, and when it is cut', async () => {
    const inputs = publicInputsOf(job)
    for (let at = 0; at < inputs.length; at++) {
      const changed = inputs.map((input, place) => (place === at ? word(String(BigInt(input) + 1n)) : input))
      await expect(judged(proof, changed)).rejects.toThrow()
    }
    for (const at of [31, proof.length / 2, proof.length - 1]) {
      const changed = Uint8Array.from(proof)
      changed[Math.floor(at)]! ^= 1
      await expect(judged(changed, inputs)).rejects.toThrow()
    }
    await expect(judged(proof.subarray(0, proof.length - 32), inputs)).rejects.toThrow()
  })

  test('is not made of a job that does not hold', async () => {
    const wrong = { ...job, evaluation: String(BigInt(job.evaluation) + 1n) }
    await expect(new PageProver(key).prove(wrong)).rejects.toThrow(NoPageWitness)
    await expect(new PageProver(key).prove({ ...job, circuit: 'list-16' })).rejects.toThrow(NoPageWitness)
  })
})
