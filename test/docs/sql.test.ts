import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { sharedBlocksIn } from './support/pages.ts'
import { storeSample } from './support/sample.ts'

let database: TestDatabase
let client: pg.Client

beforeAll(async () => {
  database = await createTestDatabase({ migrated: true, searchPath: '"$user", public' })
  await storeSample(database.url)
  client = new pg.Client({ connectionString: database.url })
  await client.connect()
})
afterAll(async () => {
  await client.end()
  await database.drop()
})

const BLOCKS = sharedBlocksIn('sql')

test.each(BLOCKS.map(({ at, text }) => [at, text]))('%s: every statement runs and answers', async (_, text) => {
  // More than one statement in a query gives a list of results.
  const answers: pg.QueryResult | pg.QueryResult[] = await client.query(text)
  const results: pg.QueryResult[] = Array.isArray(answers) ? answers : [answers]
  expect(results).toHaveLength(statementsOf(text).length)
  for (const [i, statement] of statementsOf(text).entries()) expect(results[i]?.rows, statement).not.toEqual([])
})

test('who has not read is named, and who has is not', async () => {
  const who = BLOCKS.flatMap(({ text }) => statementsOf(text)).find((statement) => statement.includes('unread_as_of'))
  const { rows } = await client.query<{ user_id: string }>(who ?? '')
  const names = rows.map((row) => row.user_id)
  expect(names).toEqual(expect.arrayContaining(['carol', 'late-reader']))
  expect(names).not.toContain('036632523163121146')
})

test('a task that came in through the SQL of the page is there', async () => {
  const { rows } = await client.query("SELECT agent_id, campaign FROM dingtalk.delivery_task WHERE task_id = '256271667528'")
  expect(rows).toEqual([{ agent_id: '836390886', campaign: 'payroll-11' }])
})

/** The pages have no semicolon inside a statement. */
function statementsOf(text: string): string[] {
  return text
    .replace(/^\s*--.*$/gm, '')
    .split(';')
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')
}
