/**
 * `glassbook doctor`: is the chain what the deployment file says? Prints each check, and exits with 1 when
 * one fails. It only reads, and needs nothing but the file and a chain to ask.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createPublicClient, http } from 'viem'
import { type Finding, checkDeployment, isDeployment } from '../contracts/check.js'

const USAGE = 'usage: glassbook doctor DEPLOYMENT.json [--rpc URL] [--json]'

const marks: Record<Finding['level'], string> = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' }

/**
 * Runs the checks of contracts/check.ts.
 * @returns exit code: 0 = all well (warnings allowed), 1 = a check failed or the chain cannot be read, 2 =
 * wrong arguments or no deployment file.
 */
export async function runDoctor(argv: readonly string[]): Promise<number> {
  let path: string | undefined
  let values: { rpc?: string; json?: boolean }
  try {
    const parsed = parseArgs({
      args: [...argv],
      options: { rpc: { type: 'string' }, json: { type: 'boolean' } },
      allowPositionals: true,
    })
    path = parsed.positionals[0]
    values = parsed.values
    if (path === undefined || parsed.positionals.length > 1) throw new Error('needs one deployment file')
  } catch (error) {
    return refuse(`${message(error)}\n${USAGE}`, 2)
  }
  let deployment: unknown
  try {
    deployment = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    return refuse(`${path} cannot be read: ${message(error)}`, 2)
  }
  if (!isDeployment(deployment)) return refuse(`${path} is not a deployment`, 2)
  const rpcUrl = values.rpc ?? deployment.rpcUrl
  if (rpcUrl === undefined) return refuse(`${path} names no chain to ask: give --rpc`, 2)

  let findings: Finding[]
  try {
    findings = await checkDeployment(
      createPublicClient({ transport: http(rpcUrl, { retryCount: 1 }) }),
      deployment,
    )
  } catch (error) {
    return refuse(`${rpcUrl} cannot be asked: ${message(error).split('\n')[0]}`, 1)
  }
  const failed = findings.filter(({ level }) => level === 'fail').length
  if (values.json === true) {
    process.stdout.write(`${JSON.stringify({ failed, findings }, null, 2)}\n`)
  } else {
    for (const { level, what, detail } of findings)
      process.stdout.write(`${marks[level]} ${what}: ${detail}\n`)
    process.stdout.write(failed === 0 ? 'all well\n' : `${failed} of ${findings.length} checks failed\n`)
  }
  return failed === 0 ? 0 : 1
}

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error))

function refuse(text: string, code: number): number {
  process.stderr.write(`glassbook doctor: ${text}\n`)
  return code
}
