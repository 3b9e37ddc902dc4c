/**
 * The order audit on a journal of signed frames: every check holds on an honest one; each forgery an operator
 * could try makes one check fail, and there is a forgery that fails nothing but that check.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { p256 } from '@noble/curves/nist.js'
import type { Address } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { settlementAbi } from '../../contracts/abi.js'
import { CommandKind, Side } from '../../engine/codes.js'
import { writeApproveSession, writeUnsignedFrame } from '../../engine/commands.js'
import { COMMAND_WORDS, PlaceCmd } from '../../engine/layout.js'
import { AttachmentKind } from '../../engine/messages.js'
import { commandRecord } from '../../engine/records/access.js'
import { msgpackCodec } from '../../sdk/wire/codec.js'
import { type WireCommand, commandToWire, payloadToRecords } from '../../sdk/wire/commands.js'
import { domainPreimage, frameMessage, walletDomain, walletTypes } from '../../sdk/wire/signed.js'
import { depositRecord, openAccountRecord } from '../../settlement/chain/chain-watcher.js'
import { bytesToHex, commitArguments, hexToBytes } from '../../settlement/batch/commit.js'
import { sealBatch, type SealedBatch } from '../../settlement/follow/batch.js'
import { FILL_BYTES, fillsRoot } from '../../settlement/batch/fills-root.js'
import { Follower } from '../../settlement/follow/follow.js'
import { BatchStore } from '../../settlement/store/store.js'
import { StateTree } from '../../settlement/tree/tree.js'
import { JournalFixture, frameRecord } from '../../test/support/journal-fixture.js'
import { SettlementFixture } from '../../test/support/settlement-fixture.js'
import { told } from '../../test/support/told.js'
import { glassbook } from '../command-line.js'

const CHAIN_ID = 31337
const NO_CHAIN = '0x00000000000000000000000000000000000000b0'
const MNEMONIC = 'test test test test test test test test test test test junk'
const wallet = (index: number) => mnemonicToAccount(MNEMONIC, { addressIndex: index })
/** Their public keys have both parities: those of the two owners differ. */
const secret = (account: number): Uint8Array => new Uint8Array(32).fill(2 * account + 1)
const SCOPES = 3

/** What a dishonest operator changes; nothing by default. */
interface Forgery {
  readonly signer?: number
  readonly approver?: number
  /** Deadline that the wallets signed, where the journal says another. */
  readonly deadline?: bigint
  readonly lotsInJournal?: number
  readonly payloadByte?: boolean
  readonly vault?: Address
  /** Owner of account 1 in the journal, and signer of its approval. */
  readonly owner?: number
  /** The buyer's order has no frame. */
  readonly unsigned?: boolean
  /** The seller's order has no frame, but an amend of it that changes nothing has. */
  readonly onlyAmendSigned?: boolean
  /** The seller's resting order is amended to a lower price by a command that nobody signed. */
  readonly bareAmend?: boolean
  /** A header that opens no frame, and says that more follow than there are, stands before the bare amend. */
  readonly emptyHeader?: boolean
  /** The bare amend stands in a frame that nobody signed, behind the header of a signed one that opened none. */
  readonly unsignedHeader?: boolean
  /** The header of the buyer's frame is a command of another frame: the engine opens no frame by it. */
  readonly nested?: boolean
  /** What the settled leaf says instead: one byte of it is another. */
  readonly leafByte?: number
  /** The settled batch has no leaf at all. */
  readonly noLeaf?: boolean
  /** The batch's fills root is another than that of its leaves. */
  readonly otherRoot?: boolean
  /** The journal's hash of the buyer's frame is another than that of the signed bytes. */
  readonly frameHash?: boolean
  /** Nonce that the buyer signed, where the journal says 7. */
  readonly nonceSigned?: number
  /** The seller's order was to be amended under an approval that nobody gave. */
  readonly strangeSession?: boolean
}

interface Exchange {
  /** Of the fill. */
  readonly seq: number
  readonly batch: SealedBatch
}

const ROWS_PER_CHUNK = 16

/** A frame of one command: its record, the bytes that are signed, and their signature. */
function signFrame(domain: Uint8Array, account: number, nonce: number, command: WireCommand, signer: number) {
  const payload = msgpackCodec.encode([commandToWire(command)]) as Uint8Array
  const signed = frameMessage(domain, { account, approval: 1 }, nonce, payload)
  const record = new Int32Array(COMMAND_WORDS)
  payloadToRecords(msgpackCodec.decode(payload), account, record, new Float64Array(record.buffer), 0)
  return { record, signed, signature: p256.sign(signed, secret(signer), { lowS: false }) }
}

