/**
 * The session key: a P-256 key that WebCrypto makes and keeps, in Node and in browsers. Its private half
 * is not extractable unless asked for, so a page that is broken into can sign but not steal.
 */
import { InputError } from '../base/errors.js'
import { type Check, checkFields, isBoolean, isObject, refuseInput } from '../base/inputs.js'
import { ErrorCode } from '../wire/codes.js'
import { PUBLIC_KEY_BYTES } from '../wire/layout.js'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const

export interface SessionKey {
  /** SEC1 compressed, 33 bytes. */
  readonly publicKey: Uint8Array<ArrayBuffer>
  /** P-256 with SHA-256 over `message`; r || s, 64 bytes. */
  sign(message: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>
  /** JWK of the private key, to keep it between runs. @throws InputError when it was made not extractable. */
  export(): Promise<JsonWebKey>
}

/** A key made here, or one of the caller's own that signs elsewhere. */
export const isSessionKey: Check = (value, field) => {
  const { publicKey, sign } = (value ?? {}) as Partial<SessionKey>
  if (
    !(publicKey instanceof Uint8Array) ||
    publicKey.length !== PUBLIC_KEY_BYTES ||
    typeof sign !== 'function'
  )
    refuseInput(field, value, 'a session key, as createSessionKey and importSessionKey make it')
}

async function wrap(privateKey: CryptoKey, publicKey: CryptoKey): Promise<SessionKey> {
  const point = new Uint8Array(await globalThis.crypto.subtle.exportKey('raw', publicKey))
  const compressed = new Uint8Array(33)
  compressed[0] = 2 | (point[64]! & 1)
  compressed.set(point.subarray(1, 33), 1)
  return {
    publicKey: compressed,
    async sign(message) {
      return new Uint8Array(await globalThis.crypto.subtle.sign(SIGNATURE, privateKey, message))
    },
    async export() {
      if (!privateKey.extractable) {
        throw new InputError('the session key was made not extractable', { code: ErrorCode.BadParams })
      }
      return globalThis.crypto.subtle.exportKey('jwk', privateKey)
    },
  }
}

/** Makes a new key. `extractable` is false unless it has to be kept between runs. @throws InputError */
export async function createSessionKey(
  options: { readonly extractable?: boolean } = {},
): Promise<SessionKey> {
  checkFields('createSessionKey', options, { extractable: isBoolean })
  const { extractable = false } = options
  const { privateKey, publicKey } = await globalThis.crypto.subtle.generateKey(ALGORITHM, extractable, [
    'sign',
    'verify',
  ])
  return wrap(privateKey, publicKey)
}

/** A key from the JWK that `export` gave. @throws InputError when it is no object */
export async function importSessionKey(jwk: JsonWebKey): Promise<SessionKey> {
  isObject(jwk, 'jwk')
  const { subtle } = globalThis.crypto
  const privateKey = await subtle.importKey('jwk', jwk, ALGORITHM, true, ['sign'])
  const { d: _private, key_ops: _ops, ...publicJwk } = jwk
  const publicKey = await subtle.importKey('jwk', { ...publicJwk, key_ops: ['verify'] }, ALGORITHM, true, [
    'verify',
  ])
  return wrap(privateKey, publicKey)
}
