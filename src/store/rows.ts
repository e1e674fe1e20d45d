import type { Row } from './columns.ts'
import * as column from './columns.ts'
import { Prisma } from './generated/client.ts'

/** Single columns of a row, by their names in the result. Statements with a map of columns need none of these. */

/** A time as epoch milliseconds, for {@link time}. */
export function millis(expression: string): Prisma.Sql {
  return Prisma.raw(column.epochMs(expression))
}

export function text(row: Row, name: string): string {
  return column.text(name).decode(row[name])
}

export function textOrNull(row: Row, name: string): string | null {
  return row[name] === null ? null : text(row, name)
}

export function number(row: Row, name: string): number {
  return column.double(name).decode(row[name])
}

/** A column made by {@link millis}. */
export function time(row: Row, name: string): Date {
  return column.time(name).decode(row[name])
}

export function timeOrNull(row: Row, name: string): Date | null {
  return row[name] === null ? null : time(row, name)
}

export function oneOf<T extends string>(values: readonly T[], row: Row, name: string): T {
  return column.oneOf(name, values).decode(row[name])
}
