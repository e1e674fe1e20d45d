import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDeliveryStore } from '../../src/store/delivery-store.ts'
import { readGauges } from '../../src/store/gauges.ts'
import { checkKept, keepFigures } from '../../src/store/maintenance.ts'
import { migrate } from '../../src/store/migrate.ts'
import { type Database, openDatabase } from '../../src/store/prisma.ts'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { migrationList, NO_FILTERS, withSchemaEngine } from './support/schema-engine.ts'

/** A database of 0.1.0 with everything that its tasks and apps could hold, brought up to date: what was stored keeps its meaning. */

const LAST_OF_0_1_0 = '20261126000000_personal_data'

let created: TestDatabase
let client: Client
let database: Database
beforeAll(async () => {
  created = await createTestDatabase()
  const { migrationDirectories, ...list } = migrationList()
  const old = migrationDirectories.filter(({ path }) => path <= LAST_OF_0_1_0)
  await withSchemaEngine(
    created.url,
    (engine) => engine.applyMigrations({ migrationsList: { ...list, migrationDirectories: old }, filters: NO_FILTERS }),
    { schema: 'public' },
  )
  client = new Client({ connectionString: created.url })
  await client.connect()
  await client.query(ROWS)
  await migrate(created.url)
  database = openDatabase(created.url)
})
afterAll(async () => {
  await database.close()
  await client.end()
  await created.drop()
})

/** As 0.1.0 wrote them. */
const REASONS: ReadonlyArray<readonly [string, string, string]> = [
  ['complete', 'all_read', 'all_read'],
  ['complete', 'all_accounted_for: 3 read, 2 could not be reached', 'all_accounted_for'],
  ['cancelled', 'cancelled', 'cancelled'],
  ['expired', 'window_over: the 24 hours in which DingTalk answers have passed', 'window_over'],
  [
    'expired',
    'blind_before_deadline: nothing is known after 2026-11-20T08:15:00.000Z (the app is paused: grant it)',
    'blind_before_deadline',
  ],
  ['expired', 'never_observed: no poll brought a result before the deadline (60020 IP)', 'never_observed'],
  ['expired', 'sent_too_long_ago: tracking began after the 24 hours in which DingTalk answers; no call was made', 'sent_too_long_ago'],
  [
    'stopped',
    'probably_too_many_recipients: DingTalk answered "Call timeout" 3 times and never gave a result',
    'probably_too_many_recipients',
  ],
  ['stopped', 'refused: DingTalk refused the parameters: check them (DingTalk said: 400002 bad)', 'parameters'],
]

const ended = REASONS.map(
  ([status, reason], i) => `
  INSERT INTO delivery_task (app, task_id, status, reason, sent_at, deadline_at, adopted_at, recipients_known, poll_no, finished_at)
  VALUES ('default', 'ended-${i}', '${status}', '${reason}', now() - interval '2 days', now() - interval '1 day', now(), true, 3, now());`,
)

