/**
 * `glassbook order-audit DIR --fill SEQ[:INDEX]`: shows, for one fill, that both sides asked for it: the
 * signed frames that placed (and amended) the two orders, the session keys that signed them, and the wallets'
 * approvals of those keys; verifies every signature and that the journal's commands are those that were
 * signed. With a settled batch it also proves the fill against the batch's fills root.
 *
 * Exit codes: 0 = all verified, 1 = something does not hold (said which), 2 = wrong use, 3 = all that was looked at
 * holds, and with --rpc there was no batch to compare the fill with.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { p256 } from '@noble/curves/nist.js'
import { recoverTypedDataAddress, type Address, type Hex } from 'viem'
import { settlementAbi, vaultAbi } from '../../contracts/abi.js'
import { CommandKind, EventKind, commandNames } from '../../engine/codes.js'
import { type ApprovalTerms, readApproval } from '../../engine/commands.js'
import { createEngine } from '../../engine/index.js'
import { COMMANDS_AT, JournalReader, genesisOf, type JournalBlock } from '../../engine/journal/reader.js'
import {
  AmendCmd,
  ApproveSessionCmd,
  COMMAND_WORDS,
  Cmd,
  EVENT_WORDS,
  Ev,
  FillEv,
  FrameCmd,
  OpenAccountCmd,
  OrderCmd,
  kindOf,
} from '../../engine/layout.js'
import { AttachmentKind } from '../../engine/messages.js'
import { cloidAt } from '../../engine/records/access.js'
import { jsonCodec, msgpackCodec } from '../../sdk/wire/codec.js'
import { payloadToRecords } from '../../sdk/wire/commands.js'
import {
  FRAME_HEADER_BYTES,
  domainPreimage,
  frameMessage,
  walletDomain,
  walletTypes,
} from '../../sdk/wire/signed.js'
import { chainClient, type ChainDeployment } from '../../settlement/chain/chain.js'
import { bytesToHex, wordsToBytes } from '../../settlement/batch/commit.js'
import {
  FillLeaves,
  decodeFill,
  fillProof,
  verifyFill,
  FILL_BYTES,
} from '../../settlement/batch/fills-root.js'
import { BatchStore } from '../../settlement/store/store.js'
import { askingChain, toJson } from './chain-options.js'
import { readDeploymentFile } from '../files/deployment-file.js'
import { UsageError } from '../files/usage-error.js'

const NOT_ALL_COMPARED = 3
const SIGNATURE_BYTES = 64
const ADDRESS_WORDS = 5
/** Of a SHA-256 hash, and of a P-256 key's x. */
const HASH_WORDS = 8

interface Session extends ApprovalTerms {
  readonly seq: number
  readonly account: number
  /** SEC1 compressed P-256 key. */
  readonly publicKey: Uint8Array
  readonly signature: Uint8Array
}

interface Party {
  readonly role: 'maker' | 'taker'
  readonly account: number
  readonly cloid: bigint
  readonly orderId: number
}

interface SignedFrame {
  readonly seq: number
  /** Nonce of the approval that made the session. */
  readonly approval: number
  readonly nonce: number
  readonly hash: Uint8Array
  readonly kind: number
  /** Signed bytes, then the signature. */
  readonly attachment: Uint8Array
  /** The journal's records of the frame's commands. */
  readonly records: Int32Array
}

/** One thing that was checked. */
export interface AuditCheck {
  readonly what: string
  readonly holds: boolean
}

export interface OrderAuditFlags {
  readonly fill: { readonly seq: number; readonly index: number }
  readonly deployment?: string | undefined
  readonly rpc?: string | undefined
  readonly json?: boolean | undefined
}

