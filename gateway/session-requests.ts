/**
 * Who may do what: sessions that a wallet approves and revokes, logons that the session's key signs, and
 * withdrawals, which always need the wallet itself.
 */
import { CommandKind, EventKind } from '../engine/codes.js'
import { Attr, COMMAND_WORDS, Cmd, EVENT_WORDS, Ev, SessionCmd } from '../engine/layout.js'
import { AttachmentKind } from '../engine/messages.js'
import { ErrorCode } from '../sdk/wire/codes.js'
import type { Method } from '../sdk/wire/layout.js'
import type { WireValue } from '../sdk/wire/msgpack.js'
import type { MethodParams } from '../sdk/wire/schema.js'
import { logonMessage } from '../sdk/wire/signed.js'
import { isApprovedBy, isRevokedBy, isWithdrawalBy, verifySessionSignature } from './auth.js'
import type { Connection } from './connection.js'
import { p256PublicKey, sessionInfo } from './directory.js'
import { giveCommand } from './engine-requests.js'
import type { Gateway } from './gateway.js'
import { RequestError } from './request-error.js'

function ownerOf(gateway: Gateway, account: number): `0x${string}` {
  const owner = gateway.directory.ownerOf(account)
  if (owner === undefined) throw new RequestError(ErrorCode.UnknownAccount, `no account ${account}`)
  return owner
}

/** Registers a session key. Asked again, it answers with the session that the key has. */
export async function approveSession(
  gateway: Gateway,
  params: MethodParams<typeof Method.ApproveSession>,
): Promise<WireValue> {
  const [account, publicKey, scopes, maxNotional, expiresAtMs, nonce, signature] = params
  const owner = ownerOf(gateway, account)
  const key = p256PublicKey(publicKey)
  if (key === undefined) throw new RequestError(ErrorCode.BadApproval, 'the public key is no point of P-256')
  const approval = { account, publicKey, scopes, maxNotional, expiresAtMs, nonce }
  if (!(await isApprovedBy(owner, gateway.domain, approval, signature))) {
    throw new RequestError(ErrorCode.BadApproval, `the signature is not ${owner}'s`)
  }
  // Asked again after an answer was lost: a key has one session, and this is it.
  const known = (): WireValue | undefined => {
    const session = gateway.directory.sessionOfKey(account, publicKey)
    return session === undefined ? undefined : { session: session.slot }
  }
  const before = known()
  if (before !== undefined) return before
  const records = new Int32Array(COMMAND_WORDS)
  const floats = new Float64Array(records.buffer)
  records[Cmd.KIND] =
    CommandKind.ApproveSession | (scopes << Attr.SCOPE_SHIFT) | ((publicKey[0]! & 1) << Attr.PARITY_SHIFT)
  records[Cmd.ACCOUNT] = account
  const x = Buffer.from(publicKey.subarray(1))
  for (let word = 0; word < 8; word++) records[SessionCmd.X + word] = x.readInt32BE(word * 4)
  floats[SessionCmd.MAX_NOTIONAL_F64] = maxNotional
  floats[SessionCmd.EXPIRES_AT_F64] = expiresAtMs
  floats[SessionCmd.NONCE_F64] = nonce
  const asked = giveCommand(gateway, records, signature, AttachmentKind.Approval, ({ words, at, count }) => {
    for (let index = 0; index < count; index++) {
      const word = at + index * EVENT_WORDS
      if ((words[word + Ev.KIND]! & 0xff) !== EventKind.SessionApproved) continue
      const slot = words[word + Ev.CODE]!
      return { session: slot }
    }
    return undefined
  })
  return asked.catch((error: unknown) => {
    const meanwhile = known()
    if (meanwhile === undefined) throw error
    return meanwhile
  })
}

/** Ends a session for good. */
export async function revokeSession(
  gateway: Gateway,
  params: MethodParams<typeof Method.RevokeSession>,
): Promise<WireValue> {
  const [account, session, nonce, signature] = params
  const owner = ownerOf(gateway, account)
  if (!(await isRevokedBy(owner, gateway.domain, { account, session, nonce }, signature))) {
    throw new RequestError(ErrorCode.BadSignature, `the signature is not ${owner}'s`)
  }
  const records = new Int32Array(COMMAND_WORDS)
  records[Cmd.KIND] = CommandKind.RevokeSession
  records[Cmd.ACCOUNT] = account
  records[SessionCmd.X] = session
  new Float64Array(records.buffer)[SessionCmd.NONCE_F64] = nonce
  return giveCommand(gateway, records, signature, AttachmentKind.Revocation, () => ({ session }))
}

