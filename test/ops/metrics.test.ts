import { Client } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { readGauges } from '../../src/store/gauges.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { describePromtool, promtool } from '../support/promtool.ts'
import { until } from '../support/wait.ts'
import { aRunningWorker, type Running } from './support.ts'

describePromtool("the page of a worker, by Prometheus' own checker", () => {
  test('is clean after real polls', async () => {
    const { page } = await afterLooks()
    expect(promtool(['check', 'metrics'], { input: page })).toEqual({ status: 0, output: '' })
  })

  test.each([
    ['a counter without _total', '# HELP polls Polls.\n# TYPE polls counter\npolls 1\n'],
    ['a metric without help', '# TYPE polls_total counter\npolls_total 1\n'],
    ['a unit that is abbreviated', '# HELP lag_ms Lag.\n# TYPE lag_ms gauge\nlag_ms 1\n'],
  ])('%s would be found', (_, page) => {
    expect(promtool(['check', 'metrics'], { input: page })).toMatchObject({ status: 3, output: expect.stringMatching(/^(polls|lag)/) })
  })
})

describe('the page of a worker', () => {
  test('counts what was really done', async () => {
    const { page, running } = await afterLooks()
    expect(valueOf(page, 'polls_total{app="default",outcome="observed"}')).toBeGreaterThan(0)
    expect(valueOf(page, 'api_calls_total{app="default",endpoint="getsendresult",code="0"}')).toBe(
      valueOf(page, 'api_call_seconds_count') - 1,
    )
    expect(valueOf(page, 'token_refreshes_total{app="default"}')).toBe(running.server.tokenCalls)
    expect(valueOf(page, 'recipients_read_total{app="default"}')).toBe(1)
    expect(valueOf(page, 'tasks{app="default",status="complete"}')).toBe(1)
    expect(valueOf(page, 'tasks_overdue')).toBe(0)
    const used = valueOf(page, 'api_calls_used{app="default"}')
    expect(used).toBe([...running.server.calls.values()].reduce((sum, calls) => sum + calls, 0))
    expect(valueOf(page, 'call_budget_remaining{app="default"}')).toBe(4_000 - used)
    expect(valueOf(page, 'health_check_ok{check="consumption"}')).toBe(1)
  })

  test('is there, without the gauges, while the database hangs', async () => {
    const { worker, toDatabase } = await aRunningWorker()
    expect(await worker.metrics()).toMatch(/^dingtalk_delivery_tasks_overdue 0$/m)
    await toDatabase.mode('blackhole')
    const page = await worker.metrics()
    expect(page).not.toMatch(/^dingtalk_delivery_(tasks|app|call_budget)/m)
    expect(valueOf(page, 'health_check_ok{check="database"}')).toBe(0)
    expect(page).toMatch(/^process_start_time_seconds \d/m)
    await toDatabase.mode('pass')
    await until(async () => /^dingtalk_delivery_tasks_overdue 0$/m.test(await worker.metrics()), { what: 'the gauges are back' })
  })
})

describe('the gauges', () => {
  test.each([
    ['nothing was refused', null, "'1 hour'", null],
    ['the quota is used up', 'quota', "'1 hour'", 'quota'],
    ['a rate limit waits for its probe', 'rate_limit', "'-1 second'", 'throttled'],
    ['DingTalk is out of order', 'outage', "'1 minute'", 'outage'],
    ['a misconfigured app waits for its probe', 'permission', "'-1 second'", 'configuration'],
  ])('the pause of an app when %s', async (_, code, wait, expected) => {
    const paused = code === null ? 'NULL, NULL' : `'${code}', now() + interval ${wait}`
    const gauges = await gaugesAfter(
      `INSERT INTO delivery_app (app, calls_month, calls_used, pause_code, paused_until) VALUES ('hr', '2001-01', 7, ${paused})`,
    )
    expect(gauges.apps).toEqual([{ app: 'hr', callsUsed: 0, pauseKind: expected }])
    expect(gauges.calls).toMatchObject([{ app: 'hr', used: 0, left: 100 }])
  })

  test('calls of this month are counted, and a budget that was made smaller is not below 0', async () => {
    const gauges = await gaugesAfter(
      `INSERT INTO delivery_app (app, calls_month, calls_used) VALUES ('hr', to_char(now() AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM'), 700)`,
    )
    expect(gauges).toMatchObject({ apps: [{ callsUsed: 700 }], calls: [{ app: 'hr', used: 700, left: 0, warning: 'none_left' }] })
  })

  test('open tasks are counted by problem, and agent ids and workers by app', async () => {
    const gauges = await gaugesAfter(
      `SELECT track_delivery(task_id => n::text, app => CASE WHEN n < 4 THEN 'hr' ELSE 'it' END) FROM generate_series(1, 5) AS n;
       UPDATE delivery_task SET problem_code = CASE task_id WHEN '3' THEN 'permission' ELSE 'agent_id' END WHERE task_id <> '5';
       UPDATE delivery_task SET status = 'cancelled', next_poll_at = NULL, finished_at = now() WHERE task_id = '4';
       INSERT INTO delivery_app (app) VALUES ('hr'), ('it');
       INSERT INTO delivery_pair (app, agent_id, pause_code, paused_until) VALUES ('hr', '1', 'agent_id', now()), ('hr', '2', NULL, NULL);
       INSERT INTO delivery_worker (worker_id, started_at, seen_at, expires_at, apps, problems) VALUES
         ('runs', now(), now(), now() + interval '1 minute', '{hr,it}', '{"it": {"code": "credentials"}}'),
         ('gone', now(), now(), now() - interval '1 minute', '{hr,it}', '{"it": {"code": "credentials"}}')`,
    )
    expect(gauges.problems.toSorted((a, b) => (a.problem < b.problem ? -1 : 1))).toEqual([
      { app: 'hr', problem: 'agent_id', count: 2 },
      { app: 'hr', problem: 'permission', count: 1 },
    ])
    expect(gauges.pausedScopes.toSorted((a, b) => (a.app < b.app ? -1 : 1))).toEqual([
      { app: 'hr', pairs: 1, workers: 0 },
      { app: 'it', pairs: 0, workers: 1 },
    ])
  })

  test('of the laws of an app the newest one counts', async () => {
    const gauges = await gaugesAfter(
      `INSERT INTO delivery_law (app, law, tasks, people, learned_at) VALUES ('hr', '{}', 7, 70, now() - interval '1 day'),
         ('hr', '{}', 8, 80, now() - interval '1 hour'), ('it', '{}', 0, 0, now() + interval '1 minute')`,
    )
    expect(gauges.laws).toEqual([
      { app: 'hr', tasks: 8, ageSeconds: expect.closeTo(3_600, -3) },
      { app: 'it', tasks: 0, ageSeconds: 0 },
    ])
  })

  test('a task that ended blind is counted by its code, and one whose window closed early is not', async () => {
    const gauges = await gaugesAfter(
      `SELECT track_delivery(task_id => n::text) FROM generate_series(1, 4) AS n;
       UPDATE delivery_task SET status = 'expired', next_poll_at = NULL, finished_at = now(), reason_code = (ARRAY['blind_before_deadline',
         'never_observed', 'window_closed_early', 'window_over'])[task_id::integer]`,
    )
    expect(gauges.blind).toMatchObject({ ended: 2 })
  })

  test('a task is overdue a minute after its poll was due', async () => {
    const gauges = await gaugesAfter(
      `SELECT track_delivery(task_id => n::text) FROM generate_series(1, 3) AS n;
       UPDATE delivery_task SET next_poll_at = now() - make_interval(secs => task_id::integer * 30)`,
    )
    expect(gauges.tasks).toEqual([{ app: 'default', status: 'tracking', count: 3 }])
    expect(gauges.overdue).toBe(2)
  })
})

