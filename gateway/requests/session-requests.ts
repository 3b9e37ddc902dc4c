/**
 * Who may do what: sessions that a wallet approves and revokes, logons that the session's key signs, and
 * withdrawals, which always need the wallet itself.
 */
import { EventKind, Reject, Scope } from '../../engine/codes.js'
import { writeApproveSession, writeRevokeSession, writeWithdraw } from '../../engine/commands.js'
import { COMMAND_WORDS, EVENT_WORDS, Ev, WithdrawnEv, kindOf } from '../../engine/layout.js'
import { AttachmentKind } from '../../engine/messages.js'
import { ErrorCode, rejectToCode } from '../../sdk/wire/codes.js'
import type { Method } from '../../sdk/wire/layout.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import type { MethodParams } from '../../sdk/wire/schema.js'
import { type SessionName, logonMessage } from '../../sdk/wire/signed.js'
import { type Domain, approvalMessage, revocationMessage, withdrawalMessage } from '../signatures/auth.js'
import type { Connection } from '../connections/connection.js'
import { type SessionInfo, p256PublicKey } from '../sessions/directory.js'
import { CROWDED_RETRY_MS } from '../limits.js'
import { giveCommand } from './engine-requests.js'
import type { Limits } from '../limits/client-limits.js'
import type { Applied } from '../link/engine-link.js'
import type { DeploymentInfo } from '../link/messages.js'
import type { Submissions } from '../link/submissions.js'
import type { SessionList } from '../sessions/session-list.js'
import { type KeyCheck, type KeyChecks, crowded } from '../signatures/key-checks.js'
import { RequestError } from '../protocol/request-error.js'
import { type LiveSessions, stillStanding } from '../sessions/still-standing.js'
import type { AssetTerms } from '../views/asset-terms.js'
import type { WalletChecks, WalletMessage } from '../signatures/wallet-checks.js'
import { type WalletWords, staleReject, walletRefusal } from './wallet-refusals.js'

/** What answers to wallets and session keys need of a gateway. */
export interface SessionParts extends LiveSessions {
  readonly data: { readonly deployment: DeploymentInfo }
  readonly domain: Domain
  readonly sessions: SessionList
  readonly walletChecks: WalletChecks
  readonly keyChecks: KeyChecks
  readonly submissions: Submissions
  readonly limits: Limits
  readonly assetTerms: AssetTerms
}

function ownerOf(gateway: SessionParts, account: number): `0x${string}` {
  const owner = gateway.directory.ownerOf(account)
  if (owner === undefined) throw new RequestError(ErrorCode.UnknownAccount, `no account ${account}`)
  return owner
}

/** What a wallet's message says of itself. */
type Signed = Omit<WalletWords, 'highestNonce' | 'timeMs' | 'symbol' | 'fee' | 'mayRead'>
type Row = 'approval' | 'withdrawal'

const wordsOf = (gateway: SessionParts, row: Row, signed: Signed): WalletWords => ({
  ...signed,
  symbol: gateway.data.deployment.assets.find(({ id }) => id === signed.asset)?.symbol,
  highestNonce: gateway.directory.nonces(signed.account)[row],
  timeMs: gateway.timeMs,
})

/** Words for what the engine refuses of a wallet's message, whose nonce is of that row. */
const refusalOf =
  (gateway: SessionParts, row: Row, signed: Signed): ((reject: number, bound: number) => string) =>
  (reject, bound) =>
    walletRefusal(reject, wordsOf(gateway, row, signed), bound)

/** @throws RequestError when the message's nonce is used or its deadline over. */
function checkStands(gateway: SessionParts, row: Row, signed: Signed): void {
  const words = wordsOf(gateway, row, signed)
  const { account, approval } = signed
  let reject = staleReject(words, row)
  // Of a session that is not there the engine says that first, too.
  if (
    reject !== 0 &&
    approval !== undefined &&
    gateway.directory.session({ account, approval }) === undefined
  )
    reject = Reject.UnknownSession
  if (reject !== 0) throw new RequestError(rejectToCode(reject), walletRefusal(reject, words))
}

/**
 * Finds out that `owner` has signed the message, and takes it from the account's budget if it may still act; what is
 * over is refused before anybody looks at its signature, and what others send again is theirs to pay. `isDone` = it
 * has had its effect already and is only answered again. Whoever carried it may have gone meanwhile: the wallet's word
 * alone counts. @throws RequestError when it is another's, or over.
 */
