/**
 * Journal records in words: what `glassbook journal dump` prints. Field by field as layout.ts lays them
 * out; a record of an unknown kind is shown as its words.
 */
import { CommandKind, commandNames } from '../codes.js'
import { readApproval } from '../commands.js'
import {
  ApproveCmd,
  Attr,
  COMMAND_WORDS,
  Cmd,
  FrameCmd,
  MarketCmd,
  OpenAccountCmd,
  RevokeCmd,
  WithdrawCmd,
} from '../layout.js'
import { AttachmentKind } from '../messages.js'

const attachmentNames = new Map<number, string>(
  Object.entries(AttachmentKind).map(([name, kind]) => [kind, name]),
)

/** Name of an attachment kind, or its number as text. */
export const attachmentName = (kind: number): string => attachmentNames.get(kind) ?? String(kind)

const hex = (words: Int32Array): string =>
  [...words].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')

/** The command record at word `at`, as a plain object for JSON: kind by name, amounts as numbers, cloid as decimal text. */
export function describeCommand(
  words: Int32Array,
  floats: Float64Array,
  at: number,
): Record<string, unknown> {
  const head = words[at]!
  const kind = head & 0xff
  const float = at >> 1
  const attribute = (shift: number, mask: number): number => (head >>> shift) & mask
  const base = { kind: commandNames[kind] ?? kind, account: words[at + Cmd.ACCOUNT]! }
  const cloid = (
    (BigInt(words[at + Cmd.CLOID_HI]! >>> 0) << 32n) |
    BigInt(words[at + Cmd.CLOID_LO]! >>> 0)
  ).toString()
  switch (kind) {
    case CommandKind.Time:
      return { kind: base.kind, timeMs: floats[float + Cmd.AMOUNT_F64]! }
    case CommandKind.Place:
      return {
        ...base,
        market: words[at + Cmd.MARKET]!,
        cloid,
        side: attribute(Attr.SIDE_SHIFT, 1),
        orderType: attribute(Attr.TYPE_SHIFT, 7),
        timeInForce: attribute(Attr.TIF_SHIFT, 7),
        postOnly: attribute(Attr.POST_ONLY_SHIFT, 3),
        stp: attribute(Attr.STP_SHIFT, 7),
        ticks: words[at + Cmd.TICKS]!,
        lots: words[at + Cmd.LOTS]!,
        displayLots: words[at + Cmd.DISPLAY_LOTS]!,
        triggerTicks: words[at + Cmd.TRIGGER_TICKS]!,
        quoteBudget: floats[float + Cmd.AMOUNT_F64]!,
        expiresAtMs: floats[float + Cmd.EXPIRES_AT_F64]!,
        deadlineMs: floats[float + Cmd.DEADLINE_F64]!,
      }
    case CommandKind.Amend:
      return { ...base, cloid, ticks: words[at + Cmd.TICKS]!, lots: words[at + Cmd.LOTS]! }
    case CommandKind.Cancel:
      return { ...base, cloid }
    case CommandKind.CancelAll:
      return { ...base, market: words[at + Cmd.MARKET]!, side: words[at + Cmd.OTHER]! }
    case CommandKind.Withdraw:
      return {
        ...base,
        asset: words[at + Cmd.ASSET]!,
        units: floats[float + Cmd.AMOUNT_F64]!,
        operator: attribute(Attr.OPERATOR_SHIFT, 1) === 1,
        forced: words[at + Cmd.LOTS] === 1,
        nonce: floats[float + WithdrawCmd.NONCE_F64]!,
        deadlineMs: floats[float + WithdrawCmd.DEADLINE_F64]!,
      }
    case CommandKind.RevokeSession:
      return {
        ...base,
        approval: floats[float + RevokeCmd.APPROVAL_F64]!,
        operator: attribute(Attr.OPERATOR_SHIFT, 1) === 1,
        nonce: floats[float + RevokeCmd.NONCE_F64]!,
        deadlineMs: floats[float + RevokeCmd.DEADLINE_F64]!,
      }
    case CommandKind.Deposit:
    case CommandKind.Transfer:
      return {
        ...base,
        asset: words[at + Cmd.ASSET]!,
        units: floats[float + Cmd.AMOUNT_F64]!,
        other: words[at + Cmd.OTHER]!,
        number: floats[float + Cmd.DEADLINE_F64]!,
      }
    case CommandKind.OpenAccount:
      return {
        ...base,
        owner: `0x${hex(words.subarray(at + OpenAccountCmd.OWNER, at + OpenAccountCmd.OWNER + 5))}`,
      }
    case CommandKind.ApproveSession:
      return {
        ...base,
        keyX: hex(words.subarray(at + ApproveCmd.X, at + ApproveCmd.X + 8)),
        keyParity: attribute(Attr.PARITY_SHIFT, 1),
        ...readApproval(words, at),
      }
    case CommandKind.Frame:
      return {
        ...base,
        approval: floats[float + FrameCmd.APPROVAL_F64]!,
        count: words[at + FrameCmd.COUNT]!,
        nonce: floats[float + FrameCmd.NONCE_F64]!,
        sha256: hex(words.subarray(at + FrameCmd.HASH, at + FrameCmd.HASH + 8)),
      }
    case CommandKind.CreateMarket:
      return {
        kind: base.kind,
        market: words[at + MarketCmd.MARKET]!,
        base: words[at + MarketCmd.BASE]!,
        quote: words[at + MarketCmd.QUOTE]!,
        lotUnits: floats[float + MarketCmd.LOT_UNITS_F64]!,
        tickUnits: floats[float + MarketCmd.TICK_UNITS_F64]!,
        makerFeePpm: words[at + MarketCmd.MAKER_FEE_PPM]!,
        takerFeePpm: words[at + MarketCmd.TAKER_FEE_PPM]!,
        bandPpm: words[at + MarketCmd.BAND_PPM]!,
      }
    default:
      return { ...base, words: hex(words.subarray(at, at + COMMAND_WORDS)) }
  }
}
