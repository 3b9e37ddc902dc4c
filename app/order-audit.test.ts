/**
 * The order audit on a journal of signed frames: every check holds on an honest one; each forgery an operator
 * could try makes a check fail.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { p256 } from '@noble/curves/nist.js'
import type { Address } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { settlementAbi } from '../contracts/abi.js'
import { CommandKind, Side } from '../engine/codes.js'
import { writeApproveSession } from '../engine/commands.js'
import { COMMAND_WORDS, Cmd } from '../engine/layout.js'
import { AttachmentKind } from '../engine/messages.js'
import { msgpackCodec } from '../sdk/wire/codec.js'
import { commandToWire, payloadToRecords } from '../sdk/wire/commands.js'
import { domainPreimage, frameMessage, walletDomain, walletTypes } from '../sdk/wire/signed.js'
import { depositRecord, openAccountRecord } from '../settlement/chain-watcher.js'
import { bytesToHex, commitArguments, hexToBytes } from '../settlement/commit.js'
import { sealBatch, type SealedBatch } from '../settlement/batch.js'
import { fillsRoot } from '../settlement/fills-root.js'
import { Follower } from '../settlement/follow.js'
import { BatchStore } from '../settlement/store.js'
import { StateTree } from '../settlement/tree.js'
import { JournalFixture, frameRecord } from '../settlement/test/journal-fixture.js'
import { SettlementFixture } from '../test/settlement-fixture.js'
import { runOrderAudit } from './order-audit-cli.js'

const CHAIN_ID = 31337
const NO_CHAIN = '0x00000000000000000000000000000000000000b0'
const MNEMONIC = 'test test test test test test test test test test test junk'
const wallet = (index: number) => mnemonicToAccount(MNEMONIC, { addressIndex: index })
const secret = (account: number): Uint8Array => new Uint8Array(32).fill(account + 1)
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
  /** The seller's resting order is amended to a lower price by a command that nobody signed. */
  readonly bareAmend?: boolean
  /** What the settled leaf says instead: one byte of it is another. */
  readonly leafByte?: number
}

interface Exchange {
  /** Of the fill. */
  readonly seq: number
  readonly batch: SealedBatch
}

const ROWS_PER_CHUNK = 16

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
    if (account === 1 && forgery.bareAmend === true) {
      const amend = new Int32Array(COMMAND_WORDS)
      amend[Cmd.KIND] = CommandKind.Amend
      amend[Cmd.ACCOUNT] = 2
      amend[Cmd.TICKS] = 99
      amend[Cmd.LOTS] = 5
      amend[Cmd.CLOID_LO] = 2
      journal.append(amend)
    }
    const isForged = account === 1
    const wire = commandToWire({
      kind: CommandKind.Place,
      market: 0,
      side,
      ticks: 100,
      lots: 5,
      cloid: BigInt(account),
    })
    const payload = msgpackCodec.encode([wire]) as Uint8Array
    const signed = frameMessage(domain, { account, approval: 1 }, 7, payload)
    const signer = isForged ? (forgery.signer ?? account) : account
    const signature = p256.sign(signed, secret(signer), { lowS: false })
    const record = new Int32Array(COMMAND_WORDS)
    payloadToRecords(msgpackCodec.decode(payload), account, record, new Float64Array(record.buffer), 0)
    if (isForged && forgery.lotsInJournal !== undefined) record[Cmd.LOTS] = forgery.lotsInJournal
    const hash = createHash('sha256').update(signed).digest()
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
    JSON.stringify({ chainId: CHAIN_ID, vault: forgery.vault ?? vault, settlement, assets: [] }),
  )
  const follower = new Follower({ dataDir })
  follower.advance(() => false)
  const batch = sealBatch(1, follower.close(), new StateTree(), ROWS_PER_CHUNK)
  follower.stop()
  const fills = batch.fills.slice()
  if (forgery.leafByte !== undefined) fills[forgery.leafByte]! ^= 1
  const header = { ...batch.header, fillsRoot: bytesToHex(fillsRoot(fills)) }
  new BatchStore(dataDir).seal(
    {
      header,
      data: batch.data,
      fillCount: 1,
      rowsPerChunk: ROWS_PER_CHUNK,
      sealedAtMs: 0,
      state: 'mined' as const,
    },
    fills,
  )
  return { seq, batch }
}

describe('order audit', () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-order-audit-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  let count = 0
  const auditOf = async (forgery?: Forgery): Promise<number> => {
    const dataDir = join(folder, String(count++))
    const { seq } = await writeExchange(dataDir, forgery)
    return runOrderAudit([dataDir, '--fill', String(seq), '--json'])
  }

  test('an honest fill: every check holds', async () => {
    expect(await auditOf()).toBe(0)
  })
  test.each<[string, Forgery]>([
    ['an order signed by another key', { signer: 5 }],
    ['a session that another wallet approved', { approver: 3 }],
    ['an approval taken after the deadline that was signed', { deadline: 1000n }],
    ['a command that is not the signed one', { lotsInJournal: 4 }],
    ['a payload changed after signing', { payloadByte: true }],
    ['signatures for another vault', { vault: '0x00000000000000000000000000000000000000b1' }],
    ['an order without a frame', { unsigned: true }],
    ['an order whose price was changed by a command that nobody signed', { bareAmend: true }],
    ['a leaf at another price', { leafByte: 19 }],
    ['a leaf with another size', { leafByte: 23 }],
    ['a leaf of another account', { leafByte: 27 }],
    ['a leaf with another fee', { leafByte: 79 }],
    ['a leaf with the frame of another order', { leafByte: 120 }],
  ])('found: %s', async (_name, forgery) => {
    expect(await auditOf(forgery)).toBe(1)
  })
  test('a fill that is not there is wrong use', async () => {
    const dataDir = join(folder, 'none')
    const { seq } = await writeExchange(dataDir)
    expect(await runOrderAudit([dataDir, '--fill', `${seq}:1`])).toBe(2)
    expect(await runOrderAudit([dataDir])).toBe(2)
  })

  test('with a chain: owners are those of the vault, the fills root is the posted one', async () => {
    const fixture = await SettlementFixture.start()
    try {
      await fixture.deposit(1, 0, 1_000_000)
      await fixture.deposit(2, 1, 1_000)
      const { deployment, anvil } = fixture
      const audited = async (name: string, forgery: Forgery): Promise<[Exchange, () => Promise<number>]> => {
        const dataDir = join(folder, name)
        const exchange = await writeExchange(dataDir, forgery, deployment)
        const args = [dataDir, '--fill', String(exchange.seq), '--json']
        return [exchange, () => runOrderAudit([...args, '--rpc', anvil.rpcUrl])]
      }
      const [{ batch }, honest] = await audited('chain', {})
      expect(await honest()).toBe(1)
      const { header, data } = batch
      await fixture.write(0, {
        address: deployment.settlement,
        abi: settlementAbi,
        functionName: 'commitBatch',
        args: commitArguments(header, data),
      })
      expect(await honest()).toBe(0)
      // A journal that gives account 1 to somebody else, with that wallet's approval: whole in itself.
      expect(await auditOf({ owner: 3 })).toBe(0)
      const [, stolen] = await audited('stolen', { owner: 3 })
      expect(await stolen()).toBe(1)
    } finally {
      await fixture.stop()
    }
  })
})