async function takeWalletsWord(
  gateway: SessionParts,
  ip: string,
  { row, signed, message, badCode }: { row: Row; signed: Signed; message: WalletMessage; badCode: number },
  isDone: () => boolean = () => false,
): Promise<void> {
  const owner = ownerOf(gateway, signed.account)
  if (!isDone()) checkStands(gateway, row, signed)
  if (!(await stillStanding(gateway, {}, gateway.walletChecks.isSignedBy(owner, ip, message))))
    throw new RequestError(badCode, `the signature is not ${owner}'s`)
  if (isDone()) return
  checkStands(gateway, row, signed)
  gateway.walletChecks.charge({ account: signed.account, row, nonce: signed.nonce })
}

/**
 * Registers a session key. The very same approval asked again (its answer was lost) answers with the session
 * that it made; one of the same nonce and other terms is refused, a newer one of the same key replaces that session.
 */
export async function approveSession(
  gateway: SessionParts,
  ip: string,
  params: MethodParams<typeof Method.ApproveSession>,
): Promise<WireValue> {
  const [account, publicKey, scopes, maxNotional, expiresAtMs, nonce, deadlineMs, signature] = params
  ownerOf(gateway, account)
  const key = p256PublicKey(publicKey)
  if (key === undefined) throw new RequestError(ErrorCode.BadApproval, 'publicKey is not a point of P-256')
  const terms = { scopes, maxNotional, expiresAtMs, nonce, deadlineMs }
  const name = { account, approval: nonce }
  const isThere = (): boolean => {
    const there = gateway.directory.sessionOfKey(account, publicKey)
    return (
      there?.approval === nonce &&
      there.scopes === scopes &&
      there.maxNotional === maxNotional &&
      there.expiresAtMs === expiresAtMs
    )
  }
  const signed = { account, nonce, deadlineMs, expiresAtMs }
  const message = approvalMessage(gateway.domain, { account, publicKey, ...terms }, signature)
  await stillStanding(
    gateway,
    {},
    takeWalletsWord(
      gateway,
      ip,
      { row: 'approval', signed, message, badCode: ErrorCode.BadApproval },
      isThere,
    ),
  )
  if (isThere()) return name
  const records = new Int32Array(COMMAND_WORDS)
  const x = Buffer.from(publicKey.subarray(1))
  const keyX = Array.from({ length: 8 }, (_, word) => x.readInt32BE(word * 4))
  writeApproveSession(records, 0, account, keyX, publicKey[0]! & 1, terms)
  const refused = refusalOf(gateway, 'approval', signed)
  return giveCommand(
    gateway.submissions,
    records,
    signature,
    AttachmentKind.Approval,
    refused,
    () => name,
  ).catch((error: unknown) => {
    // The same approval was under way twice: the other one has made the session.
    if (!isThere()) throw error
    return name
  })
}

/**
 * Ends a session for good. Of one that was revoked already, by this message or another, its wallet hears that it is
 * done: nothing is given to the engine again.
 */
export async function revokeSession(
  gateway: SessionParts,
  ip: string,
  params: MethodParams<typeof Method.RevokeSession>,
): Promise<WireValue> {
  const [account, approval, nonce, deadlineMs, signature] = params
  const revocation = { account, approval, nonce, deadlineMs }
  const name = { account, approval }
  const isDone = (): boolean => gateway.sessions.isRevoked(name)
  const message = revocationMessage(gateway.domain, revocation, signature)
  await stillStanding(
    gateway,
    {},
    takeWalletsWord(
      gateway,
      ip,
      { row: 'approval', signed: revocation, message, badCode: ErrorCode.BadSignature },
      isDone,
    ),
  )
  if (isDone()) return name
  const records = new Int32Array(COMMAND_WORDS)
  writeRevokeSession(records, new Float64Array(records.buffer), 0, account, approval, { nonce, deadlineMs })
  const refused = refusalOf(gateway, 'approval', revocation)
  return giveCommand(
    gateway.submissions,
    records,
    signature,
    AttachmentKind.Revocation,
    refused,
    () => name,
  ).catch((error: unknown) => {
    // Another revocation of it was under way.
    if (!isDone()) throw error
    return name
  })
}

