/**
 * The operator's P-256 key that signs receipts: made once, kept in the data folder, readable by its owner
 * only. Clients learn the public key in the hello; whoever holds the file can sign in the operator's name.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  existsSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { makeFolder, syncFolder } from '../../engine/journal/disk.js'
import { writeDurable } from '../../settlement/store/store.js'

const FILE = 'receipt-key.pem'
const OTHERS = 0o077

/** A key file that cannot be used; the message says why and what to do. */
export class ReceiptKeyError extends Error {
  override readonly name = 'ReceiptKeyError'
}

/**
 * The key of `dataDir` as PKCS#8 DER; made when there is none yet.
 * @throws ReceiptKeyError when the file is no P-256 key or others may read it.
 */
export function receiptKey(dataDir: string): Uint8Array {
  makeFolder(dataDir)
  const path = join(dataDir, FILE)
  const mode = modeOf(path) ?? create(dataDir, path)
  if ((mode & OTHERS) !== 0) {
    throw new ReceiptKeyError(
      `${path} has mode ${(mode & 0o777).toString(8)}, so others may read it: chmod 600 it, or remove it for a new key`,
    )
  }
  try {
    const key = createPrivateKey(readFileSync(path))
    if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new Error('not a P-256 key')
    return key.export({ format: 'der', type: 'pkcs8' })
  } catch (error) {
    throw new ReceiptKeyError(
      `${path} cannot be used (${(error as Error).message}): put back a copy, or remove it for a new key, which does not stand for receipts of before`,
    )
  }
}

const PUBLIC_FILE = 'receipt-key.pub'

/**
 * Keeps the public key beside the other one. Where it is another than before, the key was lost or exchanged: that is
 * told once, and the public key of before is kept, because receipts of before are signed with it.
 */
export function keepPublicKey(dataDir: string, onLog: (line: string) => void): void {
  const path = join(dataDir, FILE)
  const publicPath = join(dataDir, PUBLIC_FILE)
  const now = createPublicKey(readFileSync(path)).export({ format: 'pem', type: 'spki' })
  if (existsSync(publicPath)) {
    if (readFileSync(publicPath, 'utf8') === now) return
    const before = `${publicPath}.before-${Date.now()}`
    renameSync(publicPath, before)
    onLog(
      `receipts: ${path} is another key than before, and ${before} the public key that receipts of before are signed ` +
        `with: put back a copy of the key if you have one`,
    )
  }
  writeDurable(dataDir, PUBLIC_FILE, now)
}

function modeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mode
}

/** Makes the file whole or not at all; who comes second takes the first one's. Answers with its mode. */
function create(dataDir: string, path: string): number {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const draft = join(dataDir, `.${FILE}.${randomBytes(8).toString('hex')}`)
  const file = openSync(draft, 'wx', 0o600)
  try {
    writeSync(file, privateKey.export({ format: 'pem', type: 'pkcs8' }) as string)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  try {
    linkSync(draft, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    unlinkSync(draft)
  }
  // Receipts are signed with it from now on.
  syncFolder(dataDir)
  return modeOf(path)!
}