/** Takes units out of the account, to be claimed on-chain once their batch is proven. */
export async function requestWithdrawal(
  gateway: Gateway,
  params: MethodParams<typeof Method.Withdraw>,
): Promise<WireValue> {
  const [account, asset, units, nonce, signature] = params
  const owner = ownerOf(gateway, account)
  if (!(await isWithdrawalBy(owner, gateway.domain, { account, asset, units, nonce }, signature))) {
    throw new RequestError(ErrorCode.BadSignature, `the signature is not ${owner}'s`)
  }
  const records = new Int32Array(COMMAND_WORDS)
  const floats = new Float64Array(records.buffer)
  records[Cmd.KIND] = CommandKind.Withdraw
  records[Cmd.ACCOUNT] = account
  records[Cmd.ASSET] = asset
  floats[Cmd.AMOUNT_F64] = units
  floats[Cmd.DEADLINE_F64] = nonce
  return giveCommand(gateway, records, signature, AttachmentKind.Withdrawal, ({ firstSeq }) => ({
    seq: firstSeq,
  }))
}

/** Logs a session on to a connection, whose challenge its key has signed. */
export async function logon(
  gateway: Gateway,
  connection: Connection,
  slot: number,
  signature: Uint8Array,
): Promise<WireValue> {
  if (connection.session !== undefined) {
    throw new RequestError(ErrorCode.AlreadyLoggedOn, 'this connection has a session')
  }
  const session = gateway.directory.session(slot)
  if (session === undefined) throw new RequestError(ErrorCode.UnknownSession, `no session ${slot}`)
  if (session.expiresAtMs <= Date.now())
    throw new RequestError(ErrorCode.SessionExpired, `session ${slot} has expired`)
  const message = logonMessage(gateway.domain.hash, slot, connection.challenge)
  const copy = signature.slice()
  const valid = await new Promise<boolean>((resolve) =>
    verifySessionSignature(session, message, copy, resolve),
  )
  if (!valid)
    throw new RequestError(
      ErrorCode.BadSignature,
      'the signature is not the session key’s over this challenge',
    )
  if (connection.closed) throw new RequestError(ErrorCode.ShuttingDown, 'the connection has ended')
  connection.session = session
  return {
    account: session.account,
    session: slot,
    scopes: session.scopes,
    maxNotional: session.maxNotional,
    expiresAtMs: session.expiresAtMs,
  }
}

/** Takes over events that change who may do what. */
export function sessionEvent(
  gateway: Gateway,
  kind: number,
  words: Int32Array,
  floats: Float64Array,
  word: number,
): void {
  const { directory } = gateway
  switch (kind) {
    case EventKind.AccountOpened:
      directory.setOwner(words[word + Ev.ACCOUNT]!, addressAt(words, word + Ev.CLOID_LO))
      break
    case EventKind.SessionApproved:
      sessionApproved(gateway, words, floats, word)
      break
    case EventKind.SessionRevoked:
      directory.removeSession(words[word + Ev.CODE]!)
      gateway.sessionEnded(words[word + Ev.CODE]!)
      break
    default:
      break
  }
}

function sessionApproved(gateway: Gateway, words: Int32Array, floats: Float64Array, word: number): void {
  const flags = words[word + Ev.KIND]! >>> 16
  const at = word + Ev.CLOID_LO
  const session = sessionInfo(words.subarray(at, at + 8), (flags >> 4) & 1, {
    slot: words[word + Ev.CODE]!,
    account: words[word + Ev.ACCOUNT]!,
    scopes: flags & 15,
    maxNotional: floats[(word >> 1) + Ev.AMOUNT_A_F64]!,
    expiresAtMs: floats[(word >> 1) + Ev.AMOUNT_B_F64]!,
  })
  if (session !== undefined) gateway.directory.setSession(session)
}

/** The 20-byte address in five words. */
function addressAt(words: Int32Array, at: number): `0x${string}` {
  const bytes = Buffer.alloc(20)
  for (let word = 0; word < 5; word++) bytes.writeInt32BE(words[at + word]!, word * 4)
  return `0x${bytes.toString('hex')}`
}