/** Who carries a wallet's message: anybody may, and what he may know besides his session says. */
interface Carrier {
  readonly ip: string
  readonly session: SessionInfo | undefined
}

/** Whether who asks may read what the account has, by now. */
const mayRead = (gateway: SessionParts, { session }: Carrier, account: number): boolean =>
  session?.account === account &&
  (session.scopes & Scope.Read) !== 0 &&
  gateway.directory.isLive(session, gateway.timeMs)

/** Takes units out of the account, to be claimed on-chain once their batch is proven, and its fee. */
export async function requestWithdrawal(
  gateway: SessionParts,
  carrier: Carrier,
  params: MethodParams<typeof Method.Withdraw>,
): Promise<WireValue> {
  const [account, asset, units, maxFee, nonce, deadlineMs, signature] = params
  const withdrawal = { account, asset, units, maxFee, nonce, deadlineMs }
  await stillStanding(
    gateway,
    {},
    takeWalletsWord(gateway, carrier.ip, {
      row: 'withdrawal',
      signed: withdrawal,
      message: withdrawalMessage(gateway.domain, withdrawal, signature),
      badCode: ErrorCode.BadSignature,
    }),
  )
  const records = new Int32Array(COMMAND_WORDS)
  const floats = new Float64Array(records.buffer)
  writeWithdraw(records, floats, 0, account, asset, units, { nonce, deadlineMs }, maxFee)
  const refused = (reject: number, bound: number): string => {
    const words = {
      ...wordsOf(gateway, 'withdrawal', withdrawal),
      fee: gateway.assetTerms.of(asset).withdrawFeeUnits,
      mayRead: mayRead(gateway, carrier, account),
    }
    return walletRefusal(reject, words, bound)
  }
  return giveCommand(
    gateway.submissions,
    records,
    signature,
    AttachmentKind.Withdrawal,
    refused,
    (applied) => {
      const fee = feeOf(applied)
      return fee === undefined ? undefined : { seq: applied.firstSeq, fee }
    },
  )
}

/** What the withdrawal at the message's first seq cost; the time given with the message may have paid others before it. */
function feeOf({ words, floats, at, count, firstSeq }: Applied): number | undefined {
  for (let word = at; word < at + count * EVENT_WORDS; word += EVENT_WORDS)
    if (
      kindOf(words[word + Ev.KIND]!) === EventKind.Withdrawn &&
      floats[(word >> 1) + Ev.SEQ_F64] === firstSeq
    )
      return floats[(word >> 1) + WithdrawnEv.FEE_F64]!
  return undefined
}

/** Logs a session on to a connection, whose challenge its key has signed. */
export async function logon(
  gateway: SessionParts,
  connection: Connection,
  name: SessionName,
  signature: Uint8Array,
): Promise<WireValue> {
  if (connection.session !== undefined || connection.loggingOn) {
    throw new RequestError(ErrorCode.AlreadyLoggedOn, 'this connection has a session, or a logon under way')
  }
  const session = gateway.directory.session(name)
  if (session === undefined)
    throw new RequestError(ErrorCode.UnknownSession, `no session ${name.approval} of account ${name.account}`)
  if (session.expiresAtMs <= gateway.timeMs)
    throw new RequestError(ErrorCode.SessionExpired, `${session.text} has expired`)
  const message = logonMessage(gateway.domain.hash, name, connection.challenge)
  const copy = signature.slice()
  connection.loggingOn = true
  let check: KeyCheck
  try {
    check = await stillStanding(
      gateway,
      { connection, session },
      new Promise<KeyCheck>((resolve) =>
        gateway.keyChecks.check(connection.ip, session, message, copy, resolve),
      ),
    )
  } finally {
    connection.loggingOn = false
  }
  if (check === 'crowded')
    throw new RequestError(ErrorCode.IpRateLimited, crowded(connection.ip), CROWDED_RETRY_MS)
  if (check === 'invalid')
    throw new RequestError(
      ErrorCode.BadSignature,
      `the signature is not by the key of ${session.text}, over the challenge of this connection’s hello`,
    )
  const refusal = gateway.limits.logon(session.account)
  if (refusal !== undefined) throw new RequestError(refusal.code, refusal.message, refusal.retryAfter)
  connection.session = session
  return {
    account: session.account,
    approval: session.approval,
    scopes: session.scopes,
    maxNotional: session.maxNotional,
    expiresAtMs: session.expiresAtMs,
  }
}
