import { describe, expect, onTestFinished, test } from 'vitest'
import { TrackerError } from '../../src/domain/errors.ts'
import { databaseCheck } from '../../src/ops/checks/database.ts'
import { createDatabaseClock } from '../../src/ops/clock.ts'
import { checkServerHealth, checkWorkerHealth } from '../../src/ops/health.ts'
import { migrateQueueSchema } from '../../src/queue/schema.ts'
import { createDeliveryStore } from '../../src/store/delivery-store.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import type { HealthReport } from '../../src/web/health.ts'
import { aForeignQueue, aQueue, aWorker, type Backend, describeQueues } from '../queue/support.ts'
import { aProblem } from '../store/support/polls.ts'
import { CHECKS } from '../support/checks.ts'
import { createTestDatabase, execute } from '../support/postgres.ts'
import { describeRedis } from '../support/redis.ts'
import { startRedis } from '../support/redis-server.ts'
import { until } from '../support/wait.ts'
import { aRunningWorker } from './support.ts'

describeQueues((backend) => {
  test('a worker with nothing to do is well, and says so', async () => {
    const { worker } = await aRunningWorker(backend.address())
    // On a machine that is busy with other tests the first check may be late, which is told as a failure.
    const report = await until(async () => worker.health().then((told) => told.ok && told), { what: 'it is well' })
    expect(report).toMatchObject({ ok: true, checks: CHECKS.map((name) => ({ name, ok: true })) })
    expect(detailOf(report, 'consumption')).toMatch(/^polls are being made; none was taken off the queue since the start \d+ s ago$/)
  })

  test('after a poll it says when the last one was', async () => {
    const { worker, databaseUrl } = await aRunningWorker(backend.address())
    await execute(databaseUrl, "SELECT track_delivery(task_id => '256271667526', agent_id => '836390886')")
    await until(async () => /; the last one was taken off the queue \d+ s ago$/.test(detailOf(await worker.health(), 'consumption')), {
      what: 'a poll was taken',
    })
  })

  test('a paused queue is not ready, and ready again when it is resumed', async () => {
    const address = backend.address()
    const { worker } = await aRunningWorker(address)
    const queue = aForeignQueue(address)
    await queue.pause()
    const paused = await worker.health()
    expect(wrongIn(paused)).toEqual(['consumption'])
    expect(detailOf(paused, 'consumption')).toContain('The queue is paused, so no worker makes polls. Resume it')
    await queue.resume()
    expect((await worker.health()).ok).toBe(true)
  })

  test('polls that stay undone turn a running worker red, and it is well again when their timers are put back', async () => {
    const { worker, databaseUrl } = await aRunningWorker(backend.address())
    const database = openDatabase(databaseUrl)
    onTestFinished(() => database.close())
    const whileNobodyReconciles = () =>
      createDeliveryStore(database).exclusively(async () => {
        // This task has no timer.
        await execute(databaseUrl, lateTasks(1, 600))
        await until(async () => wrongIn(await worker.health()).join() === 'consumption', { what: 'it is red' })
        return 'red'
      })
    // The worker itself may hold the lease for a moment.
    expect(await until(whileNobodyReconciles, { what: 'the lease was ours' })).toBe('red')
    await until(async () => (await worker.health()).ok, { what: 'it is well' })
  })

  test('a worker that is closing is not ready', async () => {
    const { worker } = await aRunningWorker(backend.address())
    const closed = worker.close()
    expect(wrongIn(await worker.health())).toContain('consumption')
    await closed
  })

  describe('polls that nobody makes', () => {
    const LIMITS = { overdueMs: 60_000, blind: { missedMs: 60_000, minGapMs: 30_000, blindMs: 3_600_000 }, blockedMs: 60_000 }

    test('are told with their number, their age and what to do', async () => {
      const { needs, polls, databaseUrl } = await anIdleWorker(backend, { idleMs: 90_000 })
      await execute(databaseUrl, lateTasks(3, 600))
      const report = await checkWorkerHealth(needs, polls, LIMITS)
      expect(wrongIn(report)).toEqual(['consumption'])
      expect(detailOf(report, 'consumption')).toMatch(
        /^3 polls are overdue, the oldest by 60\d s, and this worker makes none: none was taken off the queue since the start 9\d s ago\. Restart this worker\./,
      )
    })

    test('are no fault of a worker that has taken one lately, or has just begun', async () => {
      const { needs, polls, databaseUrl } = await anIdleWorker(backend, { idleMs: 30_000 })
      await execute(databaseUrl, lateTasks(3, 600))
      expect((await checkWorkerHealth(needs, polls, LIMITS)).ok).toBe(true)
    })

    test('are no fault as long as they are hardly late', async () => {
      const { needs, polls, databaseUrl } = await anIdleWorker(backend, { idleMs: 90_000 })
      await execute(databaseUrl, lateTasks(3, 20))
      const report = await checkWorkerHealth(needs, polls, LIMITS)
      expect(report.ok).toBe(true)
      expect(detailOf(report, 'consumption')).toMatch(/^no poll is due; /)
    })

    test('do not hide behind a worker that has not begun', async () => {
      const { needs } = await anIdleWorker(backend, { idleMs: 0 })
      expect(detailOf(await checkWorkerHealth(needs, null, LIMITS), 'consumption')).toMatch(
        /^No polls are being made: the worker has not begun/,
      )
    })

    test('are no fault of a worker that cannot store what polls bring: that is the fault, with what to do', async () => {
      const { needs, polls } = await anIdleWorker(backend, { idleMs: 0 })
      const error = new TrackerError('NOT_PERMITTED', 'permission denied for table delivery_poll at postgres://worker:hunter2@db/x')
      const writes = { failing: () => ({ since: new Date(Date.now() - 90_000), error }) }
      const report = await checkWorkerHealth({ ...needs, writes }, polls, LIMITS)
      expect(report.ok).toBe(false)
      expect(wrongIn(report)).toEqual(['writes'])
      expect(detailOf(report, 'writes')).toMatch(/^The database has refused what polls brought for 9\d s: permission denied for table/)
      expect(report.checks.find(({ name }) => name === 'writes')?.remedy).toMatch(/rights.*disk.*No call is made until a write succeeds/)
      expect(JSON.stringify(report)).not.toContain('hunter2')
    })

    test('do not hide behind a worker whose queue has stopped from inside', async () => {
      const { needs, polls } = await anIdleWorker(backend, { idleMs: 0 })
      const stopped = { ...polls, isRunning: () => false }
      expect(detailOf(await checkWorkerHealth(needs, stopped, LIMITS), 'consumption')).toMatch(
        /^This worker takes nothing .*Restart this worker/,
      )
    })
  })

  test('a database that is away is told without waiting for it, and the rest is told too', async () => {
    const { worker, toDatabase } = await aRunningWorker(backend.address())
    await toDatabase.mode('refuse')
    const report = await worker.health()
    expect(wrongIn(report)).toEqual(['database', 'schema'])
    expect(detailOf(report, 'database')).toMatch(/^The database cannot be used: .*Check that it runs and that DATABASE_URL names/)
    expect(detailOf(report, 'schema')).toBe('Not known: the database did not say.')
    await toDatabase.mode('blackhole')
    await until(async () => detailOf(await worker.health(), 'database').includes('timeout'), { what: 'a database that hangs is told' })
    await toDatabase.mode('pass')
    await until(async () => (await worker.health()).ok, { what: 'ready again' })
  })
})

