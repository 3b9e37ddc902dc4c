/**
 * The protocol's documents, generated from the schema that the server validates with: OpenAPI 3.1 for
 * HTTP, AsyncAPI 3 for the WebSocket. Served at /v1/openapi.json and /v1/asyncapi.json.
 */
import { z } from 'zod'
import { type HttpEndpoint, httpEndpoints } from '../../sdk/wire/http.js'
import { Kind, type Method } from '../../sdk/wire/layout.js'
import { type NumberTable, type NumbersName, numbers } from '../../sdk/wire/numbers.js'
import { type EntryName, type Position, commandForms, entries, paramNames } from '../../sdk/wire/positions.js'
import { type MethodSchema, methods, streams } from '../../sdk/wire/schema.js'
import { PROTOCOL_VERSION, Subprotocol } from '../../sdk/wire/version.js'

type Json = Record<string, unknown>

const TITLE = 'Glassbook'
const VERSION = `${PROTOCOL_VERSION}.0.0`

/** JSON Schema of what a reader accepts; fields that travel differently in the two encodings say how. */
export function jsonSchema(schema: z.ZodType): Json {
  const document = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const meta = z.globalRegistry.get(zodSchema)
      const type = meta?.['glassbookType']
      if (typeof type === 'string') {
        for (const key of Object.keys(jsonSchema)) delete jsonSchema[key]
        Object.assign(jsonSchema, {
          type: type === 'cloid' ? ['string', 'integer'] : 'string',
          description: meta?.description,
        })
      }
    },
  }) as Json
  return named(document) as Json
}

/** Puts names to numbers and positions, where the schema says of which table they are. */
function named(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(named)
  if (typeof node !== 'object' || node === null) return node
  const { glassbookEntry, glassbookNumbers, ...rest } = node as Json
  const copy = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, named(value)]))
  if (typeof glassbookNumbers === 'string')
    return { ...copy, ...numberSchema(glassbookNumbers as NumbersName) }
  if (typeof glassbookEntry === 'string') {
    return {
      ...copy,
      prefixItems: titled(copy['prefixItems'] as Json[], entries[glassbookEntry as EntryName]),
    }
  }
  return copy
}

/** Elements of an array with the names of their positions. */
const titled = (items: readonly Json[], positions: readonly Position[]): Json[] =>
  positions.map(({ name, about, numbers }, index) => ({
    ...items[index],
    ...(numbers === undefined ? {} : numberSchema(numbers)),
    title: name,
    ...(about === '' || numbers !== undefined ? {} : { description: about }),
  }))

/** A whole number of a table, with the names of its values. */
function numberSchema(name: NumbersName): Json {
  const { about, codes, bits = false, orNone = false }: NumberTable = numbers[name]
  const named = Object.entries(codes)
    .map(([value, code]) => `${code} ${value}`)
    .join(', ')
  const description = `${about} ${named}`
  if (bits) return { type: 'integer', description }
  return {
    type: 'integer',
    enum: [...(orNone ? [0] : []), ...Object.values(codes)],
    'x-enum-varnames': [...(orNone ? ['None'] : []), ...Object.keys(codes)],
    description,
  }
}

/** All tables, for those who generate code. */
const numberTables = Object.fromEntries(Object.entries(numbers).map(([name, { codes }]) => [name, codes]))

/** JSON Schema of each command of a frame. */
const commandSchemas: Json[] = commandForms.map(({ kind, name, required, positions, about }) => ({
  type: 'array',
  title: name,
  description: about,
  minItems: required,
  maxItems: positions.length,
  prefixItems: titled(
    positions.map((position, index) =>
      index === 0 ? { const: kind } : { type: position.name === 'cloid' ? ['string', 'integer'] : 'integer' },
    ),
    positions,
  ),
}))

/** JSON Schema of a method's params, each with its name. */
export function paramsSchema(method: Method): Json {
  const schema = jsonSchema(methods[method].params as z.ZodType)
  const names = paramNames[method]
  const items = (schema['prefixItems'] ?? []) as Json[]
  return {
    ...schema,
    prefixItems: items.map((item, index) => ({ ...item, title: names[index] })),
  }
}

const errorSchema: Json = {
  type: 'object',
  required: ['code', 'name', 'message'],
  properties: {
    code: {
      type: 'integer',
      description:
        'Stable number: 1xxx transport, 2xxx authentication, 3xxx request, 4xxx order, 5xxx limits, 6xxx engine.',
    },
    name: { type: 'string' },
    message: { type: 'string' },
    retryAfter: { type: 'integer', description: 'Milliseconds after which it is worth trying again.' },
    details: {},
  },
}

/** Element `index` of a method's params. */
function paramSchema(method: Method, name: string, index: number): Json {
  const params = jsonSchema(methods[method].params as z.ZodType)
  const items = (params['prefixItems'] ?? []) as Json[]
  const first = items[0] as { properties?: Record<string, Json> } | undefined
  return first?.properties?.[name] ?? items[index] ?? {}
}

