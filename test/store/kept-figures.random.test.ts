import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TaskKey } from '../../src/domain/delivery.ts'
import { toElapsedBracket } from '../../src/report/read-brackets.ts'
import { timeToReadPooled } from '../../src/report/time-to-read.ts'
import { beginErasure, erasePerson } from '../../src/store/erase-people.ts'
import { readGauges } from '../../src/store/gauges.ts'
import { checkKept, createOldDetails, keepFigures } from '../../src/store/maintenance.ts'
import { runs } from '../support/runs.ts'
import { recountCampaigns } from './support/database.ts'
import { bracketsOf, latestOf, only, readTables } from './support/naive.ts'
import { aRequest, loaded, minutesLater, planFor, SENT } from './support/polls.ts'
import { expire, openTestReader, set, type TestReader } from './support/reader.ts'

/** Days with everything that changes figures, done by several at once; then what is kept is compared with what the rows say. */

let db: TestReader
beforeAll(async () => {
  db = await openTestReader()
})
afterAll(() => db.close())

const PEOPLE = ['ann', 'bob', 'cy', 'dan', 'eve', 'fay'] as const
const LISTS = ['read', 'unread', 'failed', 'invalid', 'forbidden', 'nowhere'] as const

const aStep = fc.oneof(
  { weight: 4, arbitrary: fc.record({ what: fc.constant('track'), campaign: fc.constantFrom('one', 'two', null), people: somePeople() }) },
  { weight: 8, arbitrary: fc.record({ what: fc.constant('poll'), task: fc.nat(9), lists: fc.array(fc.constantFrom(...LISTS), sized(6)) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constantFrom('expire', 'cancel'), task: fc.nat(9) }) },
  // Another campaign and other people: a correction, where no poll has succeeded.
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant('correct'),
      task: fc.nat(9),
      campaign: fc.constantFrom('one', 'three'),
      people: somePeople(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('erase'), person: fc.constantFrom(...PEOPLE) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constantFrom('remove names', 'remove tasks'), task: fc.nat(9) }) },
  { weight: 4, arbitrary: fc.record({ what: fc.constantFrom('recount', 'keep ended', 'check') }) },
)
type Step = typeof aStep extends fc.Arbitrary<infer T> ? T : never

function somePeople() {
  // Most of the time people of one task only, so that campaigns are counted by what changes; sometimes people of several.
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant('own' as const) },
    { weight: 1, arbitrary: fc.subarray([...PEOPLE], { minLength: 1 }) },
  )
}

function sized(length: number) {
  return { minLength: length, maxLength: length }
}

let made = 0

test('kept figures are what the rows say, whatever happens at once', { timeout: 240_000 }, async () => {
  const property = fc.asyncProperty(
    fc.array(fc.array(aStep, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 10 }),
    async (rounds) => {
      const app = `app-${++made}`
      const keys: TaskKey[] = []
      let minutes = 0
      for (const steps of rounds) {
        minutes += 2
        // All steps of a round at once.
        await Promise.all(steps.map((step) => play(app, keys, step, minutes)))
        await hold(app)
      }
      await recountCampaigns(db)
      await keepFigures(db)
      await hold(app)
      const due = await db.pool.query("UPDATE delivery_campaign SET checked_at = now() - interval '21 hours'")
      expect(await checkKept(db)).toEqual({ checked: due.rowCount, wrongCampaigns: [], wrongCounts: 0 })
    },
  )
  await fc.assert(property, { numRuns: runs(40) })
})

async function play(app: string, keys: TaskKey[], step: Step, minutes: number): Promise<void> {
  const key = 'task' in step ? keys[step.task] : undefined
  if (step.what === 'track') {
    const [campaign, people] = ['campaign' in step ? step.campaign : null, 'people' in step ? step.people : 'own']
    const request = aRequest({ app, campaign, sentAt: minutesLater(-keys.length) })
    keys.push(request)
    await db.store.track([{ ...request, userIds: people === 'own' ? ownPeople(request) : people }])
  } else if (step.what === 'recount') await recountCampaigns(db)
  else if (step.what === 'keep ended') await keepFigures(db)
  else if (step.what === 'check') await checkKept(db)
  else if ('person' in step) await erasePerson(db, { userId: step.person, app }, await beginErasure(db, { userId: step.person, app }))
  else if (key === undefined) return
  else if ('lists' in step) await poll(key, step.lists, minutes)
  else if ('people' in step) await correct(key, step)
  else if (step.what === 'expire') await expire(db, key).catch(() => undefined)
  else if (step.what === 'cancel') await db.store.cancel(key)
  else await removeOld(key, step.what)
}

const ownPeople = ({ taskId }: TaskKey): string[] => ['x', 'y', 'z'].map((name) => `${name}${taskId}`)

/** A poll that finds the task changed by another step writes nothing. */
async function poll(key: TaskKey, lists: readonly string[], minutes: number): Promise<void> {
  const task = await db.store.load(key)
  if (task === null || task.status !== 'tracking') return
  const named = task.recipients.length > 0 ? task.recipients.map(({ userId }) => userId) : PEOPLE
  const listed = (list: string): string[] => named.filter((_, i) => lists[i % lists.length] === list)
  const [read = [], unread = [], failed = [], invalid = [], forbidden = []] = LISTS.map(listed)
  await db.store.apply(planFor(task, { read, unread, failed, invalid, forbidden }, minutes))
}

