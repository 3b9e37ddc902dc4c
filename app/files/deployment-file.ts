/**
 * Reads a deployment file (`deployment.json`, which `start` writes and anybody may be given) for the tools that ask the
 * chain: what each of them needs of it is there and has its form, or the first field that has not is named.
 */
import { readFileSync } from 'node:fs'
import { isAddress } from 'viem'
import { z } from 'zod'
import type { Deployment } from '../../contracts/deployment/deploy.js'
import { UsageError } from './usage-error.js'

const address = z.string().refine((text) => isAddress(text, { strict: false }), 'is not an address')
const asset = z.looseObject({
  id: z.int().min(0),
  symbol: z.string(),
  decimals: z.int().min(0),
  unitAtoms: z.string().regex(/^[1-9]\d*$/, 'is not a whole number of atoms'),
})
/** Only what every tool reads: files of before lack what came later. */
const schema = z.looseObject({
  chainId: z.int().min(1),
  rpcUrl: z.string().refine(URL.canParse, 'is not a URL').optional(),
  vault: address,
  settlement: address,
  verifier: address,
  deployedAtBlock: z.int().min(0),
  assets: z.array(asset),
  constants: z.looseObject({
    rowsPerChunk: z.int().min(1),
    maxUnproven: z.int().min(1),
    proven: z.boolean(),
  }),
})

/** The file can be read and is no deployment. */
export class NoDeployment extends UsageError {
  override readonly name = 'NoDeployment'
}

/** @throws NoDeployment, naming the first field that is wrong; Error of the file system. */
export function readDeploymentFile(path: string): Deployment {
  const text = readFileSync(path, 'utf8')
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new NoDeployment(`${path} is not a deployment: ${(error as Error).message}`)
  }
  const result = schema.safeParse(parsed)
  if (result.success) return parsed as Deployment
  const [issue] = result.error.issues
  throw new NoDeployment(`${path} is not a deployment: ${issue!.path.join('.') || 'it'}: ${issue!.message}`)
}
