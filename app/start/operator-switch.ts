/**
 * The operator's switch: while there is a file `cancel-only` in the data folder, the whole exchange takes cancels only
 * for the operator's reason. A file needs no other way in than the folder itself, and it stands across restarts. What
 * settlement sets for its own reason is none of its business.
 */
import { existsSync, lstatSync } from 'node:fs'
import { join } from 'node:path'
import { CancelOnlyReason, MarketStatus, rejectNames } from '../../engine/codes.js'
import { commandRecord } from '../../engine/records/access.js'
import { OPERATOR_SWITCH_MS } from '../limits.js'
import type { Say } from '../log.js'

export const SWITCH_FILE = 'cancel-only'
const NO_ATTACHMENT = new Uint8Array(0)

export interface OperatorSwitchOptions {
  readonly dataDir: string
  /** What holds of the exchange at the start: bits of CancelOnlyReason. */
  readonly reasons: number
  /** Gives the engine a command; resolves with its reject once it is durable, never when the exchange ends first. */
  readonly submit: (record: Int32Array, attachment: Uint8Array) => Promise<number>
  readonly onLine: Say
}

/** Looks for the file until it is stopped. */
export function startOperatorSwitch(options: OperatorSwitchOptions): { stop(): Promise<void> } {
  const { dataDir, reasons, submit, onLine } = options
  const file = join(dataDir, SWITCH_FILE)
  let isOn = (reasons & CancelOnlyReason.Operator) !== 0
  /** One command at a time: the next look goes by what came of it. */
  let isAsking = false
  let isBlind = false
  const look = (): void => {
    if (isAsking) return
    const isWanted = isThere(dataDir, file)
    if (isWanted === undefined) {
      if (!isBlind) onLine(`${file}: whether it is there cannot be seen, so nothing changes`, 'warn')
      isBlind = true
      return
    }
    isBlind = false
    if (isWanted === isOn) return
    isAsking = true
    const status = isWanted ? MarketStatus.CancelOnly : MarketStatus.Active
    const record = commandRecord('SetExchangeStatus', { reason: CancelOnlyReason.Operator, status })
    void submit(record, NO_ATTACHMENT).then((reject) => {
      isAsking = false
      if (reject !== 0) {
        onLine(`${SWITCH_FILE}: the engine refused it: ${rejectNames[reject]}`, 'warn')
        return
      }
      isOn = isWanted
      onLine(
        isWanted
          ? `the exchange takes cancels only, until ${file} is removed`
          : `${file} is gone: the operator has no reason any more that the exchange takes cancels only`,
      )
    })
  }
  look()
  const timer = setInterval(look, OPERATOR_SWITCH_MS)
  return {
    stop: () => {
      clearInterval(timer)
      return Promise.resolve()
    },
  }
}

/** Whether a file is in a folder; undefined where that cannot be seen, as where the folder itself is out of reach. */
function isThere(folder: string, file: string): boolean | undefined {
  try {
    lstatSync(file)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && existsSync(folder) ? false : undefined
  }
}