/** Audits one fill; see the head of this file. */
export function runOrderAudit(dataDir: string, values: OrderAuditFlags): Promise<number> {
  return askingChain(async () => {
    const { seq, index } = values.fill
    const path = values.deployment ?? join(dataDir, 'deployment.json')
    if (!existsSync(path)) throw new UsageError(`no deployment at ${path}: signatures name chain and vault`)
    const deployment = readDeploymentFile(path)
    const found = findFill(dataDir, seq, index)
    const checks: AuditCheck[] = []
    const lines: string[] = []
    const owners = await ownersOf(values.rpc, deployment, found.owners, found.parties, checks)
    const placed: Uint8Array[] = []
    for (const party of found.parties)
      placed.push(await auditParty(dataDir, deployment, found, party, owners, checks, lines))
    await auditLeaf(dataDir, deployment, seq, index, leafOf(found.event, index, placed), values.rpc, checks)
    // What was not looked at must not be taken for what holds.
    const isCompared = checks.some(({ what }) => /^(leaf|batch) /.test(what))
    if (!isCompared)
      lines.push(`not compared with a batch: none in ${join(dataDir, 'settlement')} covers seq ${seq}`)
    const holds = checks.every((check) => check.holds)
    if (values.json)
      process.stdout.write(
        `${toJson({ seq, index, parties: found.parties, checks, holds, comparedWithBatch: isCompared })}\n`,
      )
    else {
      for (const line of lines) process.stdout.write(`${line}\n`)
      for (const check of checks) process.stdout.write(`${check.holds ? 'holds ' : 'FAILS '} ${check.what}\n`)
    }
    if (!holds) return 1
    return isCompared || values.rpc === undefined ? 0 : NOT_ALL_COMPARED
  })
}

interface Found {
  /** Record of the fill's event. */
  readonly event: Int32Array
  readonly parties: readonly Party[]
  /** By account and approval. */
  readonly sessions: ReadonlyMap<string, Session>
  readonly owners: ReadonlyMap<number, Address>
  readonly fillSeq: number
  /** Frames that the engine did not open: sent twice, or none at all. What follows one is not of it. */
  readonly refused: ReadonlySet<number>
  /** Amends that stand in no signed frame. Where frames must be signed an honest journal has none. */
  readonly bareAmends: readonly { readonly seq: number; readonly account: number; readonly cloid: bigint }[]
}

/** Replays up to `seq` and returns the fill's parties and every session and owner until then. */
function findFill(dataDir: string, seq: number, index: number): Found {
  const reader = new JournalReader(dataDir)
  const sessions = new Map<string, Session>()
  const owners = new Map<number, Address>()
  const parties: Party[] = []
  let event: Int32Array | undefined
  let asked: { block: JournalBlock; offset: number; seq: number } | undefined
  let fills = 0
  let frameIsSigned = false
  let isOpened = false
  const refused = new Set<number>()
  const bareAmends: { seq: number; account: number; cloid: bigint }[] = []
  const first = reader.next()
  if (first === undefined) throw new UsageError(`no journal in ${dataDir}`)
  const engine = createEngine({
    genesis: genesisOf(first),
    onEvents: ({ words, floats, count }) => {
      for (let at = 0; at < count * EVENT_WORDS; at += EVENT_WORDS) {
        const kind = kindOf(words[at]!)
        if (kind === EventKind.SessionApproved && asked !== undefined) {
          const session = sessionOf(asked.block, asked.offset, asked.seq)
          sessions.set(sessionKey(session.account, session.nonce), session)
        } else if (kind === EventKind.FrameOpened) isOpened = true
        else if (kind === EventKind.Fill && floats[at / 2 + Ev.SEQ_F64] === seq && fills++ === index) {
          event = words.slice(at, at + EVENT_WORDS)
          parties.push(partyOf('maker', words, floats, at), partyOf('taker', words, floats, at))
        }
      }
    },
  })
  for (let block = reader.next(); block !== undefined && engine.seq < seq; block = reader.next())
    for (let command = 0; command < block.count && engine.seq < seq; command++) {
      const offset = COMMANDS_AT + command * COMMAND_WORDS
      const kind = kindOf(block.words[offset]!)
      if (kind === CommandKind.OpenAccount) {
        const owner = wordsToBytes(block.words, offset + OpenAccountCmd.OWNER, ADDRESS_WORDS)
        owners.set(block.words[offset + Cmd.ACCOUNT]!, bytesToHex(owner))
      }
      // As the engine counts: a header inside a frame is one of its commands, one without commands opens none.
      const inFrame = engine.frameLeft > 0 && kind !== CommandKind.Time
      if (!inFrame && kind !== CommandKind.Time) frameIsSigned = kind === CommandKind.Frame
      if (kind === CommandKind.Amend && !(inFrame && frameIsSigned))
        bareAmends.push({
          seq: engine.seq + 1,
          account: block.words[offset + Cmd.ACCOUNT]!,
          cloid: cloidAt(block.words, offset + OrderCmd.CLOID_LO),
        })
      asked = { block, offset, seq: engine.seq + 1 }
      isOpened = false
      engine.apply(block.words, block.floats, offset)
      engine.flush()
      if (kind === CommandKind.Frame && !isOpened) refused.add(engine.seq)
    }
  reader.close()
  if (engine.seq < seq)
    throw new UsageError(`--fill ${seq}: the journal in ${dataDir} ends at seq ${engine.seq}`)
  if (event === undefined)
    throw new UsageError(
      `--fill ${seq}:${index}: there is no such fill; the command at seq ${seq} has ${fills} of them, counted from 0`,
    )
  return { event, parties, sessions, owners, fillSeq: seq, bareAmends, refused }
}

