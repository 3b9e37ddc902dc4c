/** What the engine's events change in who may do what. Called by gateway.ts for each of them. */
import { EventKind } from '../engine/codes.js'
import {
  AccountOpenedEv,
  Ev,
  FrameOpenedEv,
  SessionApprovedEv,
  SessionRevokedEv,
  WithdrawnEv,
} from '../engine/layout.js'
import { type Directory, SessionInfo } from './sessions/directory.js'
import type { SessionName } from '../sdk/wire/signed.js'
import type { UsedNonces } from './frames/used-nonces.js'

/** What such an event changes. */
export interface SessionEventParts {
  readonly directory: Directory
  readonly usedNonces: UsedNonces
  readonly clients: {
    /** A session was revoked or replaced. */
    sessionEnded(name: SessionName): void
  }
}

/** Takes over events that change who may do what. */
export function sessionEvent(
  gateway: SessionEventParts,
  kind: number,
  words: Int32Array,
  floats: Float64Array,
  word: number,
  timeMs: number,
): void {
  const { directory } = gateway
  const account = words[word + Ev.ACCOUNT]!
  const float = word >> 1
  switch (kind) {
    case EventKind.AccountOpened:
      directory.setOwner(account, addressAt(words, word + AccountOpenedEv.OWNER))
      break
    case EventKind.SessionApproved:
      sessionApproved(gateway, words, floats, word)
      break
    case EventKind.SessionRevoked:
      directory.removeSession({ account, approval: floats[float + SessionRevokedEv.APPROVAL_F64]! })
      directory.noteApprovalNonce(account, floats[float + SessionRevokedEv.NONCE_F64]!)
      gateway.clients.sessionEnded({ account, approval: floats[float + SessionRevokedEv.APPROVAL_F64]! })
      break
    case EventKind.FrameOpened: {
      const approval = floats[float + FrameOpenedEv.APPROVAL_F64]!
      gateway.usedNonces.opened({ account, approval }, floats[float + FrameOpenedEv.NONCE_F64]!, timeMs)
      break
    }
    case EventKind.Withdrawn:
      directory.noteWithdrawal(account, {
        // 0: no wallet was asked.
        nonce: floats[float + WithdrawnEv.NONCE_F64]!,
        seq: floats[float + Ev.SEQ_F64]!,
        asset: words[word + WithdrawnEv.ASSET]!,
        units: floats[float + WithdrawnEv.UNITS_F64]!,
        fee: floats[float + WithdrawnEv.FEE_F64]!,
      })
      break
    default:
      break
  }
}

function sessionApproved(
  gateway: SessionEventParts,
  words: Int32Array,
  floats: Float64Array,
  word: number,
): void {
  const { directory } = gateway
  const head = words[word + Ev.KIND]!
  const at = word + SessionApprovedEv.KEY_X
  const float = word >> 1
  const account = words[word + Ev.ACCOUNT]!
  const approval = floats[float + SessionApprovedEv.APPROVAL_F64]!
  const replaced = floats[float + SessionApprovedEv.REPLACED_F64]!
  if (replaced !== 0) directory.removeSession({ account, approval: replaced })
  directory.setSession(
    new SessionInfo(words.subarray(at, at + 8), (head >>> SessionApprovedEv.KEY_PARITY_SHIFT) & 1, {
      account,
      approval,
      scopes: (head >>> SessionApprovedEv.SCOPES_SHIFT) & SessionApprovedEv.SCOPES_MASK,
      maxNotional: floats[float + SessionApprovedEv.MAX_NOTIONAL_F64]!,
      expiresAtMs: floats[float + SessionApprovedEv.EXPIRES_AT_MS_F64]!,
    }),
  )
  directory.noteApprovalNonce(account, approval)
  if (replaced !== 0) gateway.clients.sessionEnded({ account, approval: replaced })
}

/** The 20-byte address in five words. */
function addressAt(words: Int32Array, at: number): `0x${string}` {
  const bytes = Buffer.alloc(20)
  for (let word = 0; word < 5; word++) bytes.writeInt32BE(words[at + word]!, word * 4)
  return `0x${bytes.toString('hex')}`
}
