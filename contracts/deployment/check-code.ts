/**
 * Is the code on the chain what the deployment file says, byte for byte? The bytecode of this version with the
 * constants of the deployment in it, created by a transaction that ran the published constructors with the
 * deployment's arguments, around the verification key of the deployment. The first part of check.ts.
 *
 * Why the creation is looked at, too: a hand-made constructor can leave the right code with wrong storage, such
 * as a claim of its author's. And why each place of a constant: the code keeps one copy for each use, so
 * a getter may say one value while the check beside it uses another.
 */
import { type Address, type Hex, type PublicClient, isAddressEqual } from 'viem'
import { groth16ChunkVerifierAbi } from '../abi.js'
import {
  type ContractCode,
  groth16ChunkVerifierCode,
  settlementCode,
  unprovenVerifierCode,
  vaultCode,
} from '../bytecode.js'
import { type DeployedContract, type Deployment, creationData } from './deploy.js'
import { type ContractKey, toContractKey } from './verification-key.js'

export interface Finding {
  /** 'warn' is allowed, and should be known. */
  readonly level: 'ok' | 'warn' | 'fail'
  readonly what: string
  /** What was found, and what was expected when it is not that. */
  readonly detail: string
}

/** Order of BN254's base field. */
const Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583n

/** Runtime code with the places of immutables set to zero. */
export function maskImmutables(code: Hex, immutables: ContractCode['immutables']): Hex {
  let hex = code.slice(2)
  for (const { start, length } of immutables)
    hex = hex.slice(0, start * 2) + '0'.repeat(length * 2) + hex.slice((start + length) * 2)
  return `0x${hex}`
}

/** Equal or not, as a finding. */
export function compared(what: string, found: unknown, expected: unknown): Finding {
  const [a, b] = [String(found), String(expected)]
  return a === b
    ? { level: 'ok', what, detail: a }
    : { level: 'fail', what, detail: `found ${a}, the deployment says ${b}` }
}

/**
 * Findings about code, constants in it, creation and key. When the code at an address is not this version's,
 * there is nothing more to ask, and that is the last finding.
 */
export async function checkCode(client: PublicClient, deployment: Deployment): Promise<Finding[]> {
  const findings: Finding[] = []
  const contracts = [
    ['Vault', 'vault', vaultCode],
    ['Settlement', 'settlement', settlementCode],
    ['verifier', 'verifier', deployment.constants.proven ? groth16ChunkVerifierCode : unprovenVerifierCode],
  ] as const
  const codes = await Promise.all(contracts.map(([, at]) => client.getCode({ address: deployment[at] })))
  for (const [i, [name, at, compiled]] of contracts.entries())
    findings.push(sameCode(name, deployment[at], codes[i], compiled))
  if (!deployment.constants.proven)
    findings.push({
      level: 'warn',
      what: 'proofs',
      detail: 'the verifier accepts everything: batches are posted and checked, but nothing is proven',
    })
  if (findings.some(({ level }) => level === 'fail')) return findings

  const constants = expectedImmutables(deployment)
  for (const [i, [, at, compiled]] of contracts.entries())
    findings.push(...checkImmutables(codes[i]!, compiled, constants[at]))
  findings.push(...(await checkKey(client, deployment)))
  findings.push(...(await checkCreations(client, deployment)))
  return findings
}

function sameCode(name: string, address: Address, found: Hex | undefined, compiled: ContractCode): Finding {
  const what = `bytecode of ${name}`
  const size = found === undefined ? 0 : (found.length - 2) / 2
  return found !== undefined &&
    found.length === compiled.runtime.length &&
    maskImmutables(found, compiled.immutables) === compiled.runtime
    ? { level: 'ok', what, detail: `${size} bytes at ${address}` }
    : {
        level: 'fail',
        what,
        detail: `${size} bytes at ${address} are not the ${(compiled.runtime.length - 2) / 2} bytes of this version`,
      }
}

interface Expected {
  /** Name of the immutable in the source. */
  readonly name: string
  readonly what: string
  readonly value: bigint
  /** How to print it: an address, or a number. */
  readonly isAddress?: boolean
}

