import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Row } from '../../src/store/columns.ts'
import * as column from '../../src/store/columns.ts'
import { Prisma } from '../../src/store/generated/client.ts'
import { openTestStore, type TestStore } from './support/database.ts'

const COLORS = ['red', 'green'] as const

const SAMPLE = {
  taskId: column.text('task_id'),
  agentId: column.nullable(column.text('agent_id')),
  color: column.oneOf('color', COLORS),
  pollNo: column.integer('poll_no'),
  erasureNo: column.bigint('erasure_no'),
  rate: column.nullable(column.double('rate')),
  isKnown: column.flag('is_known'),
  sentAt: column.time('sent_at'),
  endedAt: column.nullable(column.time('ended_at')),
  detail: column.detail('detail'),
}
type Sample = column.Decoded<typeof SAMPLE>

const FULL: Sample = {
  taskId: '0012',
  agentId: 'ü',
  color: 'green',
  pollNo: 3,
  erasureNo: 2 ** 40,
  rate: 0.25,
  isKnown: true,
  sentAt: new Date('2026-11-23T16:30:00.123Z'),
  endedAt: new Date('2026-11-24T00:00:00.001Z'),
  detail: { said: '88', count: 2 },
}
const EMPTY: Sample = {
  ...FULL,
  taskId: '0013',
  agentId: null,
  color: 'red',
  erasureNo: 0,
  rate: null,
  isKnown: false,
  endedAt: null,
  detail: null,
}

let database: TestStore
beforeAll(async () => {
  database = await openTestStore()
})
afterAll(() => database.close())

function query(sql: Prisma.Sql): Promise<Row[]> {
  return database.prisma.$queryRaw<Row[]>(sql)
}

describe('a map of columns', () => {
  test('gives rows to a statement and reads them back, in a session of another time zone', async () => {
    const rows = await query(
      Prisma.sql`SELECT ${column.selectList(SAMPLE)} FROM ${column.unnest(SAMPLE, [FULL, EMPTY], 'given')} ORDER BY task_id`,
    )
    expect(rows.map((row) => column.decodeRow(SAMPLE, row))).toEqual([FULL, EMPTY])
  })

  test('gives a table without rows', async () => {
    expect(await query(Prisma.sql`SELECT ${column.selectList(SAMPLE)} FROM ${column.unnest(SAMPLE, [], 'given')}`)).toEqual([])
  })

  test('reads the rows of two tables from one, each with a prefix', async () => {
    const [row = {}] = await query(Prisma.sql`
SELECT ${column.selectList(SAMPLE, { from: 'a', prefix: 'a.' })}, ${column.selectList(SAMPLE, { from: 'b', prefix: 'b.' })}
FROM ${column.unnest(SAMPLE, [FULL], 'a')} CROSS JOIN ${column.unnest(SAMPLE, [EMPTY], 'b')}`)
    expect([column.decodeRow(SAMPLE, row, 'a.'), column.decodeRow(SAMPLE, row, 'b.')]).toEqual([FULL, EMPTY])
  })

  test('reads rows that are in one column as JSON', async () => {
    const [row = {}] = await query(Prisma.sql`
SELECT json_agg(${column.jsonArray(SAMPLE, 'given')} ORDER BY task_id) AS all FROM ${column.unnest(SAMPLE, [EMPTY, FULL], 'given')}`)
    expect(column.decodeArrays(SAMPLE, row['all'])).toEqual([EMPTY, FULL].toSorted((a, b) => (a.taskId < b.taskId ? -1 : 1)))
    expect(column.decodeArrays(SAMPLE, null)).toEqual([])
  })

  test('names the columns for INSERT and for the SET list of UPDATE', () => {
    const columns = { taskId: SAMPLE.taskId, sentAt: SAMPLE.sentAt }
    expect(column.names(columns).sql).toBe('task_id, sent_at')
    expect(column.names(columns, 'given').sql).toBe('given.task_id, given.sent_at')
    expect(column.assignments(columns, 'given').sql).toBe('task_id = given.task_id, sent_at = given.sent_at')
  })

  test('reads a list of texts', async () => {
    const columns = { apps: column.textList('apps') }
    const [row = {}] = await query(Prisma.sql`SELECT ${column.selectList(columns)} FROM (SELECT ARRAY['a', 'b'] AS apps) AS given`)
    expect(column.decodeRow(columns, row)).toEqual({ apps: ['a', 'b'] })
  })

  test.each([
    ['taskId', 7, 'task_id of a database row holds number, expected text'],
    ['taskId', null, 'task_id of a database row holds object, expected text'],
    ['color', 'blue', 'color of a database row holds string, expected red, green'],
    ['pollNo', '3', 'poll_no of a database row holds string, expected a number'],
    ['isKnown', 1, 'is_known of a database row holds number, expected true or false'],
    ['sentAt', '2026-11-23', 'sent_at of a database row holds string, expected a number'],
  ])('rejects a row whose %s is %j', (key, value, message) => {
    expect(() => column.decodeRow(SAMPLE, { ...FULL, sentAt: 0, endedAt: null, [key]: value })).toThrow(message)
  })

  test.each(['a', ['a']])('rejects %j, which is no list of lists, where json_agg made one', (value) => {
    expect(() => column.decodeArrays(SAMPLE, value)).toThrow('json_agg of a database row holds string, expected lists')
  })
})