function partyOf(role: Party['role'], words: Int32Array, floats: Float64Array, at: number): Party {
  const isMaker = role === 'maker'
  return {
    role,
    account: words[at + (isMaker ? FillEv.MAKER_ACCOUNT : FillEv.TAKER_ACCOUNT)]!,
    cloid: cloidAt(words, at + (isMaker ? FillEv.MAKER_CLOID_LO : FillEv.TAKER_CLOID_LO)),
    orderId: floats[at / 2 + (isMaker ? FillEv.MAKER_ORDER_ID_F64 : FillEv.TAKER_ORDER_ID_F64)]!,
  }
}

const sessionKey = (account: number, approval: number): string => `${account}:${approval}`

function sessionOf(block: JournalBlock, offset: number, seq: number): Session {
  const { words, floats, attachments } = block
  const publicKey = new Uint8Array(33)
  publicKey[0] = 2 + ((words[offset]! >>> ApproveSessionCmd.KEY_PARITY_SHIFT) & 1)
  publicKey.set(wordsToBytes(words, offset + ApproveSessionCmd.KEY_X, HASH_WORDS), 1)
  const attachment = attachments.find(
    ({ kind, firstSeq, count }) =>
      kind === AttachmentKind.Approval && seq >= firstSeq && seq < firstSeq + count,
  )
  return {
    ...readApproval(words, floats, offset),
    seq,
    account: words[offset + Cmd.ACCOUNT]!,
    publicKey,
    signature: attachment?.bytes.slice() ?? new Uint8Array(0),
  }
}

/** Owners by account: the chain's registry where an endpoint is given, else what the journal says. */
async function ownersOf(
  rpc: string | undefined,
  deployment: ChainDeployment,
  journal: ReadonlyMap<number, Address>,
  parties: readonly Party[],
  checks: AuditCheck[],
): Promise<ReadonlyMap<number, Address>> {
  if (rpc === undefined) return journal
  const owners = new Map<number, Address>()
  for (const { account } of parties) {
    const owner = await chainClient([rpc]).readContract({
      address: deployment.vault,
      abi: vaultAbi,
      functionName: 'ownerOf',
      args: [BigInt(account)],
    })
    owners.set(account, owner)
    checks.push({
      what: `account ${account} belongs to ${owner} in the vault's registry, as the journal says`,
      holds: journal.get(account)?.toLowerCase() === owner.toLowerCase(),
    })
  }
  return owners
}

