/**
 * Who may do what: sessions that a wallet approves and revokes, logons that the session's key signs, and
 * withdrawals, which always need the wallet itself.
 */
import { writeApproveSession, writeRevokeSession, writeWithdraw } from '../engine/commands.js'
import { COMMAND_WORDS } from '../engine/layout.js'
import { AttachmentKind } from '../engine/messages.js'
import { ErrorCode } from '../sdk/wire/codes.js'
import type { Method } from '../sdk/wire/layout.js'
import type { WireValue } from '../sdk/wire/msgpack.js'
import type { MethodParams } from '../sdk/wire/schema.js'
import { type SessionName, logonMessage } from '../sdk/wire/signed.js'
import { approvalMessage, revocationMessage, verifySessionSignature, withdrawalMessage } from './auth.js'
import type { Connection } from './connection.js'
import { p256PublicKey } from './directory.js'
import { giveCommand } from './engine-requests.js'
import type { Gateway } from './gateway.js'
import { RequestError } from './request-error.js'
import { stillStanding } from './still-standing.js'
import { type WalletWords, walletRefusal } from './wallet-refusals.js'

function ownerOf(gateway: Gateway, account: number): `0x${string}` {
  const owner = gateway.directory.ownerOf(account)
  if (owner === undefined) throw new RequestError(ErrorCode.UnknownAccount, `no account ${account}`)
  return owner
}

/** Words for what the engine refuses of a wallet's message, whose nonce is of that row. */
const refusalOf =
  (
    gateway: Gateway,
    row: 'approval' | 'withdrawal',
    signed: Omit<WalletWords, 'highestNonce' | 'timeMs'>,
  ): ((reject: number) => string) =>
  (reject) =>
    walletRefusal(reject, {
      ...signed,
      highestNonce: gateway.directory.nonces(signed.account)[row],
      timeMs: gateway.timeMs,
    })

/**
 * Registers a session key. The very same approval asked again (its answer was lost) answers with the session
 * that it made; one of the same nonce and other terms is refused, a newer one of the same key replaces that session.
 */
export async function approveSession(
  gateway: Gateway,
  ip: string,
  params: MethodParams<typeof Method.ApproveSession>,
): Promise<WireValue> {
  const [account, publicKey, scopes, maxNotional, expiresAtMs, nonce, deadlineMs, signature] = params
  const owner = ownerOf(gateway, account)
  const key = p256PublicKey(publicKey)
  if (key === undefined) throw new RequestError(ErrorCode.BadApproval, 'the public key is no point of P-256')
  const terms = { scopes, maxNotional, expiresAtMs, nonce, deadlineMs }
  const isSigned = gateway.walletChecks.isSignedBy(
    owner,
    account,
    ip,
    approvalMessage(gateway.domain, { account, publicKey, ...terms }, signature),
  )
  // The wallet's word alone counts: whoever carried it may have gone, and the engine checks nonce and deadline.
  if (!(await stillStanding(gateway, {}, isSigned))) {
    throw new RequestError(ErrorCode.BadApproval, `the signature is not ${owner}'s`)
  }
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
  if (isThere()) return name
  const records = new Int32Array(COMMAND_WORDS)
  const x = Buffer.from(publicKey.subarray(1))
  const keyX = Array.from({ length: 8 }, (_, word) => x.readInt32BE(word * 4))
  writeApproveSession(records, 0, account, keyX, publicKey[0]! & 1, terms)
  const refused = refusalOf(gateway, 'approval', { account, nonce, deadlineMs, expiresAtMs })
  return giveCommand(gateway, records, signature, AttachmentKind.Approval, refused, () => name).catch(
    (error: unknown) => {
      // The same approval was under way twice: the other one has made the session.
      if (!isThere()) throw error
      return name
    },
  )
}

/** Ends a session for good. */
export async function revokeSession(
  gateway: Gateway,
  ip: string,
  params: MethodParams<typeof Method.RevokeSession>,
): Promise<WireValue> {
  const [account, approval, nonce, deadlineMs, signature] = params
  const owner = ownerOf(gateway, account)
  const revocation = { account, approval, nonce, deadlineMs }
  if (
    !(await stillStanding(
      gateway,
      {},
      gateway.walletChecks.isSignedBy(
        owner,
        account,
        ip,
        revocationMessage(gateway.domain, revocation, signature),
      ),
    ))
  ) {
    throw new RequestError(ErrorCode.BadSignature, `the signature is not ${owner}'s`)
  }
  const records = new Int32Array(COMMAND_WORDS)
  writeRevokeSession(records, new Float64Array(records.buffer), 0, account, approval, { nonce, deadlineMs })
  const refused = refusalOf(gateway, 'approval', revocation)
  return giveCommand(gateway, records, signature, AttachmentKind.Revocation, refused, () => ({
    account,
    approval,
  }))
}

/** Takes units out of the account, to be claimed on-chain once their batch is proven. */
export async function requestWithdrawal(
  gateway: Gateway,
  ip: string,
  params: MethodParams<typeof Method.Withdraw>,
): Promise<WireValue> {
  const [account, asset, units, nonce, deadlineMs, signature] = params
  const owner = ownerOf(gateway, account)
  const withdrawal = { account, asset, units, nonce, deadlineMs }
  if (
    !(await stillStanding(
      gateway,
      {},
      gateway.walletChecks.isSignedBy(
        owner,
        account,
        ip,
        withdrawalMessage(gateway.domain, withdrawal, signature),
      ),
    ))
  ) {
    throw new RequestError(ErrorCode.BadSignature, `the signature is not ${owner}'s`)
  }
  const records = new Int32Array(COMMAND_WORDS)
  const floats = new Float64Array(records.buffer)
  writeWithdraw(records, floats, 0, account, asset, units, { nonce, deadlineMs })
  const refused = refusalOf(gateway, 'withdrawal', withdrawal)
  return giveCommand(gateway, records, signature, AttachmentKind.Withdrawal, refused, ({ firstSeq }) => ({
    seq: firstSeq,
  }))
}

/** Logs a session on to a connection, whose challenge its key has signed. */
export async function logon(
  gateway: Gateway,
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
  if (session.expiresAtMs <= Date.now())
    throw new RequestError(ErrorCode.SessionExpired, `${session.text} has expired`)
  const message = logonMessage(gateway.domain.hash, name, connection.challenge)
  const copy = signature.slice()
  connection.loggingOn = true
  let valid: boolean
  try {
    valid = await stillStanding(
      gateway,
      { connection, session },
      new Promise<boolean>((resolve) => verifySessionSignature(session, message, copy, resolve)),
    )
  } finally {
    connection.loggingOn = false
  }
  if (!valid)
    throw new RequestError(
      ErrorCode.BadSignature,
      'the signature is not the session key’s over this challenge',
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
