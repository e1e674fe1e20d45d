import { InvalidInputError } from '../../domain/errors.ts'
import { FILE_PAGE } from '../../report/all-pages.ts'
import { DEFAULT_PAGE, MAX_PAGE, type Page, type PageFilter } from '../../report/rates.ts'

/** The rows of a page and one more, which shows whether there is another page. */
export interface Slice {
  readonly limit: number
  /** The last row of the page before, as texts; null on the first page. */
  readonly after: readonly string[] | null
}

/**
 * @param keys what a cursor of this list holds, checked one by one
 * @throws {InvalidInputError}
 */
export function parseSlice(
  { limit = DEFAULT_PAGE, cursor }: PageFilter,
  list: string,
  keys: ReadonlyArray<(text: string) => boolean>,
): Slice {
  const isOfFile = limit === FILE_PAGE
  if (!isOfFile && (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE)) {
    throw new InvalidInputError('limit', `limit must be a whole number from 1 to ${MAX_PAGE}, not ${limit}.`)
  }
  if (cursor === undefined) return { limit, after: null }
  const [name, ...after] = decoded(cursor)
  if (name !== list || after.length !== keys.length || !keys.every((isValid, i) => isValid(after[i] ?? ''))) {
    throw new InvalidInputError(
      'cursor',
      'cursor is not one of this list. Take nextCursor of the page before, or leave it out for the first page.',
    )
  }
  return { limit, after }
}

/** @param rows one more than the limit where there is another page */
export function buildPage<Item>(
  rows: readonly Item[],
  { limit }: Slice,
  list: string,
  keysOf: (item: Item) => readonly string[],
): Page<Item> {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items, nextCursor: rows.length <= limit || last === undefined ? null : encodeCursor([list, ...keysOf(last)]) }
}

/** A text of one line without characters that need quoting. Its content may change in any version. */
export function encodeCursor(keys: readonly string[]): string {
  return Buffer.from(JSON.stringify(keys)).toString('base64url')
}

/** What a cursor holds behind the name of its list; null: there is none, or it is of another list. */
export function parseCursor({ cursor }: PageFilter, list: string): [string, ...string[]] | null {
  const [name, first, ...keys] = cursor === undefined ? [] : decoded(cursor)
  return name === list && first !== undefined && [first, ...keys].every(isText) ? [first, ...keys] : null
}

function decoded(cursor: string): string[] {
  try {
    const keys: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    return Array.isArray(keys) && keys.every((key): key is string => typeof key === 'string') ? keys : []
  } catch {
    return []
  }
}

export function isTime(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text) && !Number.isNaN(Date.parse(text))
}

/** PostgreSQL has no text with NUL in it. */
export function isText(text: string): boolean {
  return text !== '' && !text.includes('\0')
}