/** Checks every frame of a party's order; returns the hash of the one that placed it. */
async function auditParty(
  dataDir: string,
  deployment: ChainDeployment,
  { sessions, bareAmends, refused, fillSeq }: Found,
  party: Party,
  owners: ReadonlyMap<number, Address>,
  checks: AuditCheck[],
  lines: string[],
): Promise<Uint8Array> {
  const name = `${party.role} (account ${party.account}, order ${party.orderId})`
  const frames = framesOf(dataDir, party, fillSeq)
  const placing = frames.find(({ seq, records }) => covers(seq, records, party.orderId) && !refused.has(seq))
  checks.push({ what: `${name}: a signed frame placed the order`, holds: placing !== undefined })
  for (const { seq, account, cloid } of bareAmends)
    if (account === party.account && cloid === party.cloid && seq > party.orderId)
      checks.push({ what: `${name}: the amend at seq ${seq} stands in a signed frame`, holds: false })
  for (const frame of frames) {
    const session = sessions.get(sessionKey(party.account, frame.approval))
    const commands = frame.records.length / COMMAND_WORDS
    const kinds = Array.from(
      { length: commands },
      (_, at) => commandNames[kindOf(frame.records[at * COMMAND_WORDS]!)],
    )
    const what = `${name}: frame at seq ${frame.seq}`
    lines.push(`${what}, nonce ${frame.nonce}, session ${frame.approval}: ${kinds.join(', ')}`)
    if (session === undefined) {
      checks.push({ what: `${what}: its session was approved`, holds: false })
      continue
    }
    checkFrame(what, deployment, frame, session, party, checks)
    await checkApproval(what, deployment, session, owners.get(party.account), checks)
  }
  return placing?.hash ?? new Uint8Array(HASH_WORDS * 4)
}

const covers = (frameSeq: number, records: Int32Array, seq: number): boolean =>
  seq > frameSeq && seq <= frameSeq + records.length / COMMAND_WORDS

/** Frames up to the fill at `fillSeq` that placed or amended the party's order, in order. */
function framesOf(dataDir: string, party: Party, fillSeq: number): SignedFrame[] {
  const reader = new JournalReader(dataDir)
  const frames: SignedFrame[] = []
  for (let block = reader.next(); block !== undefined; block = reader.next()) {
    const { words, floats, attachments } = block
    for (let command = 0; command < block.count; command++) {
      const offset = COMMANDS_AT + command * COMMAND_WORDS
      if (kindOf(words[offset]!) !== CommandKind.Frame) continue
      if (words[offset + Cmd.ACCOUNT] !== party.account) continue
      const seq = block.firstSeq + command
      const count = words[offset + FrameCmd.COUNT]!
      const records = words.slice(offset + COMMAND_WORDS, offset + (count + 1) * COMMAND_WORDS)
      // Behind the fill the same client order id may be another order's.
      if (seq > fillSeq) continue
      if (!covers(seq, records, party.orderId) && !amends(records, party.cloid)) continue
      const attachment = attachments.find(({ firstSeq }) => firstSeq === seq)
      frames.push({
        seq,
        approval: floats[offset / 2 + FrameCmd.APPROVAL_F64]!,
        nonce: floats[offset / 2 + FrameCmd.NONCE_F64]!,
        hash: wordsToBytes(words, offset + FrameCmd.SHA256, HASH_WORDS),
        kind: attachment?.kind ?? AttachmentKind.None,
        attachment: attachment?.bytes.slice() ?? new Uint8Array(0),
        records,
      })
    }
  }
  reader.close()
  return frames
}

function amends(records: Int32Array, cloid: bigint): boolean {
  for (let at = 0; at < records.length; at += COMMAND_WORDS) {
    if (kindOf(records[at]!) !== CommandKind.Amend) continue
    if (cloidAt(records, at + AmendCmd.CLOID_LO) === cloid) return true
  }
  return false
}

/** Hash, domain, session, nonce, signature, and that the signed payload is the journal's commands. */
function checkFrame(
  what: string,
  { chainId, vault }: ChainDeployment,
  frame: SignedFrame,
  session: Session,
  party: Party,
  checks: AuditCheck[],
): void {
  const signed = frame.attachment.subarray(0, -SIGNATURE_BYTES)
  const signature = frame.attachment.subarray(-SIGNATURE_BYTES)
  const payload = signed.subarray(FRAME_HEADER_BYTES)
  const domain = createHash('sha256').update(domainPreimage(chainId, vault)).digest()
  const expected = frameMessage(
    domain,
    { account: party.account, approval: frame.approval },
    frame.nonce,
    payload,
  )
  checks.push(
    {
      what: `${what}: the journal's frame hash is that of the signed bytes`,
      holds: createHash('sha256').update(signed).digest().equals(frame.hash),
    },
    {
      what: `${what}: the bytes name this chain, vault, account, approval and nonce`,
      holds: Buffer.from(expected).equals(signed),
    },
    {
      what: `${what}: the session key signed the bytes`,
      holds:
        frame.attachment.length > SIGNATURE_BYTES &&
        p256.verify(signature, signed, session.publicKey, { lowS: false }),
    },
    {
      what: `${what}: the journal's commands are those of the signed payload`,
      holds: sameCommands(frame, payload, party.account),
    },
  )
}

