import { Client } from 'pg'
import { expect, test } from 'vitest'
import { createTestDatabase } from '../support/postgres.ts'
import { runCli } from '../support/process.ts'
import { record } from './support/scenario.ts'

/** F26: a worker and a database of different versions. Whoever does not fit refuses to start, says what to run, and has written nothing. */
const CASES = [
  {
    when: 'the schema is older than the worker',
    sql: 'DELETE FROM _prisma_migrations WHERE migration_name = (SELECT max(migration_name) FROM _prisma_migrations)',
    says: /The database lacks \w+\. Run: npx dingtalk-delivery migrate/,
  },
  {
    when: 'the schema is newer than the worker',
    sql: `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
      VALUES ('later', 'later', '29990101000000_later', now(), now(), 1)`,
    says: /29990101000000_later, which this version does not know\. Install the newer version/,
  },
  {
    when: "the queue's schema is missing in PostgreSQL",
    sql: 'SELECT 1',
    says: /The queue's schema is missing in its database\. Run: npx dingtalk-delivery migrate/,
  },
  {
    when: 'nothing was migrated',
    sql: 'DROP SCHEMA dingtalk CASCADE',
    says: /The database lacks .*Run: npx dingtalk-delivery migrate/,
  },
]

test.concurrent.for(CASES)('F26: a worker refuses when $when', { timeout: 120_000 }, async ({ when, sql, says }, { onTestFinished }) => {
  const database = await createTestDatabase({ migrated: true })
  onTestFinished(() => database.drop())
  const client = new Client({ connectionString: database.url })
  await client.connect()
  onTestFinished(() => client.end())
  await client.query(`SELECT track_delivery(task_id => '256271667526', user_ids => ARRAY['ann'])`)
  await client.query(sql)
  const before = await contentOf(client)
  const env = { DATABASE_URL: database.url, DINGTALK_ACCESS_TOKEN: 'a-token-of-nobody', HEALTH_PORT: '0' }
  const { code, stderr } = await runCli(['worker'], { env, onTestFinished })
  expect(code).toBe(1)
  expect(stderr).toMatch(says)
  expect(await contentOf(client), 'what is in the database').toEqual(before)
  record({ fault: 'F26', when, backend: 'postgres', seed: 1, tasks: 1, lost: 0, wrong: 0, polls: 0, extraCalls: 0, recoverMs: null })
})

/** Null where there are no tables. */
async function contentOf(client: Client): Promise<unknown> {
  const { rows } = await client.query<{ there: boolean }>("SELECT to_regclass('delivery_task') IS NOT NULL AS there")
  if (rows[0]?.there !== true) return null
  return (
    await client.query('SELECT task.*, person.* FROM delivery_task AS task JOIN delivery_recipient AS person ON person.task_pk = task.id')
  ).rows
}
