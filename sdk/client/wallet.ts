/** The wallet that signs approvals, revocations and withdrawals, whichever kind of signer it was given as. */
import { type Account, type Address, type EIP1193Provider, createWalletClient, custom } from 'viem'
import type { ClientOptions, Signer } from './client-types.js'
import { InputError } from '../base/errors.js'
import { fromHex } from '../wire/bytes.js'
import { ErrorCode } from '../wire/codes.js'
import { type walletDomain, walletTypes } from '../wire/signed.js'

export interface TypedData {
  readonly domain: ReturnType<typeof walletDomain>
  readonly primaryType: keyof typeof walletTypes
  readonly message: Readonly<Record<string, unknown>>
}

type SignTypedData = (typed: TypedData & { readonly types: typeof walletTypes }) => Promise<unknown>

export interface Wallet {
  readonly address: Address
  /** EIP-712 signature, 65 bytes. @throws InputError when the wallet gives something else. */
  sign(typed: TypedData): Promise<Uint8Array>
}

/** @throws InputError when there is no wallet, or it has no account. */
export async function walletOf(signer: ClientOptions['wallet']): Promise<Wallet> {
  if (signer === undefined)
    throw new InputError('this call needs a wallet; give one to createClient', { code: ErrorCode.BadParams })
  const { address, signTypedData } = await typedDataSigner(signer)
  return {
    address,
    sign: async (typed) => signatureBytes(await signTypedData({ ...typed, types: walletTypes })),
  }
}

async function typedDataSigner(signer: Signer): Promise<{ address: Address; signTypedData: SignTypedData }> {
  if ('account' in signer && signer.account !== undefined) {
    const { account } = signer
    return {
      address: account.address,
      signTypedData: (typed) => signer.signTypedData({ account, ...typed } as never),
    }
  }
  if ('address' in signer) {
    const local = signer as Pick<Extract<Account, { type: 'local' }>, 'address' | 'signTypedData'>
    return { address: local.address, signTypedData: (typed) => local.signTypedData(typed as never) }
  }
  const client = createWalletClient({ transport: custom(signer as unknown as EIP1193Provider) })
  const [address] = await client.requestAddresses()
  if (address === undefined)
    throw new InputError('the wallet has no account', { code: ErrorCode.UnknownAccount })
  return {
    address,
    signTypedData: (typed) => client.signTypedData({ account: address, ...typed } as never),
  }
}

function signatureBytes(signature: unknown): Uint8Array {
  const bytes = typeof signature === 'string' ? fromHex(signature) : undefined
  if (bytes?.length !== 65)
    throw new InputError('the wallet gave no 65-byte signature', { code: ErrorCode.BadSignature })
  return bytes
}
