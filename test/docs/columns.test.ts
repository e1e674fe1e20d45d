import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { textOf } from './support/pages.ts'

/** The tables of docs/queries.md are the comments of the database, word for word. A comment that begins so is nobody's business. */
const INTERNAL = 'Internal:%'

let database: TestDatabase
let client: pg.Client
beforeAll(async () => {
  database = await createTestDatabase({ migrated: true })
  client = new pg.Client({ connectionString: database.url })
  await client.connect()
})
afterAll(async () => {
  await client.end()
  await database.drop()
})

async function lines(sql: string): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(sql, [INTERNAL])
  return rows.map(({ line }) => line)
}

/** The page has each view under a heading of its own: its meaning, and a row for each column. */
const VIEWS = `
  SELECT format(E'### \`%s\`\\n\\n%s\\n\\n| column | type | meaning |\\n|---|---|---|\\n', relname, obj_description(view.oid, 'pg_class')) ||
    string_agg(format('| \`%s\` | %s | %s |', attname, format_type(atttypid, NULL), col_description(attrelid, attnum)), E'\\n' ORDER BY attnum) AS line
  FROM pg_class AS view JOIN pg_attribute ON attrelid = view.oid AND attnum > 0
  WHERE relnamespace = 'public'::regnamespace AND relkind = 'v' AND obj_description(view.oid, 'pg_class') NOT LIKE $1
  GROUP BY view.oid, relname ORDER BY relname`

const FUNCTIONS = `
  SELECT format('| \`%s(%s)\` | %s | %s |', proname, pg_get_function_identity_arguments(oid), pg_get_function_result(oid), obj_description(oid, 'pg_proc')) AS line
  FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND obj_description(oid, 'pg_proc') NOT LIKE $1 ORDER BY proname`

const reference = (): string[] =>
  textOf('docs/queries.md')
    .split(/^## What each column means$/m)[1]
    ?.split(/\n(?=### )/)
    .slice(1)
    .map((part) => part.trim()) ?? []

test('every public view and column is on the page with the words of its comment, and nothing else is', async () => {
  const views = await lines(VIEWS)
  expect(views.length).toBeGreaterThanOrEqual(8)
  expect(reference().slice(0, -1).toSorted()).toEqual(views)
})

test('so is every function that may be called', async () => {
  const functions = await lines(FUNCTIONS)
  const table = ['### Functions', '', '| call | gives | meaning |', '|---|---|---|', ...functions]
  expect(reference().at(-1)).toBe(table.join('\n'))
})
