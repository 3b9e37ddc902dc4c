/**
 * Settings of a gateway and their one schema. Defaults are here and nowhere else.
 */
import { z } from 'zod'
import { FRAME_BYTES_MAX } from '../engine/limits.js'

const count = (fallback: number, about: string) => z.int().min(1).max(1e9).default(fallback).describe(about)

export const gatewayConfigSchema = z.strictObject({
  host: z.string().default('127.0.0.1').describe('address to listen on'),
  port: z.int().min(0).max(65535).default(9001).describe('TCP port; 0 = any free one'),
  threads: z.int().min(1).max(32).default(1).describe('gateway threads that share the port'),
  requireSignedFrames: z
    .boolean()
    .default(true)
    .describe('false = a private venue that takes unsigned frames on sessions that are logged on'),
  allowedOrigins: z
    .array(z.string())
    .default([])
    .describe('values of the Origin header that may connect; empty = any'),
  messageBytesMax: z
    .int()
    .min(256)
    .max(FRAME_BYTES_MAX)
    .default(FRAME_BYTES_MAX)
    .describe('bytes of one client message, checked before decoding'),
  unsentBytesMax: count(4 << 20, 'unsent bytes at which a connection with private streams is closed'),
  conflateBytes: count(256 << 10, 'unsent bytes from which public streams are conflated'),
  idleTimeoutS: z.int().min(8).max(960).default(60).describe('seconds without a message or pong'),
  connectionsPerIp: count(20_000, 'open connections of one IP address'),
  framesInFlightMax: count(256, 'unanswered frames of one connection'),
  subscriptionsMax: count(256, 'streams of one connection'),
  malformedMax: count(10, 'messages that are no messages before a connection is closed'),
  fillsKept: count(1 << 17, 'fills kept in memory for answers and resuming'),
  streamEventsKept: count(4096, 'events of a stream kept for clients that come back'),
})
export type GatewayConfig = z.output<typeof gatewayConfigSchema>

/**
 * Settings with every default filled in.
 * @throws ZodError naming each setting that is unknown or out of range.
 */
export function gatewayConfig(settings: unknown = {}): GatewayConfig {
  return gatewayConfigSchema.parse(settings)
}
