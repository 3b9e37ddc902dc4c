/** Which server of sockets the gateway's tests run on: the one that GLASSBOOK_SOCKETS names, else the best that fits. */
import { type SocketsSetting, loadBackend } from '../../gateway/net/load-backend.js'
import { nodeBackend } from '../../gateway/sockets/node-backend.js'
import { testWith } from './needs.js'

const { backend } = loadBackend((process.env['GLASSBOOK_SOCKETS'] ?? 'auto') as SocketsSetting)

/** Whether it is native, and not `ws` with node:http. */
export const isNative = backend !== nodeBackend

/** `test`, for tests of several gateway threads on one port. */
export const testWithThreads = testWith('a server of sockets whose threads share a port', backend.sharesPorts)