describe('what does not stop the work is a warning', () => {
  const LIMITS = { overdueMs: 60_000, blind: { missedMs: 60_000, minGapMs: 30_000, blindMs: 3_600_000 }, blockedMs: 7_500 }

  test('with what to do, and the worker is ready all the same', async () => {
    const created = await createTestDatabase({ migrated: true })
    onTestFinished(() => created.drop())
    await execute(created.url, `${lateTasks(4, 600)}; ${BLIND}`)
    const database = openDatabase(created.url, { max: 1 })
    onTestFinished(() => database.close())
    const address = { url: created.url, name: 'none', prefix: 'bull' }
    await migrateQueueSchema(created.url)
    const now = new Date()
    const polls = {
      ...{ isRunning: () => true, startedAt: now, lastActiveAt: () => now },
      locks: () => ({ lost: 2, found: 1, lastLostAt: new Date(now.getTime() - 30_000) }),
    }
    const needs = {
      ...{
        database,
        queue: aQueue(address),
        now: () => now,
        eventLoop: { longestMs: () => 9_000 },
        ...WELL,
        worker: REFUSED,
        calls: NO_BUDGET,
      },
      clock: { ...createDatabaseClock(database.pool), differenceMs: () => -45_000, waitedMs: () => 1_200 },
    }
    const report = await checkWorkerHealth(needs, polls, LIMITS)
    expect(report.ok).toBe(true)
    const warned = report.checks.filter(({ warning }) => warning === true)
    expect(warned.map(({ name, detail }) => [name, detail])).toEqual([
      ['apps', 'This worker leaves apps to others: hr: credentials (40096 it is credentials)'],
      ['overdue', expect.stringMatching(/^2 polls are overdue, the oldest by 60\d s$/)],
      [
        'blind gaps',
        expect.stringMatching(
          /^1 tasks ended in the last 24 hours .* at 20\S+Z; 1 open tasks had no successful poll since one was due more than 60 s ago/,
        ),
      ],
      ['clock', "45 s behind the database's"],
      ['event loop', 'blocked for 9000 ms at most in the last minute'],
      ['locks', '2 were lost since the start, the last one 30 s ago; 1 of other workers were taken over'],
      ['pool', expect.stringMatching(/^\d+ statements wait for one of 1 connections; the latest was had after 1200 ms$/)],
    ])
    for (const { remedy } of warned) expect(remedy).toMatch(/\.$/)

    const server = await checkServerHealth(database, needs.clock, LIMITS, NO_BUDGET)
    expect(server.checks.filter(({ warning }) => warning === true).map(({ name }) => name)).toEqual([
      'overdue',
      'blind gaps',
      'clock',
      'pool',
    ])
  })

  test('a database that takes no writes stops a worker, and a server only reads', async () => {
    const created = await createTestDatabase({ migrated: true })
    onTestFinished(() => created.drop())
    const url = new URL(created.url)
    url.searchParams.set('options', '-c default_transaction_read_only=on')
    const database = openDatabase(url.href)
    onTestFinished(() => database.close())
    const clock = createDatabaseClock(database.pool)
    const asked = { database, timeoutMs: 5_000 }
    const readOnly = {
      name: 'database',
      detail: expect.stringContaining('takes no writes'),
      remedy: expect.stringContaining('the primary'),
    }
    expect(await databaseCheck(asked)).toEqual({ ...readOnly, ok: false })
    expect((await checkServerHealth(database, clock, LATENESS, NO_BUDGET)).checks[0]).toEqual({ ...readOnly, ok: true, warning: true })
  })
})

