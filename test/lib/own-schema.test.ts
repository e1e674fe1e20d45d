import { describe, expect, test } from 'vitest'
import { schemaFaults, schemaIn, withSchema } from '../../src/lib/database-schema.ts'
import { MODEL_SCHEMA, qualify } from '../../src/lib/own-schema.ts'

describe('a statement gets the schema', () => {
  test.each([
    ['before a table, with an alias or without', 'SELECT * FROM delivery_task AS t', 'SELECT * FROM "s".delivery_task AS t'],
    ['before the column of a table', 'UPDATE delivery_app SET x = delivery_app.x', 'UPDATE "s".delivery_app SET x = "s".delivery_app.x'],
    ['before a function', 'SELECT track_delivery($1), delivery_track($2)', 'SELECT "s".track_delivery($1), "s".delivery_track($2)'],
    ['before the record of migrations', 'TABLE _prisma_migrations', 'TABLE "s"._prisma_migrations'],
    ['for the one of the models', `SELECT 1 FROM "${MODEL_SCHEMA}"."delivery_task"`, 'SELECT 1 FROM "s"."delivery_task"'],
    ['next to brackets and commas', '(delivery_task,delivery_poll)', '("s".delivery_task,"s".delivery_poll)'],
  ])('%s', (_, statement, qualified) => expect(qualify(statement, 's')).toBe(qualified))

  test.each([
    ['a name that has a schema', 'SELECT * FROM other.delivery_task'],
    ['a name in quotes', 'SELECT "delivery_task" FROM x'],
    ['a text', "SELECT 'delivery_task', 'it''s delivery_task', 'on delivery_task'"],
    ['a comment', '/* delivery_task\n delivery_poll */ SELECT 1 -- delivery_task isn\'t "here'],
    ['a part of another name', 'SELECT my_delivery_task, delivery, xdelivery_task, $delivery_x, retrack_delivery, track_delivery2 FROM x'],
  ])('but not %s', (_, statement) => expect(qualify(statement, 's')).toBe(statement))

  test('a name after a text or a comment with a quote in it is found', () => {
    expect(qualify("/* it's */ SELECT '--' FROM delivery_task -- 'x\nJOIN delivery_poll", 's')).toBe(
      `/* it's */ SELECT '--' FROM "s".delivery_task -- 'x\nJOIN "s".delivery_poll`,
    )
  })

  test('twice is once', () => {
    const once = qualify('SELECT delivery_state_at(app, task_id, now()) FROM delivery_task', 'Mixed Case')
    expect(qualify(once, 'Mixed Case')).toBe(once)
    expect(once).toContain('"Mixed Case".delivery_state_at')
  })

  test('a schema with quotes in its name is quoted', () => expect(qualify('TABLE delivery_task', 'a"b')).toBe('TABLE "a""b".delivery_task'))
})

describe('the schema of an address', () => {
  test.each([
    ['postgres://u:p@h/db', null],
    ['postgres://u:p@h/db?schema=tracker', 'tracker'],
    ['postgres://u:p@h/db?sslmode=require&schema=tracker&x=1', 'tracker'],
    ['postgres://u:p@h/db?schema=', null],
    ['postgres://u:p@h/db?myschema=x', null],
    ['postgres://u:schema=p@h1:1,h2:2/db?schema=My%20Tracker', 'My Tracker'],
    ['postgres:///db?host=/run/postgresql&schema=tracker', 'tracker'],
  ])('%s', (url, schema) => expect(schemaIn(url)).toBe(schema))

  const NAMES = { url: 'databaseUrl', schema: 'schema', queueSchema: 'queueSchema' }

  test('one that is chosen beside it is added', () => {
    expect(withSchema(NAMES, 'postgres://h/db', 'tracker')).toBe('postgres://h/db?schema=tracker')
    expect(withSchema(NAMES, 'postgres://h/db?x=1', 'tracker')).toBe('postgres://h/db?x=1&schema=tracker')
    expect(withSchema(NAMES, 'postgres://h/db?schema=tracker', 'tracker')).toBe('postgres://h/db?schema=tracker')
    expect(schemaIn(withSchema(NAMES, 'postgres://h/db?schema=', 'tracker'))).toBe('tracker')
    expect(withSchema(NAMES, 'postgres://h/db', undefined)).toBe('postgres://h/db')
  })

  test.each([
    ['two that differ', 'postgres://h/db?schema=a', 'b', undefined, /schema is "b", and databaseUrl has schema="a"\. Give one of them/],
    ['a name that is none', 'postgres://h/db?schema=a-b', undefined, undefined, /databaseUrl has schema="a-b"\. Accepted: /],
    ['a name of PostgreSQL', 'postgres://h/db?schema=pg_catalog', undefined, undefined, /Accepted: .*"pg_"/],
    ['that of the queue', 'postgres://h/db', 'tracker', 'tracker', /queueSchema is "tracker", as that of the tracker/],
    ['that of the queue, in the address', 'postgres://h/db?schema=bullmq', undefined, 'bullmq', /Give each a schema of its own/],
  ])('%s: refused', (_, url, schema, queueSchema, message) => {
    expect(schemaFaults(NAMES, { url, schema, queueSchema })).toEqual([expect.stringMatching(message)])
  })
})
