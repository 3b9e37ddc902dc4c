/**
 * Why the params of a method were refused: the name of the param, the value that came, what is allowed. The checks
 * are the schema's; its own words speak of positions and of types of a library. Called by requests.ts and http.ts.
 */
import type { z } from 'zod'
import type { Method } from '../../sdk/wire/layout.js'
import { paramNames } from '../../sdk/wire/positions.js'
import { type MethodSchema, methods } from '../../sdk/wire/schema.js'
import { SHOWN_CHARACTERS_MAX } from '../limits.js'
import { jsonSchema } from './documents.js'

type Json = Readonly<Record<string, unknown>>
type Issue = z.core.$ZodIssue

/** A value in a message, which a stranger chose: never long. */
export function shownParam(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, SHOWN_CHARACTERS_MAX))
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (value instanceof Uint8Array) return `${value.length} bytes`
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}

/** JSON Schema of each method's params, made when first asked for: refusals are asked for by strangers, often. */
const schemas = new Map<Method, Json>()

function schemaOf(method: Method): Json {
  let schema = schemas.get(method)
  if (schema === undefined)
    schemas.set(method, (schema = jsonSchema((methods[method] as MethodSchema).params)))
  return schema
}

/** What the schema at `path` allows, in words; undefined = it has no plain words. */
function allowedAt(method: Method, path: readonly PropertyKey[]): string | undefined {
  let at: Json | undefined = schemaOf(method)
  for (const part of path)
    at = (
      typeof part === 'number'
        ? ((at?.['prefixItems'] as Json[] | undefined)?.[part] ?? at?.['items'])
        : (at?.['properties'] as Json | undefined)?.[String(part)]
    ) as Json | undefined
  return at === undefined ? undefined : allowedBy(at)
}

/** What a JSON Schema allows, in words; undefined = it has no plain words. */
export function allowedBy(at: Json): string | undefined {
  if (Array.isArray(at['anyOf'])) {
    const texts = (at['anyOf'] as Json[]).map(allowedBy)
    return texts.includes(undefined) ? undefined : texts.join(', or ')
  }
  if (at['type'] === 'integer') {
    const max = at['maximum'] === Number.MAX_SAFE_INTEGER ? '2^53 - 1' : String(at['maximum'])
    return `a whole number from ${String(at['minimum'])} to ${max}`
  }
  if (Array.isArray(at['enum'])) return `one of ${at['enum'].join(', ')}`
  if (at['type'] === 'boolean') return 'true or false'
  if (typeof at['pattern'] === 'string')
    return `${String(at['description'] ?? 'text')} of the form ${at['pattern']}`
  if (typeof at['maxLength'] === 'number') return `text of at most ${at['maxLength']} characters`
  if (at['type'] === 'object')
    return `an object of ${Object.keys((at['properties'] ?? {}) as Json).join(', ')}`
  if (typeof at['description'] === 'string') return at['description']
  return at['type'] === 'array' ? 'an array' : undefined
}

/** The name of what stands at `path`: fields of an object of options go by their own names. */
function nameOf(method: Method, path: readonly PropertyKey[]): string {
  const [position, ...inside] = path
  const name = paramNames[method][position as number] ?? String(position)
  const parts = name === 'options' && inside.length > 0 ? inside : [name, ...inside]
  return ['params', ...parts.map(String)].join('.')
}

/** Value of `params` at `path`. */
export const valueAt = (params: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (value, part) => (value as Record<PropertyKey, unknown> | null | undefined)?.[part],
    params,
  )

/** One sentence for `issue`, which the schema of `method` has with `params`. */
export function paramRefusal(method: Method, params: unknown, issue: Issue | undefined): string {
  const names = paramNames[method]
  const takes = names.length === 0 ? 'none' : names.join(', ')
  if (issue === undefined) return 'params: not valid'
  const { path } = issue
  if (path.length === 0) {
    const found = Array.isArray(params) ? `an array of ${params.length}` : shownParam(params)
    return `params: is ${found}, but ${method} takes an array of: ${takes}`
  }
  const name = nameOf(method, path)
  // Words of our own readers, which name value and bound.
  if (issue.code === 'custom') return `${name}: ${issue.message}`
  if (issue.code === 'unrecognized_keys') {
    const allowed = allowedAt(method, path)
    return `${name}: has no field ${issue.keys.map((key) => JSON.stringify(key.slice(0, 40))).join(', ')}${allowed === undefined ? '' : `; it is ${allowed}`}`
  }
  const value = valueAt(params, path)
  const found = value === undefined ? 'is missing' : `is ${shownParam(value)}`
  return `${name}: ${found}; it must be ${allowedAt(method, path) ?? issue.message}`
}