/** Of the four: one ended with nothing known, one is open and was not seen for hours; none of the two is late. */
const BLIND = `
  UPDATE delivery_task SET status = 'expired', reason_code = 'never_observed', next_poll_at = NULL, finished_at = now() WHERE task_id = '1';
  UPDATE delivery_task SET sent_at = now() - interval '5 hours', scheduled_at = now() - interval '5 hours', next_poll_at = now() WHERE task_id = '2'`

describe('the schema', () => {
  test('of an older version says what to run, of a newer one that this worker must be upgraded', async () => {
    const database = await createTestDatabase({ migrated: true })
    onTestFinished(() => database.drop())
    await execute(database.url, 'CREATE TABLE kept AS TABLE _prisma_migrations; DELETE FROM _prisma_migrations')
    expect(await schemaOf(database.url)).toMatchObject({ ok: false, detail: expect.stringContaining('Run: npx dingtalk-delivery migrate') })
    await execute(database.url, 'INSERT INTO _prisma_migrations TABLE kept')
    expect(await schemaOf(database.url)).toEqual({ name: 'schema', ok: true, detail: 'fits this version, in the schema dingtalk' })
    await execute(database.url, "UPDATE _prisma_migrations SET migration_name = '29990101000000_future'")
    expect(await schemaOf(database.url)).toMatchObject({ ok: false, detail: expect.stringContaining('Install the newer version') })
  })

  test('no secret is told: neither a password that is refused nor one in an address', async () => {
    const database = await createTestDatabase({ migrated: true })
    onTestFinished(() => database.drop())
    const url = new URL(database.url)
    url.username = 'nobody'
    url.password = 'hunter2'
    const opened = openDatabase(url.href)
    onTestFinished(() => opened.close())
    const report = await checkServerHealth(opened, createDatabaseClock(opened.pool), LATENESS, NO_BUDGET)
    expect(wrongIn(report)).toEqual(['database', 'schema'])
    expect(JSON.stringify(report)).not.toContain('hunter2')
  })
})

