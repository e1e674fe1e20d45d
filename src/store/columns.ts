import { z } from 'zod'
import type { Detail } from '../domain/message-parts.ts'
import { Prisma } from './generated/client.ts'

/** A row as a raw statement returns it: nothing is known of it before it is decoded. */
export type Row = Readonly<Record<string, unknown>>

/**
 * A column of a table or view, and its value in TypeScript. A map of columns, by the names that the values have in TypeScript, gives the select
 * list, the arguments of `unnest`, the SET list and the decoding of a row, so a new column is one line.
 */
export interface Column<T> {
  /** In SQL. */
  readonly name: string
  /** The SQL type of a parameter. */
  readonly type: string
  /** True: read as epoch milliseconds. Prisma's adapter drops the zone of a `timestamptz`, so only a number is right in every session. */
  readonly isTime: boolean
  /** The value as a parameter. */
  encode(value: T): unknown
  /** @throws Error where the database holds something else */
  decode(value: unknown): T
}

export type Columns = Readonly<Record<string, Column<unknown>>>

/** A row of a map of columns. */
export type Decoded<C extends Columns> = { readonly [Key in keyof C]: C[Key] extends Column<infer T> ? T : never }

// Kinds of columns ---------------------------------------------------------------------------------------------------------

function scalar<T>(name: string, type: string, expected: string, matches: (value: unknown) => value is T): Column<T> {
  return {
    name,
    type,
    isTime: false,
    encode: (value) => value,
    decode: (value) => (matches(value) ? value : unexpected(name, value, expected)),
  }
}

export function text(name: string): Column<string> {
  return scalar(name, 'text', 'text', (value) => typeof value === 'string')
}

export function texts(name: string): Column<readonly string[]> {
  return scalar(name, 'text[]', 'a list of texts', (value) => Array.isArray(value) && value.every((each) => typeof each === 'string'))
}

export function flag(name: string): Column<boolean> {
  return scalar(name, 'boolean', 'true or false', (value) => typeof value === 'boolean')
}

export function integer(name: string): Column<number> {
  return numeric(name, 'integer')
}

export function integers(name: string): Column<readonly number[]> {
  return scalar(name, 'integer[]', 'a list of numbers', (value): value is readonly number[] =>
    Array.isArray(value) ? value.every((item) => typeof item === 'number') : false,
  )
}

/** Up to 2^53. */
export function bigint(name: string): Column<number> {
  return numeric(name, 'bigint')
}

export function double(name: string): Column<number> {
  return numeric(name, 'double precision')
}

function numeric(name: string, type: string): Column<number> {
  const column = scalar(name, type, 'a number', (value) => typeof value === 'number')
  return { ...column, decode: (value) => column.decode(typeof value === 'bigint' ? Number(value) : value) }
}

export function time(name: string): Column<Date> {
  const ms = double(name)
  return {
    name,
    type: 'timestamptz',
    isTime: true,
    encode: (at) => at.toISOString(),
    decode: (value) => new Date(Math.round(ms.decode(value))),
  }
}

export function oneOf<T extends string>(name: string, values: readonly T[]): Column<T> {
  return scalar(name, 'text', values.join(', '), (value): value is T => values.some((known) => known === value))
}

export function textList(name: string): Column<readonly string[]> {
  return scalar(name, 'text[]', 'a list of texts', (value): value is readonly string[] =>
    Array.isArray(value) ? value.every((item) => typeof item === 'string') : false,
  )
}

/** @param parse takes what the driver has read from the JSON */
export function json<T>(name: string, parse: (value: unknown) => T): Column<T> {
  return { name, type: 'jsonb', isTime: false, encode: (value) => JSON.stringify(value), decode: parse }
}

const JsonObject = z.record(z.string(), z.unknown())

/** The details of a code. What is no object is null: a newer version may store other things. */
export function detail(name: string): Column<Detail | null> {
  return nullable(json(name, (value) => JsonObject.safeParse(value).data ?? null))
}

export function nullable<T>(column: Column<T>): Column<T | null> {
  return {
    ...column,
    encode: (value) => (value === null ? null : column.encode(value)),
    decode: (value) => (value === null ? null : column.decode(value)),
  }
}

// What a map gives ---------------------------------------------------------------------------------------------------------

export interface SelectOptions {
  /** The alias of the table. Default: none. */
  readonly from?: string
  /** Goes before the names of the result, for rows of several tables; {@link decodeRow} needs it too. Default: none. */
  readonly prefix?: string
}

/** The select list. The result has the names of TypeScript, so that ORDER BY still means the columns of the table. */
export function selectList(columns: Columns, { from, prefix = '' }: SelectOptions = {}): Prisma.Sql {
  return list(columns, (key, column) => `${readable(column, from)} AS "${prefix}${key}"`)
}

