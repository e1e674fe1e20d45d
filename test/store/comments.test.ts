import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestStore, type TestStore } from './support/database.ts'

let db: TestStore
beforeAll(async () => {
  db = await openTestStore()
})
afterAll(() => db.close())

/** `VIEW delivery_task_rates`, `COLUMN delivery_task_rates.app`, `FUNCTION delivery_state_at` with their comments. */
const EVERYTHING = `
  SELECT CASE relkind WHEN 'v' THEN 'VIEW ' ELSE 'TABLE ' END || relname AS name, obj_description(oid, 'pg_class') AS comment
  FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v') AND relname LIKE 'delivery%'
  UNION ALL
  SELECT 'COLUMN ' || relname || '.' || attname, col_description(attrelid, attnum)
  FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
  WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v') AND relname LIKE 'delivery%' AND attnum > 0 AND NOT attisdropped
  UNION ALL
  SELECT 'FUNCTION ' || proname, obj_description(oid, 'pg_proc')
  FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND proname ~ '^(delivery|track_delivery)'
  ORDER BY 1`

test('every table, view, column and function has a comment', async () => {
  const { rows } = await db.pool.query<{ name: string; comment: string | null }>(EVERYTHING)
  expect(rows.length).toBeGreaterThan(150)
  expect(rows.filter(({ comment }) => comment === null || comment === '').map(({ name }) => name)).toEqual([])
})

test('a rate says what it is divided by, and when it is NULL', async () => {
  const { rows } = await db.pool.query<{ name: string; comment: string | null }>(EVERYTHING)
  const rates = rows.filter(({ name }) => /\.read_rate/.test(name))
  expect(rates).toHaveLength(7)
  for (const { comment } of rates) expect(comment).toMatch(/read \/ (delivered|targeted).*NULL where no/)
})

test('no comment has a retired word', async () => {
  const { rows } = await db.pool.query<{ name: string; comment: string | null }>(EVERYTHING)
  const retired = /nobody|whoever|somebody|anybody|heed|\blooks?\b|\bdoors?\b|settle|adopt|\btold\b|believe|honest|goodbye/i
  expect(rows.filter(({ name, comment }) => retired.test(comment ?? '') && !name.endsWith('delivery_looks'))).toEqual([])
})
