/**
 * Who counts as one address: an IPv4 address, or the /64 of an IPv6 one, for whoever has one address of a
 * network like that has all of them. Every budget and queue by address uses this key. Called where a
 * connection or a request begins.
 */

/**
 * Who takes turns with others where all wait for one thing: the /48 of an IPv6 address, which is what a network
 * gives one customer, 65,536 networks of a /64; an IPv4 address as it is. `key` is an address key.
 */
export function turnKey(key: string): string {
  return key.endsWith('::/64') ? `${key.split(':').slice(0, 3).join(':')}::/48` : key
}

/** The key of an address of 4 or 16 bytes, as texts write it. */
export function addressKey(address: ArrayBuffer): string {
  const bytes = new Uint8Array(address)
  if (bytes.length === 4) return bytes.join('.')
  // ::ffff:a.b.c.d is an IPv4 address on a socket of IPv6.
  const isMapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255
  if (isMapped) return bytes.subarray(12).join('.')
  const words = [0, 2, 4, 6].map((at) => ((bytes[at]! << 8) | bytes[at + 1]!).toString(16))
  return `${words.join(':')}::/64`
}
