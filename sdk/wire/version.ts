/**
 * The protocol's version and the two WebSocket subprotocols that carry it. One schema, two encodings:
 * MessagePack for programs that count bytes, JSON for everything else. A client names the encoding it
 * wants in `Sec-WebSocket-Protocol`; the server answers with the one it chose. Used by gateway and sdk.
 */
export const PROTOCOL_VERSION = 2

export const Subprotocol = { Msgpack: 'glassbook.v2.msgpack', Json: 'glassbook.v2.json' } as const
export type Subprotocol = (typeof Subprotocol)[keyof typeof Subprotocol]