async function correct(
  { app, taskId }: TaskKey,
  step: { readonly people: 'own' | readonly string[]; readonly campaign: string },
): Promise<void> {
  const userIds = step.people === 'own' ? null : step.people
  await db.store.track([aRequest({ app, taskId, campaign: step.campaign, userIds, sentAt: SENT })])
}

/** The task ended long ago; an open one did not. */
async function removeOld(key: TaskKey, what: string): Promise<void> {
  await db.pool.query(
    "UPDATE delivery_task SET finished_at = now() - interval '2 days' WHERE app = $1 AND task_id = $2 AND status <> 'tracking'",
    [key.app, key.taskId],
  )
  const old = createOldDetails(db)
  const before = new Date(Date.now() - 86_400_000)
  await (what === 'remove names' ? old.removeNames(before, 50) : old.removeTasks(before, 50))
}

const OF_TASKS = `
  count(*)::integer AS tasks, (count(*) FILTER (WHERE status = 'tracking'))::integer AS open_tasks, min(sent_at) AS first_sent_at,
  max(deadline_at) AS last_deadline_at, max(last_observed_at) AS last_observed_at, max(sent_at) AS last_sent_at, max(names_removed_at) AS names_removed_at`

const PEOPLE_COLUMNS = 'pending, invalid, failed, forbidden, unread, read'

async function hold(app: string): Promise<void> {
  const { rows } = await db.pool.query<{ shown: unknown; stored: unknown }>(
    `SELECT
      (SELECT json_agg(c ORDER BY campaign) FROM (
        SELECT campaign, tasks, open_tasks, first_sent_at, last_deadline_at, last_observed_at, last_sent_at, names_removed_at, ${PEOPLE_COLUMNS}
        FROM delivery_campaign_rates WHERE app = $1
      ) AS c) AS shown,
      (SELECT json_agg(c ORDER BY campaign) FROM (
        SELECT task.*, ${PEOPLE_COLUMNS.split(', ')
          .map((state) => `coalesce(people.${state}, 0) AS ${state}`)
          .join(', ')}
        FROM (SELECT campaign, ${OF_TASKS} FROM delivery_task WHERE app = $1 AND campaign IS NOT NULL GROUP BY campaign) AS task
        LEFT JOIN delivery_campaign_recount AS people ON people.app = $1 AND people.campaign = task.campaign
      ) AS c) AS stored`,
    [app],
  )
  expect(rows[0]?.shown).toEqual(rows[0]?.stored)
  await holdCounts(app)
  await holdTimes(app)
}

async function holdCounts(app: string): Promise<void> {
  const { tasks } = await readGauges(db, new Map(), { missedMs: 60_000, minGapMs: 30_000, blindMs: 3_600_000 })
  const { rows } = await db.pool.query(
    'SELECT app, status, count(*)::integer AS count FROM delivery_task WHERE app = $1 GROUP BY app, status',
    [app],
  )
  const byStatus = (a: { status: string }, b: { status: string }): number => (a.status < b.status ? -1 : 1)
  expect(tasks.filter((count) => count.app === app).sort(byStatus)).toEqual(rows.sort(byStatus))
}

async function holdTimes(app: string): Promise<void> {
  const tables = await readTables(db.pool, app)
  for (const window of [{}, { since: minutesLater(-3), until: minutesLater(0) }]) {
    const { since = new Date(0), until = new Date() } = window
    const { tasks, people } = only(tables, ({ sent_at }) => sent_at >= since && sent_at < until)
    const expected = timeToReadPooled(bracketsOf(people).map(toElapsedBracket), latestOf(tasks.map((task) => task.last_observed_at)))
    expect(await db.rates.timeToRead({ app, ...window })).toEqual(expected)
  }
}

test('what is wrong is found, named and repaired', async () => {
  const request = aRequest({ app: 'wrong', campaign: 'one', userIds: ['ann', 'bob'] })
  await db.store.track([request])
  await db.store.cancel(request)
  await recountCampaigns(db)
  await keepFigures(db)
  await db.pool.query(`
    UPDATE delivery_campaign SET read = 7, checked_at = now() - interval '21 hours' WHERE app = 'wrong';
    UPDATE delivery_ended_tasks SET tasks = tasks + 3 WHERE app = 'wrong'`)
  expect(await checkKept(db)).toMatchObject({ wrongCampaigns: ['one'], wrongCounts: 1 })
  await hold('wrong')
  expect(await checkKept(db)).toMatchObject({ checked: 0, wrongCampaigns: [], wrongCounts: 0 })
})

