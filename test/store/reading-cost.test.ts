import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseConfig } from '../../src/app/config/config.ts'
import { scheduleOptions } from '../../src/app/schedules.ts'
import type { RateReader } from '../../src/report/rates.ts'
import { createRateReader } from '../../src/store/rate-reader.ts'
import { createScheduleReader } from '../../src/store/reading/schedule.ts'
import { createFormat } from '../../src/web/dashboard/components/format.ts'
import { type Content, MESSAGES, type PageRequest } from '../../src/web/dashboard/page.ts'
import { campaignPage } from '../../src/web/dashboard/pages/campaign.ts'
import { comparePage } from '../../src/web/dashboard/pages/compare.ts'
import { overviewPage } from '../../src/web/dashboard/pages/overview.ts'
import { everythingSentPage, peopleSearchPage } from '../../src/web/dashboard/pages/people.ts'
import { personPage } from '../../src/web/dashboard/pages/person.ts'
import { schedulePage } from '../../src/web/dashboard/pages/schedule.ts'
import { taskPage } from '../../src/web/dashboard/pages/task.ts'
import { shareReads } from '../../src/web/shared-reads.ts'
import { openTestStore, type TestStore } from './support/database.ts'
import { aRequest, minutesLater } from './support/polls.ts'

/** A campaign is one message to 40 people, a task to 4 of them; three apps, one of which has a single task. */
const TASKS = 4_000
const CAMPAIGN_TASKS = 10
const PEOPLE = 4

const requests = Array.from({ length: TASKS }, (_, i) =>
  aRequest({
    app: i === 7 ? 'rare' : `app${i % 2}`,
    campaign: `campaign ${Math.floor(i / 2 / CAMPAIGN_TASKS)}`,
    userIds: Array.from({ length: PEOPLE }, (__, person) => `user${i * PEOPLE + person}`),
    sentAt: minutesLater(-i / 10),
  }),
)
const ref = { app: 'app0', taskId: requests[2_000]?.taskId ?? '' }
const planned = { app: 'app0', taskId: requests[2_002]?.taskId ?? '' }
const campaign = { app: 'app0', campaign: 'campaign 100' }

let db: TestStore
let rates: RateReader
beforeAll(async () => {
  // One connection, so that its own statistics are complete when it asks for them.
  db = await openTestStore({ max: 1 })
  rates = createRateReader(db)
  await db.store.track(requests)
  await db.pool.query(`
    UPDATE delivery_recipient SET state = 'unread', last_unread_at = now(), first_seen_at = now();
    INSERT INTO delivery_poll (task_pk, poll_no, requested_at, responded_at, outcome, code, pending, invalid, failed, forbidden, unread, read, changed, anomalies)
      SELECT id, no, sent_at + make_interval(mins => no), sent_at + make_interval(mins => no), 'observed', '0', 0, 0, 0, 0, ${PEOPLE}, 0, 0, 0
      FROM delivery_task CROSS JOIN generate_series(1, 5) AS no;
    UPDATE delivery_poll AS poll SET moved_states = '{4}', moved_after = ARRAY[now()],
      moved_user_ids = (SELECT string_agg(user_id, E'\\n' ORDER BY user_id) FROM delivery_recipient AS person WHERE person.task_pk = poll.task_pk)
      WHERE poll_no = 1;
    UPDATE delivery_task SET poll_no = 5, good_polls = 5, unread = ${PEOPLE}, pending = 0, last_observed_at = now(), next_poll_at = now() + interval '1 hour';
    INSERT INTO delivery_person (app, user_id, name, departments, manager_user_id) VALUES
      ('app0', 'user8000', 'Ann', '{HQ/Sales}', NULL), ('app0', 'user8001', 'Annette', '{HQ}', 'user8000');
    UPDATE delivery_task SET poll_offsets = '{600000,85890000}', plan = '{"placedBy": "growing"}' WHERE task_id = '${planned.taskId}';
    SELECT delivery_recount_campaigns(100000, 60);
    INSERT INTO delivery_person (app, user_id, name, departments)
      SELECT 'app0', 'user' || n, 'Name ' || n, ARRAY['Headquarters/Department ' || n % 10] FROM generate_series(1, ${TASKS * PEOPLE}) AS n ON CONFLICT DO NOTHING;
    ANALYZE`)
  // The marks of the campaigns above were deleted a moment ago, and would be read once more.
  await db.pool.query('VACUUM delivery_campaign_change')
})
afterAll(() => db.close())

