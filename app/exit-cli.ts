/**
 * `glassbook exit`: leaves an exchange whose operator is gone, from chain data alone. Without --send it only
 * says what it would do. With --send it does what can be done now and says what to wait for; run it again
 * then. The owner's key comes from GLASSBOOK_OWNER_KEY or --key-file, never from the command line.
 *
 * Exit codes: 0 = nothing left to do, 3 = something to wait for or to send, 1 = failure, 2 = wrong use.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createWalletClient, http, type Hex } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { planExit, sendSteps, type ExitPlan } from '../settlement/exit.js'
import { UsageError, address, chainArgs, connect, guarded, progressBar, toJson } from './chain-options.js'

const USAGE =
  'glassbook exit --owner 0x… (--settlement 0x… | --deployment FILE) --rpc URL [--send] [--key-file FILE] [--json]'
const MORE_TO_DO = 3
/** A freeze opens the escapes, an escape may leave a fee to fetch: plans in a row that still find steps. */
const ROUNDS_MAX = 5

/** Plans, and with --send takes, the way out. */
export function runExit(argv: string[]): Promise<number> {
  return guarded('exit', USAGE, async () => {
    const { values } = parseArgs({
      args: argv,
      options: {
        ...chainArgs,
        owner: { type: 'string' },
        send: { type: 'boolean', default: false },
        'key-file': { type: 'string' },
      },
    })
    if (values.owner === undefined) throw new UsageError('say whose funds: --owner 0x…')
    const owner = address(values.owner)
    const { client, deployment, rpcUrls } = await connect(values)
    const out = (line: string): void => void (values.json || process.stdout.write(`${line}\n`))
    let plan = await planExit(client, deployment, owner, progressBar('reading batches'))
    describe(plan, deployment.assets, out)
    const sent: { what: string; hash: Hex }[] = []
    if (values.send) {
      const account = privateKeyToAccount(ownerKey(values['key-file']))
      if (account.address.toLowerCase() !== owner.toLowerCase())
        throw new UsageError(`the key is ${account.address}'s, not ${owner}'s`)
      const wallet = createWalletClient({ account, transport: http(rpcUrls[0]) })
      for (let round = 0; plan.steps.length > 0 && round < ROUNDS_MAX; round++) {
        await sendSteps(client, wallet, account, plan.steps, ({ what }, hash) => {
          sent.push({ what, hash })
          out(`done: ${what} (${hash})`)
        })
        plan = await planExit(client, deployment, owner)
      }
      out('what is left:')
      describe(plan, deployment.assets, out)
    } else if (plan.steps.length > 0) out('nothing was sent: this was a dry run; add --send')
    if (values.json) process.stdout.write(`${toJson({ ...plan, sent })}\n`)
    return plan.steps.length + plan.waiting.length > 0 ? MORE_TO_DO : 0
  })
}

function describe(
  plan: ExitPlan,
  assets: readonly { readonly symbol: string }[],
  out: (line: string) => void,
): void {
  out(
    `account ${plan.account}, last proven batch ${plan.provenBatch}${plan.isFrozen ? ', exchange frozen' : ''}`,
  )
  for (const { asset, units } of plan.balances) out(`  ${units} units of ${assets[asset]!.symbol} are proven`)
  for (const { what } of plan.steps) out(`  now: ${what}`)
  for (const { asset, units, deadline } of plan.waiting)
    out(
      `  wait: ${units} units of ${assets[asset]!.symbol} are asked for; freeze after ${new Date(deadline * 1000).toISOString()}`,
    )
  if (plan.steps.length + plan.waiting.length === 0) out('  nothing to do')
}

function ownerKey(file: string | undefined): Hex {
  const text = (file === undefined ? process.env.GLASSBOOK_OWNER_KEY : readFileSync(file, 'utf8'))?.trim()
  if (text === undefined || !/^0x[0-9a-fA-F]{64}$/.test(text))
    throw new UsageError(
      '--send needs the owner’s private key, 0x and 64 digits, in GLASSBOOK_OWNER_KEY or --key-file',
    )
  return text as Hex
}
