/**
 * Small JSON records that vouch for themselves: the last field is the SHA-256 of those before it. What stands
 * beside archived files (segment-files.ts, settlement/store/batch-archive.ts) has nothing else that would notice a
 * changed byte in it.
 */
import { createHash } from 'node:crypto'

export const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')

/** The text of a record with its hash. */
export const sealRecord = (fields: object): string =>
  `${JSON.stringify({ ...fields, recordSha256: sha256(JSON.stringify(fields)) }, null, 1)}\n`

/** The fields of a sealed record. Throws SyntaxError or Error when the text is not what `sealRecord` made. */
export function openRecord(text: string): object {
  const { recordSha256, ...fields } = JSON.parse(text) as { recordSha256?: unknown }
  if (sealRecord(fields) !== text) throw new Error(`its own hash ${String(recordSha256)} does not fit`)
  return fields
}