const ROWS = `
  INSERT INTO delivery_task (
    app, task_id, agent_id, sent_at, deadline_at, adopted_at, recipients_known, poll_no, good_polls, next_poll_at, last_good_requested_at, last_observed_at, unread
  ) VALUES (
    'default', 'open', '836390886', now() - interval '1 hour', now() + interval '23 hours', now(), true, 5, 4, now() + interval '1 hour', now() - interval '10 minutes',
    now() - interval '10 minutes', 1
  );
  INSERT INTO delivery_recipient (task_pk, user_id, named, state, first_seen_at) SELECT id, 'ann', true, 'unread', now() FROM delivery_task WHERE task_id = 'open';
  INSERT INTO delivery_poll (task_pk, poll_no, due_at, requested_at, responded_at, outcome, code, changed, anomalies)
  SELECT id, 5, now(), now(), now(), 'transient', '-1', 0, 0 FROM delivery_task WHERE task_id = 'open';
  INSERT INTO delivery_transition (task_pk, user_id, to_state, from_state, after_at, at, poll_no)
  SELECT id, 'ann', 'unread', 'pending', sent_at, now(), 1 FROM delivery_task WHERE task_id = 'open';
  INSERT INTO delivery_task (app, task_id, sent_at, deadline_at, adopted_at, recipients_known, poll_no, next_poll_at, hindrance)
  VALUES ('default', 'hindered', now() - interval '1 hour', now() + interval '23 hours', now(), false, 1, now() + interval '1 hour',
    'the app is paused: grant the app the permission qyapi_base (DingTalk said: 60011 no)');
  INSERT INTO delivery_task (app, task_id, sent_at, deadline_at, recipients_known, next_poll_at)
  VALUES ('default', 'not planned', now(), now() + interval '1 day', false, now());
  ${ended.join('\n')}
  INSERT INTO delivery_task (app, task_id, campaign, status, sent_at, deadline_at, adopted_at, recipients_known, poll_no, finished_at, last_observed_at)
  SELECT 'well', 'sent-' || n, 'sent before', 'expired', '2026-10-01T08:00:00Z', '2026-10-02T08:00:00Z', now(), true, 3, now(), '2026-10-02T07:55:00Z'
  FROM generate_series(1, 2) AS n;
  INSERT INTO delivery_recipient (task_pk, user_id, named, state, first_read_at)
  SELECT id, 'ann of ' || task_id, true, 'read', '2026-10-01T09:00:00Z' FROM delivery_task WHERE campaign = 'sent before';
  SELECT delivery_settle_campaigns(10, 60);
  INSERT INTO delivery_app (app, calls_month, calls_used, pause_kind, pause_reason, paused_until, probing, probes) VALUES
    ('default', '2026-11', 700, 'configuration', 'grant it', now() + interval '1 hour', true, 3),
    ('used up', '2026-11', 5000, 'quota', 'the quota is used up', now() + interval '20 days', false, 0),
    ('throttled', '2026-11', 9, 'throttled', 'slow down', now() + interval '1 minute', false, 0),
    ('well', '2026-11', 12, NULL, NULL, NULL, false, 0);`

describe('a task that ended', () => {
  test.each(REASONS.map(([status, reason, code], i) => ({ status, reason, code, id: `ended-${i}` })))(
    'keeps its reason as text, and has it as the code $code',
    async ({ id, status, reason, code }) => {
      const { rows } = await client.query(
        'SELECT status, reason, reason_code, reason_detail, calls, polls FROM delivery_task_rates WHERE task_id = $1',
        [id],
      )
      expect(rows).toEqual([{ status, reason, reason_code: code, reason_detail: { text: reason }, calls: 3, polls: 3 }])
    },
  )
})

describe('an open task', () => {
  const store = () => createDeliveryStore(database, { agentIdOf: () => '836390886' })

  test('goes on where it was: its polls were its calls, its send time counts as given, and it has no problem', async () => {
    expect(await store().load({ app: 'default', taskId: 'open' })).toMatchObject({
      ...{ status: 'tracking', pollNo: 5, goodPolls: 4, calls: 5, finalCalls: 0, sentAtGiven: true, problem: null, delay: null },
      recipients: [{ userId: 'ann', state: { kind: 'unread', listed: true } }],
    })
  })

  test('that waited has the text of why, in the view too, until its next poll', async () => {
    const text = 'the app is paused: grant the app the permission qyapi_base (DingTalk said: 60011 no)'
    expect(await store().load({ app: 'default', taskId: 'hindered' })).toMatchObject({
      delay: { code: 'earlier_version', detail: { text } },
    })
    const { rows } = await client.query("SELECT hindrance, delay_code FROM delivery_task_rates WHERE task_id = 'hindered'")
    expect(rows).toEqual([{ hindrance: text, delay_code: 'earlier_version' }])
  })

  test('that no worker has planned is planned as a new one', async () => {
    const plan = () => ({ deadlineAt: new Date(), pollOffsetsMs: [], first: { at: new Date(), last: false } })
    expect(await store().schedule(plan, 10)).toMatchObject([{ key: { taskId: 'not planned' }, resumed: false }])
  })

  test('has its polls and its changes as they were', async () => {
    const { rows: polls } = await client.query(
      "SELECT outcome, code, problem_code, scope, calls FROM delivery_looks WHERE task_id = 'open'",
    )
    expect(polls).toEqual([{ outcome: 'transient', code: '-1', problem_code: null, scope: null, calls: 1 }])
    const { rows: changes } = await client.query(
      "SELECT after_at IS NOT NULL AS bounded FROM delivery_state_changes WHERE task_id = 'open'",
    )
    expect(changes).toEqual([{ bounded: true }])
  })
})

