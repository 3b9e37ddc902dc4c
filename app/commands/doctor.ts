/**
 * `glassbook doctor`: is the chain what the deployment file says, and is the verifier's key the one of the
 * ceremony? Prints each check, and exits with 1 when one fails. It only reads, and needs nothing but the file
 * and a chain to ask.
 */
import { readFileSync } from 'node:fs'
import { type PublicClient, createPublicClient, http } from 'viem'
import { type Finding, checkDeployment } from '../../contracts/deployment/check.js'
import { readKey } from '../../contracts/deployment/check-code.js'
import type { Deployment } from '../../contracts/deployment/deploy.js'
import { parseVerificationKey, toContractKey } from '../../contracts/deployment/verification-key.js'
import {
  InsecureKey,
  developmentVerificationKey,
  refuseDevelopmentKey,
} from '../../settlement/chain/development-key.js'
import { readDeploymentFile } from '../files/deployment-file.js'
import { fileErrorText, unreadable } from '../files/file-errors.js'
import { UsageError } from '../files/usage-error.js'
import { localChainAdvice } from './chain-options.js'

const marks: Record<Finding['level'], string> = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' }

export interface DoctorFlags {
  readonly rpc?: string | undefined
  readonly key?: string | undefined
  readonly json?: boolean | undefined
}

/**
 * Runs the checks of contracts/deployment/check.ts, with the key of `--key` in the place of the deployment's.
 * @returns exit code: 0 = all well (warnings allowed), 1 = a check failed.
 * @throws UsageError where there is no deployment file or no verification key; Error where the chain cannot be read.
 */
export async function runDoctor(path: string, values: DoctorFlags): Promise<number> {
  const unread = unreadable('the deployment', path)
  if (unread !== undefined) throw new UsageError(unread)
  let deployment: Deployment = readDeploymentFile(path)
  try {
    const key: unknown =
      values.key === undefined ? deployment.verificationKey : JSON.parse(readFileSync(values.key, 'utf8'))
    if (key !== undefined) {
      deployment = { ...deployment, verificationKey: parseVerificationKey(key) }
      toContractKey(deployment.verificationKey!)
    }
  } catch (error) {
    throw new UsageError(fileErrorText(error) ?? `${values.key ?? path}: ${message(error)}`)
  }
  const rpcUrl = values.rpc ?? deployment.rpcUrl
  if (rpcUrl === undefined) throw new UsageError(`${path} names no chain to ask: give --rpc`)

  let findings: Finding[]
  try {
    const client = createPublicClient({ transport: http(rpcUrl, { retryCount: 1 }) })
    findings = await checkDeployment(client, deployment)
    const isRightCode = findings.every(
      ({ what, level }) => what !== 'bytecode of verifier' || level !== 'fail',
    )
    if (deployment.constants.proven && isRightCode) findings.push(await judgeKey(client, deployment))
  } catch (error) {
    const why = `${message(error).split('\n')[0]}${localChainAdvice(error)}`
    throw new Error(`${rpcUrl} cannot be asked: ${why}`, { cause: error })
  }
  const failed = findings.filter(({ level }) => level === 'fail').length
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ failed, findings }, null, 2)}\n`)
  } else {
    for (const { level, what, detail } of findings)
      process.stdout.write(`${marks[level]} ${what}: ${detail}\n`)
    process.stdout.write(failed === 0 ? 'all well\n' : `${failed} of ${findings.length} checks failed\n`)
  }
  return failed === 0 ? 0 : 1
}

/** Whether anybody knows the secrets of the verifier's key, as far as we can know. */
async function judgeKey(client: PublicClient, { verifier, chainId }: Deployment): Promise<Finding> {
  const what = 'setup of the key'
  const { alpha } = await readKey(client, verifier)
  try {
    refuseDevelopmentKey(chainId, alpha)
  } catch (error) {
    if (!(error instanceof InsecureKey)) throw error
    return { level: 'fail', what, detail: error.message }
  }
  return String(alpha[0]) === developmentVerificationKey.vk_alpha_1[0]
    ? {
        level: 'warn',
        what,
        detail: 'the development key: its secrets are public, so anybody can forge proofs',
      }
    : { level: 'ok', what, detail: 'not the development key' }
}

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error))
