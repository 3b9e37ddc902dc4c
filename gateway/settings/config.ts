/**
 * Settings of a gateway: one schema for file, environment and flags. A flag wins over the environment,
 * the environment over the file, the file over the default; an unknown or impossible setting is an error
 * that names it. Defaults are here and nowhere else.
 */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { MESSAGE_BYTES_MAX } from '../limits.js'
import { hint } from './nearest.js'
import { allowedBy, shownParam, valueAt } from '../protocol/param-refusals.js'

const count = (fallback: number, about: string) => z.int().min(1).max(1e9).default(fallback).describe(about)
const rate = (perSecond: number, burst: number, about: string) =>
  z
    .strictObject({ perSecond: count(perSecond, 'tokens a second'), burst: count(burst, 'tokens at most') })
    .default({ perSecond, burst })
    .describe(about)

export const gatewayConfigSchema = z.strictObject({
  host: z
    .string()
    // The server takes it, and then listens nowhere.
    .min(1, 'is empty; give an address, such as 127.0.0.1')
    .default('127.0.0.1')
    .describe('address to listen on'),
  port: z.int().min(0).max(65535).default(9001).describe('TCP port; 0 = any free one'),
  threads: z.int().min(1).max(32).default(1).describe('gateway threads that share the port'),
  sockets: z
    .enum(['auto', 'uws', 'ws'], {
      error: ({ input }) => `is ${shownParam(input)}, no such server; it must be one of auto, uws, ws`,
    })
    .default('auto')
    .describe(
      'what speaks WebSocket and HTTP: uws = the native uWebSockets.js, ws = ws and node:http, auto = uws where it fits this Node',
    ),
  requireSignedFrames: z
    .boolean()
    .default(true)
    .describe('false = unsigned frames are taken too, on sessions that are logged on'),
  allowedOrigins: z
    .array(z.string())
    .default([])
    .describe('values of the Origin header that may connect; empty = any'),
  corsOrigins: z
    .array(z.string())
    .default([])
    .describe('origins whose pages may read public data over HTTP; * = any, empty = none'),
  metricsPort: z
    .int()
    .min(0)
    .max(65535)
    .default(0)
    .describe('port of /metrics alone, one more for each further gateway thread; 0 = on the gateway’s port'),
  messageBytesMax: z
    .int()
    .min(256)
    .max(MESSAGE_BYTES_MAX)
    .default(MESSAGE_BYTES_MAX)
    .describe('bytes of one client message, checked before decoding'),
  unsentBytesMax: count(4 << 20, 'unsent bytes at which a connection with private streams is closed'),
  conflateBytes: count(256 << 10, 'unsent bytes from which public streams are conflated'),
  idleTimeoutS: z
    .int()
    .min(2)
    .max(900)
    .default(60)
    .describe('seconds without a message or pong until a connection is closed; it is pinged at half of it'),
  connectionsPerIp: count(
    20_000,
    'open connections of one IP address, or of one IPv6 network of 64 bits; at most three quarters of what the system lets the process open',
  ),
  connectionsMax: count(
    64_000,
    'open connections of a gateway thread; fewer where the system lets the process open fewer files',
  ),
  unsentBytesSumMax: count(
    512 << 20,
    'unsent bytes of all connections of a thread; beyond, those that read least are closed',
  ),
  connectionsPerAccount: count(1000, 'connections on which one account is logged on'),
  subscriptionsPerIp: count(50_000, 'streams of all connections of one address'),
  proofsPerIp: count(64, 'proofs that one address waits for'),
  framesInFlightMax: count(256, 'unanswered frames of one connection; twice as many where they only cancel'),
  subscriptionsMax: count(256, 'streams of one connection'),
  openOrdersMax: count(100_000, 'live orders of one account'),
  malformedMax: count(10, 'messages that cannot be read before a connection is closed'),
  fillsKept: count(1 << 17, 'fills kept for answers and resuming; each account has its share'),
  historyRebuildCommandsMax: count(
    20_000_000,
    'commands of the journal that a start replays at most, where files of history lack something',
  ),
  streamEventsKept: count(4096, 'events of a stream kept for clients that come back'),
  streamBytesKept: count(1 << 20, 'bytes of a stream’s events kept for clients that come back'),
  streamBytesMax: count(256 << 20, 'bytes of events that all streams of a thread keep together'),
  streamIdleS: count(300, 'seconds that a private stream is kept after its last follower left'),
  requestRate: rate(200, 2000, 'requests of one account, or of one address before logon, by weight'),
  orderRate: rate(10_000, 20_000, 'orders placed and amended by one account'),
  cancelRate: rate(20_000, 40_000, 'cancels of one account; a cancel-all counts as one'),
  connectRate: rate(1000, 20_000, 'connections opened from one address'),
  ipRequestRate: rate(10_000, 100_000, 'requests of all accounts of one address, by weight'),
  messageRate: rate(20_000, 40_000, 'messages of one connection, whatever they say'),
  ipMessageRate: rate(100_000, 200_000, 'messages of all connections of one address'),
  ipByteRate: rate(32 << 20, 64 << 20, 'bytes of messages of one address'),
  frameByteRate: rate(4 << 20, 8 << 20, 'bytes of one account’s frames'),
  refusalRate: rate(
    100,
    500,
    'refusals of one connection; beyond, it is closed; a bad signature counts as 50',
  ),
  ipRefusalRate: rate(1000, 2000, 'refusals of one address'),
  ipOffenceRate: rate(1, 8, 'connections of one address closed for refusals; beyond, it is kept out'),
  keptOutS: z.int().min(1).max(3600).default(10).describe('seconds that an address is kept out'),
  ipOrderRate: rate(100_000, 200_000, 'orders placed and amended by all accounts of one address'),
})
export type GatewayConfig = z.output<typeof gatewayConfigSchema>