/** What the deployment says of every immutable. */
function expectedImmutables(deployment: Deployment): Record<DeployedContract, Expected[]> {
  const { constants, assets } = deployment
  const assetCount = BigInt(assets.length)
  const key = contractKey(deployment)
  return {
    vault: [
      {
        name: 'settlement',
        what: 'settlement of the vault',
        value: BigInt(deployment.settlement),
        isAddress: true,
      },
      { name: 'assetCount', what: 'assets', value: assetCount },
    ],
    settlement: [
      { name: 'vault', what: 'vault of the settlement', value: BigInt(deployment.vault), isAddress: true },
      { name: '_assetCount', what: 'assets of the settlement', value: assetCount },
      { name: 'exitDelay', what: 'exitDelay', value: BigInt(constants.exitDelaySeconds) },
      { name: 'proofDelay', what: 'proofDelay', value: BigInt(constants.proofDelaySeconds) },
      { name: 'verifierDelay', what: 'verifierDelay', value: BigInt(constants.verifierDelaySeconds) },
      { name: 'maxUnproven', what: 'maxUnproven', value: BigInt(constants.maxUnproven) },
      { name: 'requestFee', what: 'requestFee', value: BigInt(constants.requestFeeWei) },
    ],
    verifier: !constants.proven
      ? []
      : [
          {
            name: 'rowsPerChunk',
            what: 'rowsPerChunk of the verifier',
            value: BigInt(constants.rowsPerChunk),
          },
          ...(key === undefined
            ? []
            : [
                { name: '_negAlphaX', what: '-alpha.x of the verifier', value: key.alpha[0] },
                { name: '_negAlphaY', what: '-alpha.y of the verifier', value: Q - key.alpha[1] },
              ]),
        ],
  }
}

function checkImmutables(code: Hex, { immutables }: ContractCode, expected: readonly Expected[]): Finding[] {
  return expected.map(({ name, what, value, isAddress }) => {
    const found = immutables
      .filter((range) => range.name === name)
      .map(({ start, length }) => BigInt(`0x${code.slice(2 + start * 2, 2 + (start + length) * 2)}`))
    const print = (word: bigint): string =>
      isAddress ? `0x${word.toString(16).padStart(40, '0')}` : String(word)
    return compared(what, [...new Set(found)].map(print).join(' and '), print(value))
  })
}

const contractKey = ({ verificationKey }: Deployment): ContractKey | undefined =>
  verificationKey === undefined ? undefined : toContractKey(verificationKey)

/** The key that the verifier keeps, point by point. */
async function checkKey(client: PublicClient, deployment: Deployment): Promise<Finding[]> {
  if (!deployment.constants.proven) return []
  const what = 'verification key'
  const expected = contractKey(deployment)
  if (expected === undefined)
    return [
      { level: 'warn', what, detail: 'the deployment does not say which: give --key verification_key.json' },
    ]
  const found = await readKey(client, deployment.verifier)
  const points = (key: ContractKey): [string, string][] => [
    ['alpha', key.alpha.join()],
    ['beta', key.beta.join()],
    ['gamma', key.gamma.join()],
    ['delta', key.delta.join()],
    ...key.ic.map((point, i): [string, string] => [`IC[${i}]`, point.join()]),
  ]
  const others = points(expected).filter(([, point], i) => points(found)[i]![1] !== point)
  return [
    others.length === 0
      ? { level: 'ok', what, detail: `${points(expected).length} points as in the deployment` }
      : {
          level: 'fail',
          what,
          detail: `other points than in the deployment: ${others.map(([name]) => name).join(', ')}`,
        },
  ]
}

/** The key that a Groth16ChunkVerifier keeps. */
export function readKey(client: PublicClient, verifier: Address): Promise<ContractKey> {
  return client.readContract({ address: verifier, abi: groth16ChunkVerifierAbi, functionName: 'key' })
}

/** That each contract was made by its published constructor with the deployment's arguments. */
async function checkCreations(client: PublicClient, deployment: Deployment): Promise<Finding[]> {
  const expected = creationData(deployment)
  return Promise.all(
    (['vault', 'settlement', 'verifier'] as const).map(async (at): Promise<Finding> => {
      const what = `creation of ${at}`
      const hash = deployment.creations?.[at]
      if (hash === undefined)
        return { level: 'warn', what, detail: 'the deployment does not say in which transaction' }
      const [transaction, receipt] = await Promise.all([
        client.getTransaction({ hash }),
        client.getTransactionReceipt({ hash }),
      ]).catch((): [undefined, undefined] => [undefined, undefined])
      if (transaction === undefined)
        return { level: 'warn', what, detail: `the endpoint does not have transaction ${hash}` }
      const { contractAddress } = receipt
      if (!contractAddress || !isAddressEqual(contractAddress, deployment[at]))
        return { level: 'fail', what, detail: `transaction ${hash} created ${contractAddress ?? 'nothing'}` }
      return transaction.input === expected[at]
        ? { level: 'ok', what, detail: `transaction ${hash} ran the published constructor` }
        : {
            level: 'fail',
            what,
            detail: `transaction ${hash} ran another constructor, or with other arguments`,
          }
    }),
  )
}