/** Rows and index entries read of all tables of the tracker since the beginning. */
async function reads(): Promise<number> {
  await db.pool.query('SELECT pg_stat_force_next_flush()')
  const { rows } = await db.pool.query<{ reads: number }>(
    `SELECT ((SELECT sum(seq_tup_read) FROM pg_stat_user_tables) + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes))::double precision AS reads`,
  )
  return rows[0]?.reads ?? Number.NaN
}

async function readsOf(ask: () => Promise<unknown>): Promise<number> {
  const before = await reads()
  await ask()
  return (await reads()) - before
}

const CAMPAIGN_PEOPLE = CAMPAIGN_TASKS * PEOPLE

/** What each question may read; a scan of the tasks alone would be 4,000. */
const QUESTIONS: ReadonlyArray<readonly [name: string, most: number, ask: () => Promise<unknown>]> = [
  ['a task', 10, () => rates.task(ref)],
  ['a task whose app nobody names', 40, () => rates.task({ taskId: ref.taskId })],
  ['the tasks of an id', 40, () => rates.tasks({ taskId: ref.taskId })],
  ['a page of tasks', 300, () => rates.tasks({ limit: 50 })],
  ['a page of an app', 300, () => rates.tasks({ app: 'app0', limit: 50 })],
  ['the tasks of a campaign', 300, () => rates.tasks(campaign)],
  ['the latest tasks', 300, () => rates.tasks({ since: minutesLater(-5) })],
  ['a campaign', 300, () => rates.campaign(campaign)],
  ['stopped tasks, of which there are none', 10, () => rates.tasks({ status: 'stopped' })],
  ['the people of a task', 50, () => rates.recipients(ref, {})],
  ['the people of a campaign', 10 * CAMPAIGN_PEOPLE, () => rates.campaignRecipients(campaign, {})],
  ['the curve of a task', 50, () => rates.curve(ref)],
  ['the curve of a campaign', 10 * CAMPAIGN_PEOPLE, () => rates.campaignCurve(campaign)],
  ['the polls of a task', 50, () => rates.polls(ref)],
  ['the history of a person', 80, () => rates.explain(ref, 'user8000')],
  ['what was known at a moment', 100, () => rates.stateAt(ref, new Date())],
  ['the time to read of a task', 80, () => rates.timeToRead(ref)],
  ['the time to read of a campaign', 10 * CAMPAIGN_PEOPLE, () => rates.timeToRead(campaign)],
  ['the same with its bounds', 10 * CAMPAIGN_PEOPLE, () => rates.readTimes(campaign)],
  // Tasks that ended are not counted; all of these are open.
  ['what every app does', TASKS + 100, () => rates.apps()],
  ['what needs attention', 2 * TASKS + 100, () => rates.attention()],
  ['the state details of a campaign', 10 * CAMPAIGN_PEOPLE, () => rates.stateDetails(campaign)],
  ['the departments of a campaign', 10 * CAMPAIGN_PEOPLE, () => rates.campaignDepartments(campaign)],
  ['a page of the directory', 200, () => rates.people({ limit: 50 })],
  ['who has a user id, in one app', 20, () => rates.person({ userId: 'user8000', app: 'app0' })],
  // No index has user ids alone: it would be written for each recipient of each send. So each task is tried, by key, and no recipient of others is read.
  ['what was sent to a person', 4 * TASKS + 100, () => rates.personTasks({ userId: 'user8000' }, {})],
  ['who has a user id, in any app', 4 * TASKS + 100, () => rates.person({ userId: 'user8000' })],
]

