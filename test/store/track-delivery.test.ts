import { afterAll, beforeAll, expect, test } from 'vitest'
import { HOUR_MS } from '../../src/domain/delivery.ts'
import { InvalidInputError } from '../../src/domain/errors.ts'
import { parseTrackRequest } from '../../src/intake/track-request.ts'
import { openTestStore, type TestStore } from './support/database.ts'

let db: TestStore
beforeAll(async () => {
  db = await openTestStore()
})
afterAll(() => db.close())

const CALL = `SELECT track_delivery(task_id => $1, agent_id => $2, user_ids => $3, campaign => $4, app => $5, sent_at => $6) AS is_new`

/** The arguments of the SQL function; what is left out has the value that a sender would give. */
interface Arguments extends Partial<Record<'taskId' | 'agentId' | 'campaign' | 'app' | 'sentAt', string | null>> {
  readonly userIds?: ReadonlyArray<string | null> | null
}

async function track(given: Arguments): Promise<boolean> {
  const { taskId = '1', agentId = null, userIds = null, campaign = null, app = 'default', sentAt = null } = given
  const { rows } = await db.pool.query<{ is_new: boolean }>(CALL, [taskId, agentId, userIds, campaign, app, sentAt])
  return rows[0]?.is_new === true
}

async function refusalInSql(given: Arguments): Promise<unknown> {
  const refusal: unknown = await track(given).then(
    () => 'accepted',
    (error: unknown) => error,
  )
  if (!(refusal instanceof Error)) return refusal
  expect(refusal).toMatchObject({ code: '22023' })
  return { message: refusal.message, code: Reflect.get(refusal, 'detail') }
}

function refusalInCore(given: Arguments): unknown {
  try {
    parseTrackRequest({ taskId: '1', ...given }, new Date())
    return 'accepted'
  } catch (error) {
    return error instanceof InvalidInputError ? { message: error.message, code: error.code } : error
  }
}

const people = (count: number): string[] => Array.from({ length: count }, (_, i) => `user${i}`)
const SMILE = '\u{1F600}'

const BAD: Readonly<Record<string, Arguments>> = {
  'no task id': { taskId: null },
  'an empty task id': { taskId: '' },
  'a task id of 0': { taskId: '0' },
  'leading zeros': { taskId: '0256' },
  'a sign': { taskId: '-5' },
  'a space': { taskId: ' 5' },
  'a line end': { taskId: '5\n' },
  'digits of another script': { taskId: '٣' },
  'a task id above the largest Long': { taskId: '9223372036854775808' },
  'a task id of 20 digits': { taskId: '10000000000000000000' },
  'words as task id': { taskId: 'drop table "x"; \\ \u0001 \u007f' },
  'a long task id': { taskId: 'x'.repeat(200) },
  'a bad agent id': { agentId: 'agent' },
  'a large agent id': { agentId: '9999999999999999999' },
  'an empty agent id': { agentId: '' },
  'an empty app': { app: '' },
  'an app with a space': { app: 'my app' },
  'an app that begins with a dash': { app: '-a' },
  'a long app': { app: 'a'.repeat(65) },
  'an app with an umlaut': { app: 'müller' },
  'no people in the list': { userIds: [] },
  'a missing name': { userIds: ['ann', null] },
  'an empty name': { userIds: ['ann', ''] },
  'a name with a space before it': { userIds: [' ann'] },
  'a name with a wide space after it': { userIds: ['ann\u3000'] },
  'a name with a byte order mark': { userIds: ['\ufeffann'] },
  'a name with a tab in it': { userIds: ['a\tb'] },
  'a name with a control character of Latin-1': { userIds: ['a\u0085b'] },
  'ids joined by commas': { userIds: ['ann', '0366,manager4220'] },
  'ids joined by commas of other scripts': { userIds: ['ann', '0366、manager4220'] },
  'ids joined by a bar': { userIds: ['0366|manager4220'] },
  'ids joined by a semicolon and a space': { userIds: ['0366; 李雷'] },
  'ids on two lines': { userIds: ['0366\r\nmanager4220'] },
  'a line of a CSV file': { userIds: ['"0366","read",2026-11-23'] },
  'a comma after a name': { userIds: ['0366,'] },
  'a quoted name': { userIds: ['"0366"'] },
  'a name in apostrophes': { userIds: ['’0366’'] },
  'a name in braces': { userIds: ['{0366}'] },
  'a name with the protection of a CSV file': { userIds: ["'=0366"] },
  'a name with a zero-width space': { userIds: ['0366\u200b'] },
  'a name with a soft hyphen': { userIds: ['03\u00ad66'] },
  'a name that is wrong in two ways': { userIds: [' "0366" '] },
  'a name that is wrong before one that is missing': { userIds: ['a,b', null] },
  'a long name': { userIds: ['x'.repeat(129)] },
  'a name of 65 characters of two units': { userIds: [SMILE.repeat(65)] },
  '101 people': { userIds: people(101) },
  'an empty campaign': { campaign: '' },
  'a blank campaign': { campaign: '  ' },
  'a campaign with a space after it': { campaign: 'payroll ' },
  'a campaign of two lines': { campaign: 'a\nb' },
  'a long campaign': { campaign: 'c'.repeat(201) },
  'seconds for milliseconds': { sentAt: new Date(1_763_859_313_000 / 1000).toISOString() },
  'a send before 2015': { sentAt: '2014-12-31T23:59:59.999Z' },
  'a send in an hour': { sentAt: new Date(Date.now() + HOUR_MS).toISOString() },
  'several mistakes': { app: '?', taskId: 'x', campaign: '' },
  'several mistakes in people and time': { userIds: ['', ' '], sentAt: '2014-01-01T00:00:00Z' },
}

