import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { textOf } from './support/pages.ts'

const PAGE = 'docs/queries.md'
const HEADING = '## What each column means'
/** A comment that begins so is about something that no reader needs. */
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

/** Each view has a heading, its meaning and a row for each column; a view that is only the old name of another has no rows. */
const VIEWS = `
  SELECT relname AS name, format(E'### \`%s\`\\n\\n%s\\n', relname, comment) || CASE WHEN comment LIKE 'The old name of%' THEN '' ELSE
    E'\\n| column | type | meaning |\\n|---|---|---|\\n' ||
    string_agg(format(E'| \`%s\` | %s | %s |\\n', attname, format_type(atttypid, NULL), col_description(attrelid, attnum)), '' ORDER BY attnum) END AS text
  FROM pg_class AS view JOIN pg_attribute ON attrelid = view.oid AND attnum > 0 CROSS JOIN obj_description(view.oid, 'pg_class') AS comment
  WHERE relnamespace = 'dingtalk'::regnamespace AND relkind = 'v' AND comment NOT LIKE $1
  GROUP BY view.oid, relname, comment ORDER BY comment LIKE 'The old name of%', relname`

const FUNCTIONS = `
  SELECT E'### Functions\\n\\n| call | gives | meaning |\\n|---|---|---|\\n' || string_agg(format(E'| \`%s(%s)\` | %s | %s |\\n',
    proname, pg_get_function_identity_arguments(oid), pg_get_function_result(oid), obj_description(oid, 'pg_proc')), '' ORDER BY proname) AS text
  FROM pg_proc WHERE pronamespace = 'dingtalk'::regnamespace AND obj_description(oid, 'pg_proc') NOT LIKE $1`

test('docs/queries.md has every public view, column and function with its comment; "npx vitest run --project docs -u" writes them anew', async () => {
  const [prose = '', reference = ''] = textOf(PAGE).split(new RegExp(`(?<=^${HEADING}\\n)`, 'm'))
  const place = (name: string) => {
    const at = reference.indexOf(`### \`${name}\``)
    return at < 0 ? reference.length : at
  }
  const { rows: views } = await client.query<{ name: string; text: string }>(VIEWS, [INTERNAL])
  const { rows: functions } = await client.query<{ text: string }>(FUNCTIONS, [INTERNAL])
  expect(views.length).toBeGreaterThanOrEqual(8)
  // In the order of the page; a new view comes last.
  const sections = [...views.toSorted((a, b) => place(a.name) - place(b.name)), ...functions].map(({ text }) => `\n${text}`)
  await expect(
    `${prose}\nThe texts are the database's own comments. Times are those of your session's time zone when shown.\n${sections.join('')}`,
  ).toMatchFileSnapshot(`../../${PAGE}`)
})