test('an open task is blind from its own plan: not before a poll was due, and not after one succeeded', async () => {
  const task = (id: string, offsets: string, lastObserved: string): string =>
    `SELECT track_delivery(task_id => '${id}', app => 'hr', sent_at => now() - interval '6 hours');
     UPDATE delivery_task SET scheduled_at = sent_at, poll_offsets = ${offsets}, last_observed_at = ${lastObserved} WHERE task_id = '${id}'`
  const hours = (...each: number[]): string => `ARRAY[${each.map((hour) => Math.round(hour * 3_600_000)).join(',')}]`
  const { blind } = await gaugesAfter(
    [
      // Nothing is due for hours: a night.
      task('1', hours(0.1, 12, 23.8), "now() - interval '5 hours'"),
      // The poll of three hours ago is missing.
      task('2', hours(0.1, 3, 23.8), "now() - interval '5 hours'"),
      task('3', hours(0.1, 3, 23.8), "now() - interval '3 hours' + interval '2 seconds'"),
      // Due now, so not missed yet.
      task('4', hours(0.1, 6, 23.8), "now() - interval '5 hours'"),
      // Never polled at all.
      task('5', hours(1, 23.8), 'NULL'),
      // Skipped, since it was planned ten seconds after a successful one.
      task('6', hours(3, 3 + 10 / 3_600, 23.8), "now() - interval '3 hours' + interval '1 second'"),
      // Scheduled by an earlier version: the longest gap counts.
      task('7', 'NULL', "now() - interval '30 minutes'"),
      task('8', 'NULL', "now() - interval '2 hours'"),
    ].join(';'),
  )
  expect(blind.open).toBe(3)
})

async function gaugesAfter(sql: string) {
  const created = await createTestDatabase({ migrated: true })
  onTestFinished(() => created.drop())
  const database = openDatabase(created.url)
  onTestFinished(() => database.close())
  await database.pool.query(sql)
  return readGauges(database, new Map([['hr', 100]]), { missedMs: 60_000, minGapMs: 30_000, blindMs: 3_600_000 })
}

/** A task of one reader from its first poll to its end. */
async function afterLooks(): Promise<{ page: string; running: Running }> {
  const running = await aRunningWorker(undefined, { monthlyCallBudget: 4_000 })
  const sentAt = Date.now()
  running.server.add({
    taskId: '256271667526',
    agentId: '836390886',
    sentAt,
    windowMs: 60_000,
    people: [{ userId: 'ann', fate: 'delivered', listedAt: sentAt, readAt: sentAt }],
  })
  const client = new Client({ connectionString: running.databaseUrl })
  await client.connect()
  try {
    await client.query("SELECT track_delivery(task_id => '256271667526', user_ids => ARRAY['ann'])")
  } finally {
    await client.end()
  }
  const page = await until(
    async () => {
      const now = await running.worker.metrics()
      // The row is written before its poll is counted.
      return /status="complete"} 1$/m.test(now) && /^dingtalk_delivery_recipients_read_total/m.test(now) && now
    },
    { what: 'the task has ended' },
  )
  return { page, running }
}

/** Throws where the series is not on the page. */
function valueOf(page: string, series: string): number {
  const line = page.split('\n').find((each) => each.startsWith(`dingtalk_delivery_${series} `))
  if (line === undefined) throw new Error(`${series} is not on the page:\n${page}`)
  return Number(line.split(' ').at(-1))
}
