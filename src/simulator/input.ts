import type { z } from 'zod'
import { InvalidInputError } from '../domain/errors.ts'
import { quote, truncate } from '../domain/quote.ts'

/** A list that callers may give as a readonly one. Not zod's `readonly()`: it freezes what was given, which throws for a buffer. */
export function readonlyList<Input, Output>(list: z.ZodType<Output[], Input[]>): z.ZodType<readonly Output[], readonly Input[]> {
  return list
}

/** @throws {InvalidInputError} for the first field that is not what it must be; `remedy` ends the message */
export function parseInput<T>(schema: z.ZodType<T>, input: unknown, remedy: string): T {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  throw inputError(parsed.error.issues[0], input, remedy)
}

function inputError(issue: z.core.$ZodIssue | undefined, input: unknown, remedy: string): InvalidInputError {
  const path = issue?.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0] ?? ''] : (issue?.path ?? [])
  const field = path.join('.') || 'body'
  const message = issue?.code === 'unrecognized_keys' ? 'there is no such field' : (issue?.message ?? 'not accepted')
  // Apps and rotations hold secrets, which no message may repeat.
  const given = path[0] === 'apps' || path.at(-1) === 'appSecret' ? '' : `; given ${quoteJson(valueAt(input, path))}`
  return new InvalidInputError(field, `${field}: ${message}${given}; ${remedy}`)
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined), input)
}

/** A value in a message, cut. */
export function quoteJson(value: unknown): string {
  if (typeof value !== 'object') return quote(value)
  try {
    const text = JSON.stringify(value)
    return text.length > 80 ? `${truncate(text, 80)}…` : text
  } catch {
    // A value that JSON cannot write, such as a bigint.
    return quote(value)
  }
}