test('a campaign whose people are in one task each is counted by what changed: no person is read', async () => {
  const requests = Array.from({ length: 20 }, (_, i) => aRequest({ app: 'apart', campaign: 'big', userIds: [`a${i}`, `b${i}`] }))
  await db.store.track(requests)
  await recountCampaigns(db)
  const key = requests[3] ?? aRequest()
  const recounted = async (): Promise<boolean> => {
    await recountCampaigns(db)
    const { rows } = await db.pool.query<{ whole: boolean }>(
      "SELECT checked_at = recounted_at AS whole FROM delivery_campaign WHERE app = 'apart'",
    )
    return rows[0]?.whole ?? false
  }
  await db.store.apply(planFor(await loaded(db.store, key), { read: ['a3'], unread: ['b3'] }, 5))
  await hold('apart')
  expect(await recounted()).toBe(false)
  await hold('apart')
  // A person who was not named, and who is in another task too.
  await db.store.apply(planFor(await loaded(db.store, key), { read: ['a3', 'a4'] }, 7))
  await hold('apart')
  expect(await recounted()).toBe(true)
  await db.store.apply(planFor(await loaded(db.store, requests[4] ?? key), { unread: ['a4'] }, 9))
  await hold('apart')
  expect(await recounted()).toBe(true)
  await hold('apart')
})

test('a person who gets the name of one in another task is one person with that one', async () => {
  const requests = ['ann', 'bob', 'cy'].map((name) => aRequest({ app: 'renamed', campaign: 'big', userIds: [name] }))
  await db.store.track(requests)
  await recountCampaigns(db)
  await db.pool.query(
    "UPDATE delivery_recipient SET user_id = 'ann' WHERE user_id = 'bob' AND task_pk IN (SELECT id FROM delivery_task WHERE app = 'renamed')",
  )
  await hold('renamed')
  await recountCampaigns(db)
  await hold('renamed')
  expect((await db.pool.query("SELECT targeted FROM delivery_campaign_rates WHERE app = 'renamed'")).rows).toEqual([{ targeted: 2 }])
})

// Without people, so that no change of theirs marks the campaign.
// oxlint-disable-next-line vitest/expect-expect -- `hold` has them
test.each(['sent_at', 'deadline_at', 'last_observed_at', 'names_removed_at', 'status'])(
  'the figures are exact when %s of an ended task changes by hand',
  async (column) => {
    const app = `by-hand-${column}`
    const requests = Array.from({ length: 2 }, () => aRequest({ app, campaign: 'one' }))
    await db.store.track(requests)
    for (const request of requests) await db.store.cancel(request)
    await recountCampaigns(db)
    await keepFigures(db)
    await hold(app)
    const value = column === 'status' ? 'stopped' : new Date(SENT.getTime() + 100 * 86_400_000)
    await set(db, requests[0] ?? aRequest(), { [column]: value })
    await hold(app)
    await recountCampaigns(db)
    await hold(app)
  },
)

test('the people of an ended task are read no more, and other names change no bracket', async () => {
  const request = aRequest({ app: 'ended', campaign: 'over', userIds: ['ann', 'bob', 'cy'] })
  await db.store.track([request])
  await db.store.apply(planFor(await loaded(db.store, request), { read: ['ann'], unread: ['bob', 'cy'] }, 5))
  await expire(db, request)
  await recountCampaigns(db)
  await keepFigures(db)
  const kept = async (): Promise<unknown[]> =>
    (
      await db.pool.query<object>(
        'SELECT after_ms, before_ms, people FROM delivery_task_brackets JOIN delivery_task ON id = task_pk WHERE app = $1',
        ['ended'],
      )
    ).rows
  const brackets = [{ after_ms: [300_000, null], before_ms: [null, 301_000], people: [2, 1] }]
  expect(await kept()).toEqual(brackets)
  await erasePerson(db, { userId: 'bob', app: 'ended' }, await beginErasure(db, { userId: 'bob', app: 'ended' }))
  expect(await kept()).toEqual(brackets)
  await hold('ended')
  // By hand: no program changes a person of an ended task.
  await db.pool.query(
    "UPDATE delivery_recipient SET state = 'failed' WHERE user_id = 'cy' AND task_pk IN (SELECT id FROM delivery_task WHERE app = 'ended')",
  )
  expect(await kept()).toEqual([])
  await hold('ended')
  await set(db, request, { sent_at: minutesLater(-10) })
  await hold('ended')
})

test('a time that is weeks away from the send is not kept, and the other ended tasks are', async () => {
  const requests = ['far', 'near'].map((name) => aRequest({ app: 'weeks', campaign: 'over', userIds: [name] }))
  await db.store.track(requests)
  for (const request of requests) {
    await db.store.apply(planFor(await loaded(db.store, request), { unread: request.userIds ?? [] }, 5))
    await expire(db, request)
  }
  await db.pool.query("UPDATE delivery_recipient SET last_unread_at = now() + interval '40 days' WHERE user_id = 'far'")
  await recountCampaigns(db)
  await keepFigures(db)
  const { rows } = await db.pool.query("SELECT task_id FROM delivery_task_brackets JOIN delivery_task ON id = task_pk WHERE app = 'weeks'")
  expect(rows).toEqual([{ task_id: requests[1]?.taskId }])
  await hold('weeks')
})
