/**
 * Who counts as one address: an IPv4 address, or the /64 of an IPv6 one, for whoever has one address of a
 * network like that has all of them. Every budget and queue by address uses this key. Called where a
 * connection or a request begins.
 */

/**
 * Who takes turns with others where all wait for one thing (fair-queue.ts), the widest network first: the /16 and the
 * /24 of an IPv4 address, of which one customer may have many, and the address; the /32 of an IPv6 address, which is
 * what a provider has, the /48, what it gives one customer (or, where it gives a /56 or a /64, one neighbourhood), and
 * the /64. `key` is an address key.
 */
export function turnPath(key: string): string[] {
  if (key.endsWith('::/64')) {
    const words = key.split(':')
    return [`${words.slice(0, 2).join(':')}::/32`, `${words.slice(0, 3).join(':')}::/48`, key]
  }
  const bytes = key.split('.')
  if (bytes.length !== 4) return [key]
  return [`${bytes.slice(0, 2).join('.')}.0.0/16`, `${bytes.slice(0, 3).join('.')}.0/24`, key]
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
