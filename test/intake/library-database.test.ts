import { describe, expect, test } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { inTime } from '../support/in-time.ts'
import { aDatabase, aSession, aTracker, taskRows } from './support.ts'

const SENT_AT = new Date(Date.now() - 60_000)

describe('the library with a database', () => {
  test('a task is in the database before track returns, and the second time it is a duplicate', async () => {
    const databaseUrl = await aDatabase()
    const tracker = aTracker({ databaseUrl })
    const input = {
      taskId: '256271667526',
      agentId: '836390886',
      userIds: ['036632523163121146', '李雷'],
      campaign: 'payroll-11',
      sentAt: SENT_AT,
    }
    expect(await tracker.track(input)).toEqual({ app: 'default', taskId: '256271667526', duplicate: false, conflict: [], updated: [] })
    const rows = await taskRows(await aSession(databaseUrl))
    expect(rows).toEqual([
      {
        app: 'default',
        task_id: '256271667526',
        agent_id: '836390886',
        campaign: 'payroll-11',
        sent_at: SENT_AT,
        users: ['036632523163121146', '李雷'],
      },
    ])
    expect(await tracker.track(input)).toEqual({ app: 'default', taskId: '256271667526', duplicate: true, conflict: [], updated: [] })
    expect(await taskRows(await aSession(databaseUrl))).toEqual(rows)
  })

  test.each<[string, string | bigint]>([
    ['a string', '9007199254740993123'],
    ['a bigint', 9_007_199_254_740_993_123n],
  ])('every digit of a task id survives as %s', async (_name, taskId) => {
    const databaseUrl = await aDatabase()
    const tracker = aTracker({ databaseUrl })
    expect(await tracker.track({ taskId, agentId: taskId })).toMatchObject({ taskId: '9007199254740993123' })
    expect((await taskRows(await aSession(databaseUrl)))[0]).toMatchObject({
      task_id: '9007199254740993123',
      agent_id: '9007199254740993123',
    })
  })

  test('many at once: results in the order of the requests, a task twice is tracked once', async () => {
    const databaseUrl = await aDatabase()
    const tracker = aTracker({ databaseUrl })
    await tracker.track({ taskId: '2' })
    const results = await tracker.trackMany([
      { taskId: '3' },
      { taskId: '2' },
      { taskId: '1', app: 'hr' },
      { taskId: '3' },
      { taskId: '1' },
    ])
    expect(results).toEqual([
      { app: 'default', taskId: '3', duplicate: false, conflict: [], updated: [] },
      { app: 'default', taskId: '2', duplicate: true, conflict: [], updated: [] },
      { app: 'hr', taskId: '1', duplicate: false, conflict: [], updated: [] },
      { app: 'default', taskId: '3', duplicate: true, conflict: [], updated: [] },
      { app: 'default', taskId: '1', duplicate: false, conflict: [], updated: [] },
    ])
    expect(await taskRows(await aSession(databaseUrl))).toHaveLength(4)
  })

  test('nothing to track is nothing to do', async () => {
    expect(await aTracker({ databaseUrl: 'postgres://127.0.0.1:1/nowhere' }).trackMany([])).toEqual([])
  })

  test('with one mistake among many nothing is tracked', async () => {
    const databaseUrl = await aDatabase()
    await expect(aTracker({ databaseUrl }).trackMany([{ taskId: '1' }, { taskId: 'x' }])).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'taskId',
    })
    expect(await taskRows(await aSession(databaseUrl))).toEqual([])
  })

  test('senders of the same tasks in opposite orders do not block each other', async () => {
    const databaseUrl = await aDatabase()
    const [a, b] = [aTracker({ databaseUrl }), aTracker({ databaseUrl })]
    const inputs = Array.from({ length: 400 }, (_, i) => ({ taskId: String(i + 1), userIds: [`u${i}`] }))
    for (let round = 0; round < 5; round++) {
      const mine = inputs.map((input) => ({ ...input, campaign: `round-${round}`, app: `app-${round}` }))
      const results = await Promise.all([a.trackMany(mine), b.trackMany(mine.toReversed())])
      expect(results.flat().filter((result) => result.duplicate === false)).toHaveLength(400)
    }
  })

  test('a database that is not migrated says what to run', async () => {
    const tracker = aTracker({ databaseUrl: await aDatabase({ migrated: false }) })
    await expect(tracker.track({ taskId: '1' })).rejects.toMatchObject({
      code: 'SCHEMA_MISMATCH',
      message: expect.stringContaining('npx dingtalk-delivery migrate'),
    })
  })

  test('a database that is not there is told promptly, without the password', async () => {
    const tracker = aTracker({ databaseUrl: 'postgres://sender:hunter2@127.0.0.1:1/delivery' })
    const error = await inTime(2_000, () => tracker.track({ taskId: '1' }).catch((caught: unknown) => caught))
    expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', message: expect.stringContaining('DATABASE_URL') })
    expect(String(error)).not.toContain('hunter2')
  })

  test('a closed tracker takes nothing, and closing twice is harmless', async () => {
    const tracker = createTracker({ databaseUrl: await aDatabase() })
    await tracker.track({ taskId: '1' })
    await Promise.all([tracker.close(), tracker.close()])
    await tracker.close()
    await expect(tracker.track({ taskId: '2' })).rejects.toMatchObject({ code: 'CLOSED' })
  })

  test.each([
    [{}, 'exactly one of queueUrl and databaseUrl'],
    [{ queueUrl: 'redis://a', databaseUrl: 'postgres://b' }, 'exactly one of queueUrl and databaseUrl'],
    [{ databaseUrl: 'redis://h:s3cret@a' }, 'databaseUrl must be a URL that begins with postgres:// or postgresql://.'],
    [
      { queueUrl: 'mysql://h:s3cret@a' },
      'queueUrl must be a URL that begins with redis:// or rediss:// or postgres:// or postgresql://; the path',
    ],
    [{ queueUrl: 'redis://h:s3cret@a/nope' }, 'the path of a Redis URL is a database number'],
    [{ queueUrl: 's3cret' }, 'What was given (6 characters) is none.'],
  ])('wrong options (%o) are refused at once, without showing what is in them', (options, message) => {
    expect(() => createTracker(options)).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringContaining(message) }),
    )
    expect(() => createTracker(options)).not.toThrow(/s3cret/)
  })
})
