import { z } from 'zod'
import type { Detail } from '../domain/message-parts.ts'
import { Prisma } from './generated/client.ts'

/** A row as it comes from a raw query: anything, until a reader below has looked at it. */
export type Row = Readonly<Record<string, unknown>>

/**
 * A time as epoch milliseconds. Prisma's adapter drops the zone of a `timestamptz` that it reads,
 * so only a number is right whatever the session's time zone is.
 */
export function millis(expression: string): Prisma.Sql {
  return Prisma.raw(`(extract(epoch FROM ${expression}) * 1000)::double precision`)
}

/** A time as a parameter, with its zone. Cast it: `${iso(at)}::timestamptz`. */
export function iso(at: Date | null): string | null {
  return at?.toISOString() ?? null
}

export function text(row: Row, name: string): string {
  const value = row[name]
  return typeof value === 'string' ? value : unexpected(name, value, 'text')
}

export function textOrNull(row: Row, name: string): string | null {
  return row[name] === null ? null : text(row, name)
}

/** A number of any SQL type but `numeric`. */
export function number(row: Row, name: string): number {
  const value = row[name]
  if (typeof value === 'bigint') return Number(value)
  return typeof value === 'number' ? value : unexpected(name, value, 'a number')
}

export function numberOrNull(row: Row, name: string): number | null {
  return row[name] === null ? null : number(row, name)
}

export function flag(row: Row, name: string): boolean {
  const value = row[name]
  return typeof value === 'boolean' ? value : unexpected(name, value, 'true or false')
}

/** A column made by {@link millis}. */
export function time(row: Row, name: string): Date {
  return new Date(Math.round(number(row, name)))
}

export function timeOrNull(row: Row, name: string): Date | null {
  return row[name] === null ? null : time(row, name)
}

const JsonObject = z.record(z.string(), z.unknown())

/** The details of a code. What is no object is none: a newer version may store other things. */
export function detailOf(value: unknown): Detail | null {
  return JsonObject.safeParse(value).data ?? null
}

export function detailOrNull(row: Row, name: string): Detail | null {
  return detailOf(row[name])
}

export function oneOf<T extends string>(values: readonly T[], row: Row, name: string): T {
  return values.find((value) => value === row[name]) ?? unexpected(name, row[name], values.join(', '))
}

export function unexpected(name: string, value: unknown, expected: string): never {
  throw new Error(`column ${name} of a database row holds ${typeof value}, expected ${expected}`)
}

/** The items whose place in the list, column `n`, is in the rows. */
export function chosen<T>(items: readonly T[], rows: readonly Row[]): Set<T> {
  return new Set(rows.map((row) => items[number(row, 'n')] ?? unexpected('n', row['n'], 'a place in the list')))
}