/** One operation of a path. */
function operation({ verb, path, method, query }: HttpEndpoint): Json {
  const { about, scope, result }: MethodSchema = methods[method]
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!)
  return {
    operationId: method,
    summary: about,
    // A body carries its own signature.
    ...(scope === 0 || verb === 'POST' ? {} : { security: [{ session: [] }] }),
    parameters: [
      ...inPath.map((name, index) => ({
        name,
        in: 'path',
        required: true,
        schema: paramSchema(method, name, index),
      })),
      ...query.map(({ name, fallback }, index) => ({
        name,
        in: 'query',
        required: fallback === undefined,
        schema: {
          ...paramSchema(method, name, inPath.length + index),
          ...(fallback === undefined ? {} : { default: fallback }),
        },
      })),
    ],
    ...(verb === 'GET' ? {} : { requestBody: { required: true, content: inBoth(paramsSchema(method)) } }),
    responses: {
      200: {
        description: about,
        content: verb === 'GET' ? inJson(jsonSchema(result)) : inBoth(jsonSchema(result)),
      },
      default: { description: 'refused', content: inJson({ $ref: '#/components/schemas/Error' }) },
    },
  }
}

const inJson = (schema: Json): Json => ({ 'application/json': { schema } })
const inBoth = (schema: Json): Json => ({ ...inJson(schema), 'application/msgpack': { schema } })

/** The OpenAPI 3.1 document. */
export function openApi(): Json {
  const paths: Record<string, Json> = {}
  for (const endpoint of httpEndpoints) {
    const { path, verb } = endpoint
    paths[path] = { ...paths[path], [verb.toLowerCase()]: operation(endpoint) }
  }
  return {
    openapi: '3.1.0',
    info: { title: TITLE, version: VERSION, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    paths,
    components: {
      schemas: {
        Error: errorSchema,
        Commands: { type: 'array', minItems: 1, items: { anyOf: commandSchemas } },
        ...Object.fromEntries(Object.keys(numbers).map((name) => [name, numberSchema(name as NumbersName)])),
      },
      securitySchemes: {
        session: {
          type: 'apiKey',
          in: 'header',
          name: 'Authorization',
          description: 'Glassbook ACCOUNT.APPROVAL.EXPIRES_MS.SIGNATURE, signed by the session key.',
        },
      },
    },
  }
}

const arrayOf = (description: string, ...prefixItems: Json[]): Json => ({
  type: 'array',
  description,
  prefixItems,
  minItems: prefixItems.length,
})
/** A component's key takes no braces and colons: `book:{market}` is `event.book.market`. */
const messageKey = (kind: string, stream: string): string =>
  `${kind}.${stream.replaceAll(':', '.').replaceAll(/[{}]/g, '')}`
const constant = (value: unknown): Json => ({ const: value })
const id: Json = { type: 'integer', minimum: 0, maximum: 2 ** 31 - 1 }
const whole: Json = { type: 'integer' }

/** The AsyncAPI 3 document. */
export function asyncApi(): Json {
  const messages: Record<string, Json> = {}
  for (const [method, schema] of Object.entries(methods) as [Method, MethodSchema][]) {
    messages[`request.${method}`] = {
      title: method,
      summary: schema.about,
      'x-scope': schema.scope,
      'x-weight': schema.weight,
      payload: arrayOf('request', constant(Kind.Request), id, constant(method), paramsSchema(method)),
    }
    messages[`result.${method}`] = {
      title: `answer to ${method}`,
      payload: arrayOf('result', constant(Kind.Result), id, jsonSchema(schema.result)),
    }
  }
  messages['error'] = {
    title: 'error',
    payload: arrayOf(
      'error',
      constant(Kind.Error),
      { type: ['integer', 'null'] },
      { type: 'integer' },
      errorSchema,
    ),
    'x-codes': { ...numbers.ErrorCode.codes, ...numbers.RejectCode.codes },
    'x-close-codes': numbers.CloseCode.codes,
  }
  for (const { name, about, data, snapshot } of streams) {
    messages[messageKey('event', name)] = {
      title: name,
      summary: about,
      payload: arrayOf('event', constant(Kind.Event), { type: 'string' }, whole, whole, jsonSchema(data)),
    }
    messages[messageKey('snapshot', name)] = {
      title: name,
      summary: about,
      payload: arrayOf(
        'snapshot',
        constant(Kind.Snapshot),
        { type: 'string' },
        whole,
        whole,
        jsonSchema(snapshot),
      ),
    }
  }
  messages['control'] = { title: 'control', payload: arrayOf('control', constant(Kind.Control), whole, {}) }
  messages['hello'] = {
    title: 'hello',
    payload: arrayOf(
      'hello',
      constant(Kind.Hello),
      whole,
      whole,
      whole,
      { type: 'string' },
      { type: 'object' },
    ),
  }
  const names = Object.keys(messages)
  const reference = (name: string): Json => ({ $ref: `#/channels/exchange/messages/${name}` })
  const sent = names.filter((name) => name.startsWith('request.'))
  return {
    asyncapi: '3.0.0',
    info: {
      title: TITLE,
      version: VERSION,
      'x-numbers': numberTables,
      'x-commands': commandSchemas,
      description: `One schema, two subprotocols: ${Object.values(Subprotocol).join(', ')}. Bytes are bin in MessagePack and unpadded base64url in JSON.`,
    },
    channels: {
      exchange: {
        address: '/',
        messages: Object.fromEntries(names.map((name) => [name, { $ref: `#/components/messages/${name}` }])),
        bindings: { ws: { method: 'GET' } },
      },
    },
    operations: {
      send: { action: 'send', channel: { $ref: '#/channels/exchange' }, messages: sent.map(reference) },
      receive: {
        action: 'receive',
        channel: { $ref: '#/channels/exchange' },
        messages: names.filter((name) => !sent.includes(name)).map(reference),
      },
    },
    components: { messages },
  }
}
