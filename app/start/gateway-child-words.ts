/**
 * What `glassbook start` and its gateway process (gateway-child.ts) say to each other, beside the bridges' sockets: the
 * parent the settings (GatewayConfig), once, which may be too long for a command line; the child what is named here.
 */

/** Standard streams and the channel of these messages come before the sockets, of which each thread has one. */
export const FIRST_SOCKET_FD = 4

export type FromGatewayChild =
  | { readonly type: 'log'; readonly line: string; readonly level?: 'warn' | undefined }
  | { readonly type: 'listening'; readonly port: number }
  /** It ends because of this; the message is fit for an operator. */
  | { readonly type: 'refused'; readonly message: string }