test.each(QUESTIONS)('%s reads at most %i rows', async (_name, most, ask) => {
  expect(await readsOf(ask)).toBeLessThanOrEqual(most)
})

/** The statements that a page of the dashboard sends to the database. */
async function statementsOf(
  render: (pageRequest: PageRequest) => Promise<Content | string>,
  params: PageRequest['params'],
  query = '',
): Promise<number> {
  let statements = 0
  const source = {
    prisma: {
      $queryRawUnsafe: <T>(text: string, ...values: unknown[]) => {
        statements += 1
        return db.prisma.$queryRawUnsafe<T>(text, ...values)
      },
    },
  }
  const counting = createRateReader(source)
  const now = new Date()
  const schedules = createScheduleReader(
    source,
    scheduleOptions(parseConfig({}), new Map(), () => now),
  )
  const never = () => Promise.reject(new Error('a page resumes nothing'))
  const shown = await render({
    page: {
      language: 'en',
      theme: 'auto',
      messages: MESSAGES.en,
      format: createFormat('en'),
      now,
      path: '/',
      hasSession: false,
      prefix: '',
      canWrite: true,
      canSeeNames: true,
      severalApps: true,
      callerName: null,
    },
    options: {
      ...{ rates: counting, schedules, reads: shareReads(counting), now: () => now, apiToken: null, pollsPerTask: 24 },
      forecastCalls: async () => [],
      tracking: { resuming: { task: never, app: never }, track: never },
    },
    freshness: () => ({ ageMs: 0, reuseMs: 0 }),
    params,
    form: {},
    query: new URLSearchParams(query),
  })
  expect(typeof shown === 'string' ? shown : shown.body.markup).toMatch(/<h1|^\/people\//)
  return statements
}

test.each([
  ['the overview', overviewPage, {}, '', 6],
  ['the overview with a search', overviewPage, {}, 'q=campaign+100', 6],
  ['a task', taskPage, { taskId: ref.taskId }, 'app=app0', 3],
  ['a task without its app', taskPage, { taskId: ref.taskId }, '', 3],
  ['a task with a search', taskPage, { taskId: ref.taskId }, 'app=app0&q=user&state=all', 4],
  ['a task with a stored plan', taskPage, { taskId: planned.taskId }, 'app=app0', 4],
  ['the plan of an app', schedulePage, {}, 'app=app0', 4],
  ['the plan of an app to choose', schedulePage, {}, '', 1],
  ['a campaign', campaignPage, { name: campaign.campaign }, 'app=app0', 8],
  ['a campaign of which no person is pending', campaignPage, { name: campaign.campaign }, 'app=app0&state=pending', 7],
  ['a campaign and a department', campaignPage, { name: campaign.campaign }, 'app=app0&department=HQ', 8],
  ['a person', personPage, { taskId: ref.taskId, userId: 'user8000' }, 'app=app0', 4],
  ['all that a person was sent', everythingSentPage, { userId: 'user8000' }, 'app=app0', 2],
  ['a person with a manager', everythingSentPage, { userId: 'user8001' }, 'app=app0', 3],
  ['a person of no known app', everythingSentPage, { userId: 'user7999' }, '', 3],
  ['people found by name', peopleSearchPage, {}, 'q=Ann', 3],
  ['two campaigns', comparePage, {}, 'campaign=campaign+100&campaign=campaign+101&app=app0', 6],
  ['one campaign and others to choose', comparePage, {}, 'campaign=campaign+100&app=app0', 2],
] as const)('the page of %s takes few statements', async (_name, render, params, query, statements) => {
  expect(await statementsOf(render, params, query)).toBe(statements)
})
