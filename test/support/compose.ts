import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'

/** What an operator has in `.env` or in the shell. */
export type Variables = Readonly<Record<string, string>>

const service = z.object({
  image: z.string(),
  user: z.string().optional(),
  command: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.union([z.string(), z.number(), z.null()])).default({}),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  healthcheck: z.object({ test: z.array(z.string()).default([]), disable: z.boolean().default(false) }),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  stop_grace_period: z.string().default('10s'),
  read_only: z.boolean().default(false),
  cap_drop: z.array(z.string()).default([]),
  security_opt: z.array(z.string()).default([]),
  restart: z.string(),
})
export type ComposeService = z.output<typeof service>

export const COMPOSE_TEXT = readFileSync(join(import.meta.dirname, '../../docker-compose.yml'), 'utf8')

export function readCompose(yaml: string = COMPOSE_TEXT): Record<string, unknown> {
  return z.record(z.string(), z.unknown()).parse(parse(yaml, { merge: true }))
}

const { services } = z.object({ services: z.record(z.string(), service) }).parse(readCompose())
export const SERVICES: Readonly<Record<string, ComposeService>> = services

/** @throws {Error} where the file has no such service */
export function composeService(name: string): ComposeService {
  const found = SERVICES[name]
  if (found === undefined) throw new Error(`docker-compose.yml has no service ${name}`)
  return found
}

/** What a service gets, as Docker Compose resolves it: a name without a value has that of the operator, or is left out. */
export function environmentOf(name: string, values: Variables): Record<string, string> {
  return Object.fromEntries(
    Object.entries(composeService(name).environment).flatMap(([key, value]) => {
      const resolved = value === null ? values[key] : interpolate(String(value), values)
      return resolved === undefined ? [] : [[key, resolved]]
    }),
  )
}

const EXPRESSION = /^\$\{(\w+)(:?[-?+])?/

/**
 * Replaces `$$`, `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:?message}`, `${NAME?message}` and `${NAME:+other}`, which may contain
 * each other. Source: the Compose specification, "Interpolation".
 * @throws {Error} as Docker Compose, with the message of a variable that is required
 */
export function interpolate(text: string, values: Variables): string {
  let result = ''
  for (let rest = text; rest !== ''; ) {
    const { value, length } = rest.startsWith('$') ? dollar(rest, values) : { value: rest.charAt(0), length: 1 }
    result += value
    rest = rest.slice(length)
  }
  return result
}

interface Part {
  readonly value: string
  /** Of the text that it stands for. */
  readonly length: number
}

function dollar(text: string, values: Variables): Part {
  if (text.startsWith('$$')) return { value: '$', length: 2 }
  const plain = /^\$(\w+)/.exec(text)
  if (plain !== null) return { value: values[plain[1] ?? ''] ?? '', length: plain[0].length }
  const [head, name = '', operator = ''] = EXPRESSION.exec(text) ?? []
  if (head === undefined) throw new Error(`no variable begins at ${text}`)
  const length = closingBrace(text) + 1
  const word = () => interpolate(text.slice(head.length, length - 1), values)
  return { value: valueOf(name, operator, word, values), length }
}

function valueOf(name: string, operator: string, word: () => string, values: Variables): string {
  const given = values[name]
  const isSet = operator.startsWith(':') ? given !== undefined && given !== '' : given !== undefined
  if (operator.endsWith('+')) return isSet ? word() : ''
  if (isSet || operator === '') return given ?? ''
  if (operator.endsWith('?')) throw new Error(`required variable ${name} is missing a value: ${word()}`)
  return word()
}

function closingBrace(text: string): number {
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    if (text.startsWith('${', i)) depth += 1
    else if (text[i] === '}' && --depth === 0) return i
  }
  throw new Error(`a brace is not closed in ${text}`)
}