function sameCommands({ kind, records }: SignedFrame, payload: Uint8Array, account: number): boolean {
  try {
    const codec = kind === AttachmentKind.FrameJson ? jsonCodec : msgpackCodec
    const decoded = new Int32Array(records.length)
    const count = payloadToRecords(
      codec.decode(payload),
      account,
      decoded,
      new Float64Array(decoded.buffer),
      0,
    )
    return count * COMMAND_WORDS === records.length && decoded.every((word, at) => word === records[at])
  } catch {
    // A payload that does not decode to commands of this size cannot be theirs.
    return false
  }
}

async function checkApproval(
  what: string,
  { chainId, vault }: ChainDeployment,
  session: Session,
  owner: Address | undefined,
  checks: AuditCheck[],
): Promise<void> {
  const recovered = await recoverTypedDataAddress({
    domain: walletDomain(chainId, vault),
    types: walletTypes,
    primaryType: 'ApproveSession',
    message: {
      account: session.account,
      publicKey: bytesToHex(session.publicKey),
      scopes: session.scopes,
      maxNotional: BigInt(session.maxNotional),
      expiresAt: BigInt(session.expiresAtMs),
      nonce: BigInt(session.nonce),
      deadline: BigInt(session.deadlineMs),
    },
    signature: bytesToHex(session.signature),
  }).catch(() => undefined)
  checks.push({
    what: `${what}: the wallet ${owner ?? '(unknown)'} approved session ${session.nonce} at seq ${session.seq}`,
    holds: owner !== undefined && recovered?.toLowerCase() === owner.toLowerCase(),
  })
}

/** The leaf that the journal gives, with the frames that placed the two orders. */
function leafOf(event: Int32Array, index: number, frames: readonly Uint8Array[]): Uint8Array {
  const leaves = new FillLeaves()
  leaves.add(event, new Float64Array(event.buffer), 0, index, frames[0], frames[1])
  return leaves.all()
}

/** The fill's leaf under its batch's fills root, and that root on the chain when an endpoint is given. */
async function auditLeaf(
  dataDir: string,
  deployment: ChainDeployment,
  seq: number,
  index: number,
  expected: Uint8Array,
  rpc: string | undefined,
  checks: AuditCheck[],
): Promise<void> {
  if (!existsSync(join(dataDir, 'settlement', 'batches'))) return
  const store = new BatchStore(dataDir)
  for (const number of store.numbers()) {
    const { header } = store.read(number)
    if (seq < header.firstSeq || seq > header.lastSeq) continue
    const leaves = store.fills(number)
    for (let leaf = 0; leaf < leaves.length / FILL_BYTES; leaf++) {
      const fill = decodeFill(leaves, leaf)
      if (fill.seq !== seq || fill.fillIndex !== index) continue
      const root = Buffer.from(header.fillsRoot.slice(2), 'hex')
      const proof = fillProof(leaves, leaf)
      checks.push({
        what: `leaf ${leaf} of batch ${number} is the fill, with both orders, fees and frame hashes`,
        holds: verifyFill(root, proof) && Buffer.from(proof.leaf).equals(expected),
      })
      if (rpc === undefined) return
      const { fillsRoot } = await chainClient([rpc]).readContract({
        address: deployment.settlement,
        abi: settlementAbi,
        functionName: 'batchOf',
        args: [BigInt(number)],
      })
      const holds = fillsRoot === (header.fillsRoot satisfies Hex)
      checks.push({ what: `batch ${number} has that fills root on the chain`, holds })
      return
    }
    checks.push({ what: `batch ${number} covers seq ${seq} and has the fill`, holds: false })
  }
}
