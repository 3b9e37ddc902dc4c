/**
 * `glassbook audit`: rebuilds every balance from chain data alone. `glassbook replay DIR --rpc URL`:
 * recomputes every batch from the journal and compares it with the chain.
 *
 * Exit codes: 0 = all agrees, 1 = a difference (named) or a failure, 2 = wrong use, 3 = nothing differs, and not all
 * that --calldata asks for could be compared (said what).
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { audit } from '../../settlement/audit/audit.js'
import {
  CHECKPOINT_BEGINS,
  readCheckpoint,
  stageCheckpoint,
  type StagedCheckpoint,
} from '../../settlement/audit/checkpoint.js'
import { accountOf, assetOf } from '../../settlement/batch/rows.js'
import type { CalldataReport } from '../../settlement/chain/history.js'
import { replayAgainstChain } from '../../settlement/audit/replay.js'
import { unitsText } from '../../settlement/audit/units-text.js'
import { type ChainFlags, askingChain, connect, expectFiles, progressBar, toJson } from './chain-options.js'

const NOT_ALL_COMPARED = 3
const BALANCES_HEAD = 'account,asset,units'

export interface AuditFlags extends ChainFlags {
  readonly balances?: string | undefined
  readonly checkpoint?: string | undefined
  readonly from?: string | undefined
  readonly calldata?: boolean | undefined
}

/**
 * Audits an exchange from the chain; `--balances FILE` writes account, asset and units after the last batch that agreed,
 * as CSV, `--checkpoint FILE` the state after the last final batch, for `--from` and for `glassbook exit`: not of a state
 * that differs, and a file that is there stays as it was.
 */
export function runAudit(values: AuditFlags): Promise<number> {
  return askingChain(async () => {
    expectFiles({
      read: { '--from': values.from },
      written: {
        '--balances': { path: values.balances, begins: BALANCES_HEAD },
        '--checkpoint': { path: values.checkpoint, begins: CHECKPOINT_BEGINS },
      },
    })
    const { client, deployment } = await connect(values)
    const { chainId, settlement } = deployment
    const file = values.checkpoint
    let staged: StagedCheckpoint | undefined
    const { report, tree, isStateRight } = await audit(client, deployment, {
      onProgress: progressBar('reading batches'),
      calldata: values.calldata === true,
      ...(values.from === undefined ? {} : { checkpoint: readCheckpoint(values.from, deployment) }),
      onFinal: (final, { lastSeq, ...position }) => {
        if (file === undefined) return
        staged = stageCheckpoint(file, { chainId, settlement, ...position, lastSeq: String(lastSeq) }, final)
      },
    }).catch((error: unknown) => {
      staged?.drop()
      throw error
    })
    if (isStateRight) staged?.keep()
    else staged?.drop()
    if (values.balances !== undefined) {
      const lines = [...tree.balances()]
        .sort((a, b) => a[0] - b[0])
        .map(([index, units]) => `${accountOf(index)},${assetOf(index)},${units}`)
      writeFileSync(values.balances, `${BALANCES_HEAD}\n${lines.join('\n')}\n`)
    }
    if (values.json) process.stdout.write(`${toJson(report)}\n`)
    else {
      const out = (line: string): void => void process.stdout.write(`${line}\n`)
      out(`as of               ${blockText(report)}`)
      const beginning = report.fromBatch === 0 ? '' : ` from the checkpoint of batch ${report.fromBatch}`
      out(
        `batches             ${report.batches} rebuilt${beginning}, ${report.provenBatches} proven on the chain`,
      )
      out(`rows                ${report.rows}, deposits ${report.deposits}`)
      out(`root                ${report.root}`)
      out(`proven root         ${report.provenRoot}`)
      out(`balances            ${report.accountsAndAssets} that are not zero`)
      for (const asset of deployment.assets)
        out(`  ${asset.symbol.padEnd(17)} ${unitsText(asset, report.totals[asset.id]!)}`)
      for (const line of calldataLines(report.calldata)) out(`calldata            ${line}`)
      for (const { batch, text, index } of report.findings)
        out(`DIFFERENCE in batch ${batch}: ${text}${index === undefined ? '' : ` (leaf ${index})`}`)
      if (file !== undefined && !isStateRight) out(`checkpoint          not written: the state differs`)
      if (report.findings.length === 0)
        out(isWhole(report.calldata) ? 'everything agrees' : 'nothing that was compared differs')
    }
    if (report.findings.length > 0) return 1
    return isWhole(report.calldata) ? 0 : NOT_ALL_COMPARED
  })
}

/** Replays a journal against the chain. */
export function runChainReplay(
  dataDir: string,
  values: ChainFlags & { readonly calldata?: boolean | undefined },
): Promise<number> {
  return askingChain(async () => {
    const { client, deployment } = await connect(values, join(dataDir, 'deployment.json'))
    const draw = progressBar('replaying')
    const report = await replayAgainstChain({
      dataDir,
      client,
      deployment,
      calldata: values.calldata === true,
      onProgress: (batch, batches) => draw(batch / batches),
    })
    const { difference } = report
    if (values.json) process.stdout.write(`${toJson({ ...report, difference: difference ?? null })}\n`)
    else {
      const rate = Math.round(report.commands / Math.max(report.seconds, 0.001))
      process.stdout.write(
        `${report.batches} batches recomputed from ${report.commands} commands in ${report.seconds.toFixed(2)} s ` +
          `(${rate} commands/s): ${report.fills} fills, ${report.rows} rows, root ${report.root}\n`,
      )
      process.stdout.write(`compared with the chain as of ${blockText(report)}\n`)
      for (const line of calldataLines(report.calldata)) process.stdout.write(`calldata: ${line}\n`)
      if (difference === undefined)
        process.stdout.write(
          isWhole(report.calldata)
            ? 'everything agrees with the chain\n'
            : 'nothing that was compared differs from the chain\n',
        )
      else {
        const where = difference.row === undefined ? '' : ` ${difference.row} (leaf ${difference.index})`
        process.stdout.write(
          `DIFFERENCE in batch ${difference.batch}, ${difference.part}${where}:\n` +
            `  chain    ${difference.chain}\n  journal  ${difference.journal}\n`,
        )
      }
    }
    if (difference !== undefined) return 1
    return isWhole(report.calldata) ? 0 : NOT_ALL_COMPARED
  })
}

/** Whether all that was asked for was compared. */
const isWhole = ({ dropped, innerCalls }: CalldataReport): boolean => dropped + innerCalls === 0

/** Which calldata was not compared, why, and what is known of those batches nevertheless. */
function calldataLines(report: CalldataReport): string[] {
  const { dropped, innerCalls } = report
  if (isWhole(report)) return []
  const of = (count: number): string => `${count} ${count === 1 ? 'batch' : 'batches'}`
  return [
    ...(dropped === 0 ? [] : [`not compared for ${of(dropped)}: the node has dropped the transaction`]),
    ...(innerCalls === 0
      ? []
      : [
          `not compared for ${of(innerCalls)}: committed through another contract, so that the transaction does not have it as its input`,
        ]),
    'of these, z stands for it: the hash, in the event, of all that was committed',
  ]
}

/** The moment that an answer holds for. */
const blockText = ({ block, time }: { readonly block: number; readonly time: number }): string =>
  `block ${block}, ${new Date(time * 1000).toISOString()}`