/** Settings that cannot be used; each line of the message names one and says why. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/**
 * Settings with every default filled in.
 * @throws ConfigError naming each setting that is unknown or out of range, by what gave it where that is known.
 */
export function gatewayConfig(settings: unknown = {}, givenBy: GivenBy = new Map()): GatewayConfig {
  const parsed = gatewayConfigSchema.safeParse(settings)
  if (parsed.success) return parsed.data
  throw new ConfigError(
    parsed.error.issues.flatMap((issue) => problemsOf(issue, settings, givenBy)).join('\n'),
  )
}

/** The flag or variable that gave a setting, by the setting's path: what its giver knows it by. */
type GivenBy = ReadonlyMap<string, string>

/** One line for each setting that an issue names. */
function problemsOf(issue: z.core.$ZodIssue, settings: unknown, givenBy: GivenBy): string[] {
  const place = givenBy.get(issue.path.join('.')) ?? ['gateway', ...issue.path].join('.')
  if (issue.code !== 'unrecognized_keys') {
    const allowed = allowedAt(issue.path)
    if (allowed === undefined) return [`${place}: ${issue.message}`]
    return [`${place}: is ${shownParam(valueAt(settings, issue.path))}; it must be ${allowed}`]
  }
  const known = settingPaths().map(({ path }) => ['gateway', ...path].join('.'))
  const groups = known.map((name) => name.slice(0, name.lastIndexOf('.')))
  return issue.keys.map((key) => {
    const name = `${place}.${key}`
    return `${name}: no such setting${hint(name, [...known, ...groups])}`
  })
}

/** What a number or a switch at `path` may be; undefined = its schema has its own words. */
function allowedAt(path: readonly PropertyKey[]): string | undefined {
  const schema = z.toJSONSchema(gatewayConfigSchema, { io: 'input' })
  const at = valueAt(
    schema,
    path.flatMap((name) => ['properties', name]),
  ) as Readonly<Record<string, unknown>> | null
  return at?.['type'] === 'integer' || at?.['type'] === 'boolean' ? allowedBy(at) : undefined
}

/** Paths of all settings, such as `orderRate.burst`, with what their values are and what they are for. */
function settingPaths(): { path: string[]; kind: 'number' | 'boolean' | 'text' | 'list'; about: string }[] {
  const describe = (schema: z.ZodType, path: string[], group: string[]): ReturnType<typeof settingPaths> => {
    const about = [...group, ...(schema.description === undefined ? [] : [schema.description])]
    const inner = schema instanceof z.ZodDefault ? (schema.unwrap() as z.ZodType) : schema
    if (inner instanceof z.ZodObject) {
      return Object.entries(inner.shape as Record<string, z.ZodType>).flatMap(([name, child]) =>
        describe(child, [...path, name], about),
      )
    }
    const kind =
      inner instanceof z.ZodBoolean
        ? 'boolean'
        : inner instanceof z.ZodArray
          ? 'list'
          : inner instanceof z.ZodString || inner instanceof z.ZodEnum
            ? 'text'
            : 'number'
    return [{ path, kind, about: about.join(': ') }]
  }
  return describe(gatewayConfigSchema, [], [])
}