/** Writes a journal with two owners, their sessions, and one trade of two signed orders; seals a batch. */
async function writeExchange(
  dataDir: string,
  forgery: Forgery = {},
  { vault, settlement }: { vault: Address; settlement: Address } = { vault: NO_CHAIN, settlement: NO_CHAIN },
): Promise<Exchange> {
  const domain = createHash('sha256').update(domainPreimage(CHAIN_ID, vault)).digest()
  const journal = new JournalFixture(dataDir)
  journal.append(
    openAccountRecord(1, wallet(forgery.owner ?? 1).address),
    openAccountRecord(2, wallet(2).address),
  )
  journal.append(depositRecord(1, 0, 1_000_000, 0), depositRecord(2, 1, 1_000, 1))
  for (const account of [1, 2]) {
    const publicKey = p256.getPublicKey(secret(account), true)
    const record = new Int32Array(COMMAND_WORDS)
    const view = new DataView(publicKey.buffer, publicKey.byteOffset + 1)
    const keyX = Array.from({ length: 8 }, (_, word) => view.getInt32(word * 4))
    writeApproveSession(record, 0, account, keyX, publicKey[0]! & 1, {
      scopes: SCOPES,
      maxNotional: 2 ** 50,
      expiresAtMs: 2_000_000_000,
      nonce: 1,
      deadlineMs: 86_400_000,
    })
    const signature = await wallet(
      account === 1 ? (forgery.approver ?? forgery.owner ?? 1) : account,
    ).signTypedData({
      domain: walletDomain(CHAIN_ID, vault),
      types: walletTypes,
      primaryType: 'ApproveSession',
      message: {
        account,
        publicKey: bytesToHex(publicKey),
        scopes: SCOPES,
        maxNotional: 2n ** 50n,
        expiresAt: 2_000_000_000n,
        nonce: 1n,
        deadline: forgery.deadline ?? 86_400_000n,
      },
    })
    journal.appendProven([record], AttachmentKind.Approval, hexToBytes(signature))
  }
  let seq = 0
  for (const [account, side] of [
    [2, Side.Sell],
    [1, Side.Buy],
  ] as const) {
    const amend = commandRecord('Amend', { account: 2, market: 0, ticks: 99, lots: 5, cloid: 2 })
    if (account === 1 && forgery.emptyHeader === true)
      journal.append(frameRecord(2, 1, 65, 8, new Uint8Array(32)))
    if (account === 1 && forgery.unsignedHeader === true) {
      const header = new Int32Array(COMMAND_WORDS)
      writeUnsignedFrame(header, new Float64Array(header.buffer), 0, 2, 1, 2)
      journal.append(header)
      journal.append(frameRecord(2, 1, 1, 8, new Uint8Array(32)))
    }
    if (account === 1 && forgery.bareAmend === true) journal.append(amend)
    if (account === 1 && forgery.nested === true) journal.append(frameRecord(2, 1, 1, 8, new Uint8Array(32)))
    if (account === 1 && forgery.strangeSession === true)
      journal.append(frameRecord(2, 9, 1, 8, new Uint8Array(32)), amend)
    const isForged = account === 1
    const order = { market: 0, ticks: 100, lots: 5, cloid: BigInt(account) }
    const nonce = isForged ? (forgery.nonceSigned ?? 7) : 7
    const signer = isForged ? (forgery.signer ?? account) : account
    const place: WireCommand = { kind: CommandKind.Place, side, ...order }
    const { record, signed, signature } = signFrame(domain, account, nonce, place, signer)
    if (account === 2 && forgery.onlyAmendSigned === true) {
      const amend = signFrame(domain, 2, 7, { kind: CommandKind.Amend, ...order }, 2)
      const hash = createHash('sha256').update(amend.signed).digest()
      journal.append(record)
      journal.appendProven(
        [frameRecord(2, 1, 1, 7, hash), amend.record],
        AttachmentKind.FrameMsgpack,
        Uint8Array.from([...amend.signed, ...amend.signature]),
      )
      continue
    }
    if (isForged && forgery.lotsInJournal !== undefined) record[PlaceCmd.LOTS] = forgery.lotsInJournal
    const hash = createHash('sha256').update(signed).digest()
    if (isForged && forgery.frameHash === true) hash[0]! ^= 1
    const attachment = Uint8Array.from([...signed, ...signature])
    if (isForged && forgery.payloadByte === true) attachment[signed.length - 1]! ^= 1
    seq =
      isForged && forgery.unsigned === true
        ? journal.append(record)
        : journal.appendProven(
            [frameRecord(account, 1, 1, 7, hash), record],
            AttachmentKind.FrameMsgpack,
            attachment,
          )
  }
  journal.close()
  writeFileSync(
    join(dataDir, 'deployment.json'),
    JSON.stringify({
      chainId: CHAIN_ID,
      vault: forgery.vault ?? vault,
      settlement,
      verifier: vault,
      deployedAtBlock: 0,
      assets: [],
      constants: { rowsPerChunk: ROWS_PER_CHUNK, maxUnproven: 1, proven: false },
    }),
  )
  const follower = new Follower({ dataDir })
  follower.advance(() => false)
  const batch = sealBatch(1, follower.close(), new StateTree(), ROWS_PER_CHUNK)
  follower.stop()
  const fills = batch.fills.slice(0, forgery.noLeaf === true ? 0 : undefined)
  if (forgery.leafByte !== undefined) fills[forgery.leafByte]! ^= 1
  const root = fillsRoot(fills).slice()
  if (forgery.otherRoot === true) root[0]! ^= 1
  const header = { ...batch.header, fillsRoot: bytesToHex(root) }
  new BatchStore(dataDir).seal(
    {
      header,
      data: batch.data,
      fillCount: fills.length / FILL_BYTES,
      rowsPerChunk: ROWS_PER_CHUNK,
      sealedAtMs: 0,
      state: 'committed' as const,
    },
    fills,
    batch.fillNodes,
  )
  return { seq, batch }
}