test.each(Object.entries(BAD))('%s is refused in the same words as at the other ways to enqueue', async (_, given) => {
  const inCore = refusalInCore(given)
  expect(inCore).not.toBe('accepted')
  expect(await refusalInSql(given)).toEqual(inCore)
})

test.each([
  ['a time without end', { sentAt: 'infinity' }, /^sentAt must be an ISO 8601 time .* not an invalid date\.$/],
  ['a time before all', { sentAt: '-infinity' }, /^sentAt must be an ISO 8601 time/],
])('%s is refused', async (_, given, message) => {
  expect(await refusalInSql(given)).toEqual({ message: expect.stringMatching(message), code: 'INVALID_INPUT' })
})

test('a list of lists is refused', async () => {
  await expect(db.pool.query(`SELECT track_delivery('1', user_ids => ARRAY[['a'],['b']])`)).rejects.toThrow(
    'userIds[0] must be a string, not a list',
  )
})

const GOOD: Readonly<Record<string, Arguments>> = {
  'the largest Long': { taskId: '9223372036854775807' },
  'a number above 2^53': { taskId: '9007199254740993123', agentId: '836390886' },
  'names with leading zeros, spaces inside and other scripts': {
    taskId: '101',
    userIds: ['036632523163121146', 'a b', '张三', SMILE.repeat(64)],
  },
  'names with what looks like a mistake and is none': {
    taskId: '107',
    userIds: [
      "O'Brien",
      'a;',
      '; b',
      "'; DROP TABLE delivery_task; --",
      '<b>',
      '-0366',
      '=0366',
      '@li.wei',
      'li.wei@corp',
      'a\u200db',
      "'",
      '[',
      'a]',
    ],
  },
  'a name twice': { taskId: '102', userIds: ['bob', 'ann', 'bob'] },
  '100 people': { taskId: '103', userIds: people(100) },
  '100 people, one of them twice': { taskId: '104', userIds: [...people(100), 'user0'] },
  'a campaign of 200 characters': { taskId: '105', campaign: 'c'.repeat(200), app: 'A-b_9' },
  'a send 23 hours ago': { taskId: '106', sentAt: new Date(Date.now() - 23 * HOUR_MS).toISOString() },
}

test.each(Object.entries(GOOD))('%s is stored as the other ways to enqueue store it', async (_, given) => {
  const request = parseTrackRequest({ taskId: '1', ...given }, new Date())
  expect(await track(given)).toBe(true)
  expect(await track(given)).toBe(false)
  const inSql = await db.store.load(request)

  const other = { ...request, app: 'twin' }
  await db.store.track([other])
  const inCore = await db.store.load(other)
  const ofOneDoor = { key: null, nextPollAt: null, ...(given.sentAt === undefined && { sentAt: null, deadlineAt: null }) }
  expect({ ...inSql, ...ofOneDoor }).toEqual({ ...inCore, ...ofOneDoor })

  const counts = await db.pool.query(
    `SELECT DISTINCT pending, unread + read + failed + forbidden + invalid AS others FROM delivery_task WHERE task_id = $1`,
    [request.taskId],
  )
  expect(counts.rows).toEqual([{ pending: request.userIds?.length ?? 0, others: 0 }])
})

test('the shortest call there is', async () => {
  const { rows } = await db.pool.query(`SELECT track_delivery('256271667526') AS is_new`)
  expect(rows).toEqual([{ is_new: true }])
  const task = await db.store.load({ app: 'default', taskId: '256271667526' })
  expect(task).toMatchObject({ agentId: null, campaign: null, recipientsKnown: false, recipients: [] })
  expect(Math.abs((task?.sentAt.getTime() ?? 0) - Date.now())).toBeLessThan(60_000)
})

test('a send a little in the future is taken as now', async () => {
  const sentAt = new Date(Date.now() + 10 * 60_000)
  expect(await track({ taskId: '301', sentAt: sentAt.toISOString() })).toBe(true)
  const task = await db.store.load({ app: 'default', taskId: '301' })
  expect(task?.sentAt.getTime()).toBeLessThan(sentAt.getTime() - 9 * 60_000)
})

test('a rolled back sender leaves nothing behind', async () => {
  const client = await db.pool.connect()
  try {
    await client.query('BEGIN')
    expect((await client.query(`SELECT track_delivery('302', user_ids => ARRAY['ann']) AS is_new`)).rows).toEqual([{ is_new: true }])
    await client.query('ROLLBACK')
  } finally {
    client.release()
  }
  expect(await db.store.load({ app: 'default', taskId: '302' })).toBeNull()
})

test('of many senders at once exactly one starts the task', async () => {
  const results = await Promise.all(Array.from({ length: 40 }, (_, i) => track({ taskId: '303', userIds: [`u${i}`] })))
  expect(results.filter((isNew) => isNew)).toHaveLength(1)
  expect(await db.store.load({ app: 'default', taskId: '303' })).toMatchObject({ recipients: [{}] })
})

test('a sender with another search path reaches the same tables', async () => {
  const client = await db.pool.connect()
  try {
    await client.query('CREATE SCHEMA elsewhere; SET search_path TO elsewhere')
    expect((await client.query(`SELECT dingtalk.track_delivery('304') AS is_new`)).rows).toEqual([{ is_new: true }])
  } finally {
    client.release(true)
  }
})