const snake = (path: readonly string[]): string =>
  path.map((name) => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()).join('_')
const kebab = (path: readonly string[]): string =>
  path.map((name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)).join('-')

const VARIABLE_PREFIX = 'GLASSBOOK_GATEWAY_'
const variableOf = (path: readonly string[]): string => `${VARIABLE_PREFIX}${snake(path)}`
const flagOf = (path: readonly string[]): string => `gateway-${kebab(path)}`

export interface SettingName {
  readonly setting: string
  readonly variable: string
  readonly flag: string
  readonly about: string
}

/** Environment variable and flag of every setting, for help texts. */
export function settingNames(): SettingName[] {
  return settingPaths().map(({ path, about }) => ({
    setting: path.join('.'),
    variable: variableOf(path),
    flag: `--${flagOf(path)}`,
    about,
  }))
}

function put(settings: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [name, ...rest] = path
  if (rest.length === 0) {
    settings[name!] = value
    return
  }
  const inner = (settings[name!] ??= {}) as Record<string, unknown>
  put(inner, rest, value)
}

/** A setting's text as a value of its kind; what is no such value is left as text, for the schema to name. */
function valueOf(kind: ReturnType<typeof settingPaths>[number]['kind'], text: string): unknown {
  if (kind === 'number') return /^-?[0-9]+$/.test(text) ? Number(text) : text
  if (kind === 'boolean') return text === 'true' ? true : text === 'false' ? false : text
  if (kind === 'list') return text === '' ? [] : text.split(',')
  return text
}

export interface ConfigSources {
  /** JSON file with a `gateway` object. */
  readonly file?: string | undefined
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Values by flag, without dashes; flags that are no settings are left alone. */
  readonly flags?: Readonly<Record<string, unknown>>
}

/**
 * Settings from all their sources.
 * @throws ConfigError naming the file, variable or flag that cannot be used.
 */
export function loadGatewayConfig({ file, environment = {}, flags = {} }: ConfigSources): GatewayConfig {
  const settings: Record<string, unknown> = file === undefined ? {} : readConfigFile(file)
  const paths = settingPaths()
  refuseUnknownVariables(environment)
  const givenBy = new Map<string, string>()
  for (const { path, kind } of paths) {
    const [flag, variable] = [flagOf(path), variableOf(path)]
    const text = flags[flag] ?? environment[variable]
    if (typeof text !== 'string') continue
    const isFlag = flags[flag] !== undefined
    if (!isFlag && text === '' && kind !== 'list')
      throw new ConfigError(`${variable} is empty: give it a value, or unset it`)
    givenBy.set(path.join('.'), isFlag ? `--${flag}` : variable)
    put(settings, path, valueOf(kind, text))
  }
  return gatewayConfig(settings, givenBy)
}

/** A setting that is mistyped would be left at its default, and nobody would know. */
function refuseUnknownVariables(environment: Readonly<Record<string, string | undefined>>): void {
  const known = settingNames().map(({ variable }) => variable)
  const unknown = Object.keys(environment).filter(
    (name) => name.startsWith(VARIABLE_PREFIX) && !known.includes(name),
  )
  if (unknown.length === 0) return
  throw new ConfigError(
    unknown
      .map(
        (name) =>
          `${name}: no setting has this variable${hint(name, known)}; "glassbook config names" lists them`,
      )
      .join('\n'),
  )
}

/** Sections of a file of settings: only the gateway has any. */
const SECTIONS = ['gateway']

/** The `gateway` section, checked, so that what is wrong in the file is told with the file's name. */
function readConfigFile(file: string): Record<string, unknown> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError(
      `${file}: ${(error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : 'cannot be read'}`,
    )
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new ConfigError(`${file}: ${(error as Error).message}`)
  }
  if (!isObject(value)) throw new ConfigError(`${file}: not an object with a section "gateway"`)
  for (const name of Object.keys(value))
    if (!SECTIONS.includes(name))
      throw new ConfigError(
        `${file}: ${name}: no such section${hint(name, SECTIONS)}; allowed: ${SECTIONS.join(', ')}`,
      )
  const section = value['gateway'] ?? {}
  if (!isObject(section)) throw new ConfigError(`${file}: gateway: not an object of settings`)
  try {
    gatewayConfig(section)
  } catch (error) {
    throw new ConfigError(`${file}: ${(error as Error).message}`)
  }
  return section
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