describe('order audit', () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-order-audit-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  let count = 0
  /** Exit code, and the checks that the tool says fail. */
  const run = async (args: string[]): Promise<{ code: number; failed: string[] }> => {
    const { code, out } = await told(() => glassbook(['order-audit', ...args]))
    const lines = out.split('\n').filter((line) => line.startsWith('FAILS '))
    return { code, failed: lines.map((line) => line.slice('FAILS  '.length)) }
  }
  const auditOf = async (forgery?: Forgery): Promise<{ code: number; failed: string[] }> => {
    const dataDir = join(folder, String(count++))
    const { seq } = await writeExchange(dataDir, forgery)
    return run([dataDir, '--fill', String(seq)])
  }
  const holds = { code: 0, failed: [] }

  test('an honest fill: every check holds', async () => {
    expect(await auditOf()).toEqual(holds)
  })

  const BUYER = 'taker \\(account 1, order \\d+\\): '
  const FRAME = `${BUYER}frame at seq \\d+: `
  const APPROVED = `the wallet 0x\\w{40} approved session 1 at seq \\d+$`
  const LEAF = '^leaf 0 of batch 1 is the fill, with both orders, fees and frame hashes$'
  test.each<[string, Forgery, string]>([
    ['an order signed by another key', { signer: 5 }, `^${FRAME}the session key signed the bytes$`],
    ['a session that another wallet approved', { approver: 3 }, `^${FRAME}${APPROVED}`],
    ['a frame hash of other bytes', { frameHash: true }, `^${FRAME}the journal's frame hash is that of the`],
    ['bytes signed with another nonce', { nonceSigned: 8 }, `^${FRAME}the bytes name this chain, vault, acc`],
    ['a size that was not signed', { lotsInJournal: 4 }, `^${FRAME}the journal's commands are those of the`],
    ['an order without a frame', { unsigned: true }, `^${BUYER}a signed frame placed the order$`],
    [
      'an order behind a signed header that opened no frame',
      { nested: true },
      `^${BUYER}a signed frame placed the order$`,
    ],
    [
      'an order of which only an amend was signed',
      { onlyAmendSigned: true },
      '^maker \\(account 2, order \\d+\\): a signed frame placed the order$',
    ],
    [
      'an order whose price was changed by a command that nobody signed',
      { bareAmend: true },
      '^maker \\(account 2, order \\d+\\): the amend at seq \\d+ stands in a signed frame$',
    ],
    [
      'the same, behind the header of a frame that is none',
      { bareAmend: true, emptyHeader: true },
      '^maker \\(account 2, order \\d+\\): the amend at seq \\d+ stands in a signed frame$',
    ],
    [
      'the same, in a frame that nobody signed',
      { bareAmend: true, unsignedHeader: true },
      '^maker \\(account 2, order \\d+\\): the amend at seq \\d+ stands in a signed frame$',
    ],
    [
      'an amend under an approval that nobody gave',
      { strangeSession: true },
      '^maker \\(account 2, order \\d+\\): frame at seq \\d+: its session was approved$',
    ],
    ['a leaf at another price', { leafByte: 19 }, LEAF],
    ['a leaf with another size', { leafByte: 23 }, LEAF],
    ['a leaf of another account', { leafByte: 27 }, LEAF],
    ['a leaf with another fee', { leafByte: 79 }, LEAF],
    ['a leaf with the frame of another order', { leafByte: 120 }, LEAF],
    ['a root that is not that of the leaves', { otherRoot: true }, LEAF],
    ['a batch without the fill', { noLeaf: true }, '^batch 1 covers seq \\d+ and has the fill$'],
  ])('nothing but one check fails: %s', async (_name, forgery, expected) => {
    expect(await auditOf(forgery)).toEqual({ code: 1, failed: [expect.stringMatching(expected)] })
  })

  // Both sides, or bytes and their signature: more than one check sees these.
  test.each<[string, Forgery, number]>([
    ['an approval taken after the deadline that was signed', { deadline: 1000n }, 2],
    ['a payload that is another than was signed', { payloadByte: true }, 3],
    ['signatures for another vault', { vault: '0x00000000000000000000000000000000000000b1' }, 4],
  ])('found: %s', async (_name, forgery, checks) => {
    const { code, failed } = await auditOf(forgery)
    expect([code, failed.length]).toEqual([1, checks])
  })
  test('a fill that is not there is wrong use', async () => {
    const dataDir = join(folder, 'none')
    const { seq } = await writeExchange(dataDir)
    const spare = await told(() => glassbook(['order-audit', dataDir, '--fill', `${seq}:1`]))
    expect(spare).toMatchObject({ code: 2, out: expect.stringContaining(`at seq ${seq} has 1 of them`) })
    const later = await told(() => glassbook(['order-audit', dataDir, '--fill', '999999']))
    expect(later).toMatchObject({
      code: 2,
      out: expect.stringMatching(/--fill 999999: the journal in .* ends at seq \d+/),
    })
    expect(await glassbook(['order-audit', dataDir])).toBe(2)
  })

  test('with a chain: owners are those of the vault, the fills root is the posted one', async () => {
    const fixture = await SettlementFixture.start()
    try {
      await fixture.deposit(1, 0, 1_000_000)
      await fixture.deposit(2, 1, 1_000)
      const { deployment, anvil } = fixture
      const audited = async (
        name: string,
        forgery: Forgery,
      ): Promise<[Exchange, () => ReturnType<typeof run>]> => {
        const dataDir = join(folder, name)
        const exchange = await writeExchange(dataDir, forgery, deployment)
        return [exchange, () => run([dataDir, '--fill', String(exchange.seq), '--rpc', anvil.rpcUrl])]
      }
      const [{ batch }, honest] = await audited('chain', {})
      expect(await honest()).toEqual({ code: 1, failed: ['batch 1 has that fills root on the chain'] })
      const { header, data } = batch
      await fixture.write(0, {
        address: deployment.settlement,
        abi: settlementAbi,
        functionName: 'commitBatch',
        args: commitArguments(header, data),
      })
      expect(await honest()).toEqual(holds)
      // Without the batches nothing says that the chain has the fill: no failure, and not all is verified either.
      const alone = join(folder, 'alone')
      const { seq } = await writeExchange(alone, {}, deployment)
      rmSync(join(alone, 'settlement'), { recursive: true })
      const audit = (...more: string[]) =>
        told(() => glassbook(['order-audit', alone, '--fill', String(seq), ...more]))
      expect(await audit('--rpc', anvil.rpcUrl)).toMatchObject({
        code: 3,
        out: expect.stringMatching(/^not compared with a batch: none in .* covers seq \d+$/m) as string,
      })
      const json = await audit('--rpc', anvil.rpcUrl, '--json')
      expect([json.code, JSON.parse(json.out)]).toMatchObject([3, { holds: true, comparedWithBatch: false }])
      expect((await audit()).code).toBe(0)
      // The journal gives account 1 to somebody else, whom its owner's approval does not help.
      const [, misnamed] = await audited('misnamed', { owner: 3, approver: 1 })
      expect(await misnamed()).toEqual({
        code: 1,
        failed: [
          expect.stringMatching("^account 1 belongs to 0x\\w{40} in the vault's registry, as the journal"),
        ],
      })
      // The same with the other wallet's approval: whole in itself, and against the chain two checks see it.
      expect(await auditOf({ owner: 3 })).toEqual(holds)
      const [, stolen] = await audited('stolen', { owner: 3 })
      const { code, failed } = await stolen()
      expect([code, failed.length]).toEqual([1, 2])
    } finally {
      await fixture.stop()
    }
  })
})