/** The columns as one JSON array, for `json_agg`. See {@link decodeArrays}. */
export function jsonArray(columns: Columns, from?: string): Prisma.Sql {
  return Prisma.sql`json_build_array(${list(columns, (_, column) => readable(column, from))})`
}

/** `unnest(…) AS alias (names)`: the rows as a table, a parameter for each column. */
export function unnest<C extends Columns>(columns: C, rows: readonly Decoded<C>[], alias: string): Prisma.Sql {
  const parameters = Object.entries(columns).map(
    ([key, column]) => Prisma.sql`${arrayText(rows.map((row) => column.encode(row[key])))}::${Prisma.raw(column.type)}[]`,
  )
  return Prisma.sql`unnest(${Prisma.join(parameters)}) AS ${Prisma.raw(alias)} (${names(columns)})`
}

const SPECIAL = /["\\]/

/**
 * A list of values as PostgreSQL writes one. `pg` would make the same text, at three times the cost: it searches each number for quotation marks. Lists in
 * the list are left to it.
 */
function arrayText(values: readonly unknown[]): unknown {
  const items: string[] = []
  for (const value of values) {
    if (value === null || value === undefined) items.push('NULL')
    else if (typeof value === 'string') items.push(`"${SPECIAL.test(value) ? value.replaceAll(/["\\]/g, String.raw`\$&`) : value}"`)
    else if (typeof value === 'number' || typeof value === 'boolean') items.push(String(value))
    else return values
  }
  return `{${items.join(',')}}`
}

/** The names in SQL, as `INSERT` takes them. */
export function names(columns: Columns, from?: string): Prisma.Sql {
  return list(columns, (_, { name }) => qualified(name, from))
}

/** `name = from.name, …`, for `UPDATE … SET`. */
export function assignments(columns: Columns, from: string): Prisma.Sql {
  return list(columns, (_, { name }) => `${name} = ${qualified(name, from)}`)
}

/** @throws Error where a column holds something else */
export function decodeRow<C extends Columns>(columns: C, row: Row, prefix = ''): Decoded<C> {
  return decode(columns, (_, name) => row[name], prefix)
}

/** The rows that `json_agg` made of {@link jsonArray}. Of no rows it makes null. */
export function decodeArrays<C extends Columns>(columns: C, value: unknown): Array<Decoded<C>> {
  const places = new Map(Object.keys(columns).map((key, place) => [key, place]))
  return decodeList(value ?? []).map((row) => {
    const values = decodeList(row)
    return decode(columns, (key) => values[places.get(key) ?? -1], '')
  })
}

function decodeList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : unexpected('json_agg', value, 'lists')
}

interface Entry {
  readonly key: string
  /** In a row: with its prefix. */
  readonly name: string
  readonly column: Column<unknown>
}

/** By map and prefix. To list a map anew for each row took as long as to decode the row. */
const entriesOf = new WeakMap<Columns, Map<string, readonly Entry[]>>()

function entries(columns: Columns, prefix: string): readonly Entry[] {
  const known = entriesOf.get(columns)?.get(prefix)
  if (known !== undefined) return known
  const made = Object.entries(columns).map(([key, column]) => ({ key, name: prefix + key, column }))
  entriesOf.set(columns, new Map([...(entriesOf.get(columns) ?? []), [prefix, made]]))
  return made
}

function decode<C extends Columns>(columns: C, valueOf: (key: string, name: string) => unknown, prefix: string): Decoded<C> {
  const decoded: Record<string, unknown> = {}
  for (const { key, name, column } of entries(columns, prefix)) decoded[key] = column.decode(valueOf(key, name))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys are those of the map, and all are there
  return decoded as Decoded<C>
}

function list(columns: Columns, each: (key: string, column: Column<unknown>) => string): Prisma.Sql {
  return Prisma.raw(
    Object.entries(columns)
      .map(([key, column]) => each(key, column))
      .join(', '),
  )
}

function readable(column: Column<unknown>, from: string | undefined): string {
  const reference = qualified(column.name, from)
  return column.isTime ? epochMs(reference) : reference
}

export function epochMs(expression: string): string {
  return `(extract(epoch FROM ${expression}) * 1000)::double precision`
}

function qualified(name: string, from: string | undefined): string {
  return from === undefined ? name : `${from}.${name}`
}

export function unexpected(name: string, value: unknown, expected: string): never {
  throw new Error(`column ${name} of a database row holds ${typeof value}, expected ${expected}`)
}

const PLACE = { n: integer('n') }

/** The items whose place in the list, column `n`, is in the rows. */
export function chosen<T>(items: readonly T[], rows: readonly Row[]): Set<T> {
  return new Set(
    rows.map((row) => {
      const { n } = decodeRow(PLACE, row)
      return items[n] ?? unexpected('n', n, 'a place in the list')
    }),
  )
}
