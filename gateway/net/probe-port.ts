/**
 * Whether a port can be had, and why not. Asked before anything is made by whoever starts an exchange, and
 * once more by the thread that then listens.
 */
import { type AddressInfo, createServer } from 'node:net'
import type { FromGateway } from '../link/messages.js'

/** Why the port cannot be had; the message is fit for an operator. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  constructor(
    readonly code: Extract<FromGateway, { type: 'failed' }>['code'],
    message: string,
  ) {
    super(message)
  }
}

/** Takes the port once, to learn whether it is free. Answers with the port (a free one for 0). */
export function probePort(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') {
        reject(new ListenError('PortTaken', `port ${port} of ${host} is taken by another program`))
      } else if (error.code === 'EACCES') {
        reject(new ListenError('PortDenied', `port ${port} of ${host} needs more rights than this user has`))
      } else reject(new ListenError('AddressInvalid', `cannot listen on ${host}:${port}: ${error.message}`))
    })
    probe.listen({ host, port, exclusive: true }, () => {
      const taken = (probe.address() as AddressInfo).port
      probe.close(() => resolve(taken))
    })
  })
}