describeRedis('a Redis that goes away', () => {
  test.each(['SIGKILL', 'SIGSTOP'] as const)(
    'is told with what to do (%s), and the worker is ready again when it is back',
    async (signal) => {
      const redis = await startRedis()
      onTestFinished(() => redis.stop())
      const { worker } = await aRunningWorker({ url: redis.url, name: 'dingtalk-delivery', prefix: 'bull' })
      expect((await worker.health()).ok).toBe(true)
      await redis.kill(signal)
      await until(async () => !(await worker.health()).ok, { what: 'not ready' })
      const report = await worker.health()
      expect(wrongIn(report)).toEqual(['queue'])
      expect(detailOf(report, 'queue')).toMatch(/^The queue did not do its part .*Check QUEUE_URL and the server/)
      if (signal === 'SIGKILL') await redis.restart()
      else await redis.kill('SIGCONT')
      await until(async () => (await worker.health()).ok, { what: 'ready again' })
    },
  )
})

/** What polls bring is stored, and this worker can poll all its apps. */
const WELL = { writes: { failing: () => null }, worker: { problems: () => ({}) } }
const REFUSED = { problems: () => ({ hr: { ...aProblem('credentials', { said: '40096' }), since: new Date(0).toISOString() } }) }

const NO_BUDGET = { budgets: new Map<string, number>(), callClock: null }
const LATENESS = { overdueMs: 60_000, blind: { missedMs: 60_000, minGapMs: 30_000, blindMs: 3_600_000 } }

/** What the checks ask, around a real worker that has taken nothing for a while by the clock that it is told. */
async function anIdleWorker(backend: Backend, { idleMs }: { readonly idleMs: number }) {
  const created = await createTestDatabase({ migrated: true })
  onTestFinished(() => created.drop())
  const database = openDatabase(created.url)
  onTestFinished(() => database.close())
  const address = backend.address()
  const polls = aWorker(address)
  await until(() => polls.isRunning(), { what: 'the worker runs' })
  const now = (): Date => new Date(Date.now() + idleMs)
  const clock = createDatabaseClock(database.pool)
  await clock.measure()
  const needs = { database, queue: aQueue(address), now, clock, eventLoop: { longestMs: () => 0 }, ...WELL, calls: NO_BUDGET }
  return { needs, polls, databaseUrl: created.url }
}

function lateTasks(count: number, lateSeconds: number): string {
  return `SELECT track_delivery(task_id => n::text) FROM generate_series(1, ${count}) AS n;
    UPDATE delivery_task SET scheduled_at = now(), next_poll_at = now() - make_interval(secs => ${lateSeconds})`
}

async function schemaOf(databaseUrl: string) {
  const database = openDatabase(databaseUrl)
  try {
    const { checks } = await checkServerHealth(database, createDatabaseClock(database.pool), LATENESS, NO_BUDGET)
    return checks.find(({ name }) => name === 'schema')
  } finally {
    await database.close()
  }
}

function wrongIn(report: HealthReport): string[] {
  return report.checks.filter(({ ok }) => !ok).map(({ name }) => name)
}

function detailOf(report: HealthReport, name: string): string {
  return report.checks.find((each) => each.name === name)?.detail ?? ''
}