describe('an app', () => {
  test('keeps its calls and is paused no more: each pause was made from one answer', async () => {
    const { rows } = await client.query(
      'SELECT app, calls_used, pause_code, paused_until, probing, probes, last_good_at IS NOT NULL AS was_good FROM delivery_app ORDER BY app',
    )
    const free = { pause_code: null, paused_until: null, probing: false, probes: 0 }
    expect(rows).toEqual([
      { app: 'default', calls_used: 700, ...free, was_good: true },
      { app: 'throttled', calls_used: 9, ...free, was_good: false },
      { app: 'used up', calls_used: 5_000, ...free, was_good: false },
      { app: 'well', calls_used: 12, ...free, was_good: false },
    ])
  })

  test('is known to be good with the agent ids with which polls succeeded', async () => {
    const { rows } = await client.query('SELECT app, agent_id, pause_code, last_good_at IS NOT NULL AS was_good FROM delivery_pair_status')
    expect(rows).toEqual([{ app: 'default', agent_id: '836390886', pause_code: null, was_good: true }])
  })
})

describe('a campaign', () => {
  const shown = async (): Promise<unknown[]> =>
    (
      await client.query<object>(
        `SELECT tasks, open_tasks, first_sent_at, last_sent_at, last_deadline_at, last_observed_at, targeted, read, read_rate
         FROM delivery_campaign_rates WHERE campaign = 'sent before'`,
      )
    ).rows
  const figures = [
    {
      ...{ tasks: 2, open_tasks: 0, targeted: 2, read: 2, read_rate: 1 },
      ...{ first_sent_at: new Date('2026-10-01T08:00:00Z'), last_sent_at: new Date('2026-10-01T08:00:00Z') },
      ...{ last_deadline_at: new Date('2026-10-02T08:00:00Z'), last_observed_at: new Date('2026-10-02T07:55:00Z') },
    },
  ]

  test('has the figures of its tasks at once, and no person of it is counted again', async () => {
    expect(await shown()).toEqual(figures)
    expect((await client.query("SELECT FROM delivery_campaign_change WHERE campaign = 'sent before'")).rows).toEqual([])
  })

  test('is counted by the first check, which learns that no person is in two of its tasks', async () => {
    const once = async (): Promise<unknown[]> =>
      (await client.query<object>("SELECT people_once FROM delivery_task_read_times WHERE campaign = 'sent before'")).rows
    expect(await once()).toEqual([{ people_once: false }, { people_once: false }])
    expect(await checkKept(database)).toEqual({ checked: 1, wrongCampaigns: [], wrongCounts: 0 })
    expect(await once()).toEqual([{ people_once: true }, { people_once: true }])
    expect(await shown()).toEqual(figures)
  })

  test('is among the ended tasks, before and after they are counted', async () => {
    const count = async () => (await readGauges(database, new Map(), { missedMs: 1, minGapMs: 1, blindMs: 1 })).tasks
    const before = await count()
    expect(before).toContainEqual({ app: 'well', status: 'expired', count: 2 })
    expect(await keepFigures(database)).toBe(true)
    expect(new Set(await count())).toEqual(new Set(before))
  })
})
