import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MINUTE_MS, SECOND_MS } from '../../src/domain/delivery.ts'
import { forbiddenReasonOf } from '../../src/domain/problems.ts'
import { readsUnknown, toElapsedBracket } from '../../src/report/read-brackets.ts'
import { timeToReadOfTask, timeToReadPooled } from '../../src/report/time-to-read.ts'
import { runs } from '../support/runs.ts'
import {
  boundsOf,
  bracketsOf,
  byName,
  campaignCurveOf,
  figuresOf,
  knownAt,
  lastUnreadOf,
  latestOf,
  onePerPerson,
  only,
  type RawPerson,
  type RawTask,
  readTables,
  type Tables,
} from './support/naive.ts'
import { aRequest, type Lists, minutesLater, SENT } from './support/polls.ts'
import { expire, lookBetween, lookInVain, openTestReader, pagesOf, scaledDeadline, set, type TestReader } from './support/reader.ts'

/** Random sends and polls go through the real store; then everything that can be asked is compared with the tables. */

let db: TestReader
beforeAll(async () => {
  db = await openTestReader()
})
afterAll(() => db.close())

const PEOPLE = ['ann', 'Bob', '李雷', '0366', 'x_y', '%'] as const
const CODES = ['143105', '143106', '143104', '999'] as const

const aListing = fc.constantFrom('read', 'unread', 'failed', 'invalid', 'forbidden', 'reasonless', 'nowhere', 'nowhere')
const aLook = fc.record({
  /** Minutes since the poll before; 0 polls of several tasks at one moment. */
  gap: fc.constantFrom(1, 2, 7),
  listed: fc.array(aListing, { minLength: PEOPLE.length, maxLength: PEOPLE.length }),
  code: fc.constantFrom(...CODES),
  kind: fc.constantFrom('good', 'good', 'good', 'good', 'empty', 'refused', 'in vain'),
})
const aTask = fc.record({
  campaign: fc.constantFrom('one', 'one', 'two', null),
  sentMinutes: fc.constantFrom(0, 0, 3, 10),
  sentAtGiven: fc.constantFrom(true, true, false),
  named: fc.option(fc.subarray([...PEOPLE], { minLength: 1 })),
  polls: fc.array(aLook, { maxLength: 5 }),
  end: fc.constantFrom('no', 'no', 'expired', 'cancelled'),
  timeScale: fc.constantFrom(1, 1, 60),
})
type SomeTask = typeof aTask extends fc.Arbitrary<infer T> ? T : never
type SomeLook = SomeTask['polls'][number]

function bodyOf({ listed, code, kind }: SomeLook): unknown {
  if (kind === 'empty') return { errcode: 0 }
  if (kind === 'refused') return { errcode: 88, sub_code: 'isv.busy', errmsg: 'later' }
  const list = (wanted: string): string[] => PEOPLE.filter((_, i) => listed[i] === wanted)
  const lists: Lists = { read: list('read'), unread: list('unread'), failed: list('failed'), invalid: list('invalid') }
  return {
    errcode: 0,
    send_result: {
      read_user_id_list: lists.read,
      unread_user_id_list: lists.unread,
      failed_user_id_list: lists.failed,
      invalid_user_id_list: lists.invalid,
      forbidden_user_id_list: list('reasonless'),
      forbidden_list: list('forbidden').map((userid) => ({ code, count: 500, userid })),
    },
  }
}

async function play(app: string, { campaign, sentMinutes, sentAtGiven, named, polls, end, timeScale }: SomeTask): Promise<void> {
  const sentAt = minutesLater(sentMinutes)
  const request = aRequest({ app, campaign, sentAt, userIds: named })
  await db.store.track([request])
  await set(db, request, { tracked_at: sentAt, sent_at_given: sentAtGiven, deadline_at: scaledDeadline(sentAt, timeScale) })
  let minutes = 0
  for (const poll of polls) {
    minutes += poll.gap
    const requestedAt = new Date(sentAt.getTime() + (minutes * MINUTE_MS) / timeScale)
    const open = (await db.rates.task(request)).status === 'tracking'
    if (!open) return
    if (poll.kind === 'in vain') await lookInVain(db, request, requestedAt)
    else await lookBetween(db, request, bodyOf(poll), requestedAt, new Date(requestedAt.getTime() + SECOND_MS))
  }
  if (end === 'expired') await expire(db, request)
  if (end === 'cancelled') await db.store.cancel(request)
}

let made = 0

// oxlint-disable-next-line vitest/expect-expect -- the properties below have them
test('every figure is what the tables say', { timeout: 240_000 }, async () => {
  const property = fc.asyncProperty(fc.array(aTask, { minLength: 1, maxLength: 5 }), fc.boolean(), async (tasks, isSettled) => {
    const app = `random-${++made}`
    for (const task of tasks) await play(app, task)
    if (isSettled) await db.pool.query('SELECT delivery_recount_campaigns(1000, 10), delivery_keep_ended(1000)')
    const tables = await readTables(db.pool, app)
    await holdTasks(app, tables)
    for (const task of tables.tasks)
      await holdTask(
        only(tables, (each) => each === task),
        task,
      )
    const campaigns = new Set(tables.tasks.flatMap(({ campaign }) => campaign ?? []))
    await holdCampaigns(app, tables, campaigns)
    for (const campaign of campaigns)
      await holdCampaign(
        { app, campaign },
        only(tables, (task) => task.campaign === campaign),
      )
    await holdPopulation(app, tables)
  })
  await fc.assert(property, { numRuns: runs(25), seed: 20_261_123 })
})

/** Tasks with delivered people whose send time was not given. */
const assumedIn = (people: readonly RawPerson[]): number =>
  new Set(people.filter(({ state, task }) => (state === 'read' || state === 'unread') && !task.sent_at_given).map(({ task }) => task.id))
    .size

const keyOf = ({ app, task_id }: RawTask) => ({ app, taskId: task_id })
const before = (a: RawTask, b: RawTask): number => b.sent_at.getTime() - a.sent_at.getTime() || (b.task_id < a.task_id ? -1 : 1)

async function holdTasks(app: string, { tasks }: Tables): Promise<void> {
  const listed = (await pagesOf((page) => db.rates.tasks({ app, ...page }), 2)).flat()
  expect(listed.map(({ taskId }) => taskId)).toEqual(tasks.toSorted(before).map(({ task_id }) => task_id))
  for (const task of listed) expect(task).toEqual(await db.rates.task(task))
}

async function holdTask(tables: Tables, task: RawTask): Promise<void> {
  const key = keyOf(task)
  const { people, polls, changes } = tables
  const rates = await db.rates.task(key)
  const figures = figuresOf(people.map(({ state }) => state))
  expect(rates).toMatchObject({ ...figures, lastObservedAt: task.last_observed_at, polls: polls.length, status: task.status })
  expect(await db.rates.recipients(key, {})).toEqual(people.toSorted(byName).map(statusOf))
  expect((await db.rates.stateDetails(key)).forbidden).toEqual(reasonsOf(people))
  const good = polls.filter(({ outcome }) => outcome === 'observed').sort((a, b) => a.poll_no - b.poll_no)
  const curve = await db.rates.curve(key)
  expect(curve.map(({ at, delivered, read }) => [at, delivered, read])).toEqual(
    good.map(({ responded_at, read, unread }) => [responded_at, (read ?? 0) + (unread ?? 0), read]),
  )
  if (curve.length > 0) expect(curve.at(-1)).toMatchObject({ at: rates.lastObservedAt, read: rates.read, readRate: rates.readRate })
  const brackets = bracketsOf(people)
  expect((await db.rates.readTimes(key)).bounds).toEqual(boundsOf(brackets))
  expect(await db.rates.timeToRead(key)).toEqual(timeToReadOfTask(brackets.map(toElapsedBracket), task.last_observed_at, assumedIn(people)))
  expect(await db.rates.readTimes(key)).toEqual({
    bounds: (await db.rates.readTimes(key)).bounds,
    unknown: readsUnknown(brackets),
    timeToRead: await db.rates.timeToRead(key),
  })
  for (const at of momentsOf(tables, task)) expect(await db.rates.stateAt(key, at)).toEqual(knownAt(tables, at))
  const [first] = people
  if (first === undefined) return
  const { person, polls: said } = await db.rates.explain(key, first.user_id)
  expect(person).toEqual(statusOf(first))
  expect(said.map(({ pollNo }) => pollNo)).toEqual(polls.map(({ poll_no }) => poll_no).sort((a, b) => a - b))
  const own = changes.filter(({ user_id }) => user_id === first.user_id)
  expect(said.filter(({ isChange }) => isChange).map(({ pollNo, state }) => [pollNo, state])).toEqual(
    own.sort((a, b) => a.poll_no - b.poll_no).map(({ poll_no, to_state }) => [poll_no, to_state]),
  )
  expect(said.at(-1)?.state ?? 'pending').toBe(first.state)
}

function momentsOf({ polls }: Tables, { sent_at }: RawTask): Date[] {
  const answers = polls.flatMap(({ responded_at }) => responded_at ?? [])
  return [new Date(sent_at.getTime() - 1), sent_at, ...answers, ...answers.map((at) => new Date(at.getTime() - 1)), new Date()]
}

function statusOf(person: RawPerson) {
  const { task, user_id, state, first_seen_at, first_read_at, forbidden_code, forbidden_count, named } = person
  const lastUnreadAt = lastUnreadOf(person)
  return {
    ...{ app: task.app, taskId: task.task_id, campaign: task.campaign, userId: user_id, state, named, lastUnreadAt },
    ...{ firstSeenAt: first_seen_at, firstReadAt: first_read_at, forbiddenCode: forbidden_code, forbiddenCount: forbidden_count },
    readAfter: state === 'read' ? (lastUnreadAt ?? (task.sent_at_given ? task.sent_at : null)) : null,
    readBefore: state === 'read' ? first_read_at : null,
    asOf: task.last_observed_at,
    // No person of these databases is known by name.
    ...{ name: null, department: null },
  }
}

function reasonsOf(people: readonly RawPerson[]) {
  const codes = people.filter(({ state }) => state === 'forbidden').map(({ forbidden_code }) => forbidden_code)
  return [...new Set(codes)]
    .map((code) => ({ code, reason: forbiddenReasonOf(code), people: codes.filter((each) => each === code).length }))
    .sort((a, b) => b.people - a.people || ((a.code ?? '~') < (b.code ?? '~') ? -1 : 1))
}

async function holdCampaigns(app: string, { tasks }: Tables, campaigns: ReadonlySet<string>): Promise<void> {
  const listed = (await pagesOf((page) => db.rates.campaigns({ app, ...page }), 1)).flat()
  expect(new Set(listed.map(({ campaign }) => campaign))).toEqual(campaigns)
  for (const campaign of listed) expect(campaign).toEqual(await db.rates.campaign(campaign))
  const sent = listed.map(({ lastSentAt }) => lastSentAt.getTime())
  expect(sent).toEqual(sent.toSorted((a, b) => b - a))
  const lastSent = listed.map(({ campaign }) => latestOf(tasks.filter((task) => task.campaign === campaign).map(({ sent_at }) => sent_at)))
  expect(listed.map(({ lastSentAt }) => lastSentAt)).toEqual(lastSent)
}

async function holdCampaign(ref: { readonly app: string; readonly campaign: string }, { tasks, people, changes }: Tables): Promise<void> {
  const everybody = onePerPerson(people)
  const best = everybody.flatMap(([first]) => first ?? [])
  const rates = await db.rates.campaign(ref)
  expect(rates).toEqual({
    ...ref,
    ...figuresOf(best.map(({ state }) => state)),
    tasks: tasks.length,
    openTasks: tasks.filter(({ status }) => status === 'tracking').length,
    firstSentAt: tasks.map(({ sent_at }) => sent_at).reduce((a, b) => (b < a ? b : a)),
    lastSentAt: latestOf(tasks.map(({ sent_at }) => sent_at)),
    lastDeadlineAt: latestOf(tasks.map(({ deadline_at }) => deadline_at)),
    lastObservedAt: latestOf(tasks.map(({ last_observed_at }) => last_observed_at)),
    namesRemovedAt: null,
  })
  const listed = (await pagesOf((page) => db.rates.campaignRecipients(ref, page), 2)).flat()
  expect(listed).toEqual(everybody.flatMap((rows) => (rows[0] === undefined ? [] : [{ ...statusOf(rows[0]), tasks: rows.length }])))
  expect((await db.rates.stateDetails(ref)).forbidden).toEqual(reasonsOf(best))
  const curve = await db.rates.campaignCurve(ref)
  expect(curve).toEqual(campaignCurveOf(changes))
  expect(curve.at(-1) ?? { delivered: 0, read: 0, readRate: null }).toMatchObject({
    ...{ delivered: rates.delivered, read: rates.read, readRate: rates.readRate },
  })
  const brackets = bracketsOf(people)
  expect((await db.rates.readTimes(ref)).bounds).toEqual(boundsOf(brackets))
  expectTimes(await db.rates.timeToRead(ref), timeToReadPooled(brackets.map(toElapsedBracket), rates.lastObservedAt, assumedIn(people)))
  expect(await db.rates.readTimes(ref)).toEqual({
    bounds: (await db.rates.readTimes(ref)).bounds,
    unknown: readsUnknown(brackets),
    timeToRead: await db.rates.timeToRead(ref),
  })
}

async function holdPopulation(app: string, tables: Tables): Promise<void> {
  const periods = [{}, { since: minutesLater(3) }, { until: minutesLater(3) }, { since: SENT, until: minutesLater(10) }] as const
  for (const period of periods) {
    const { since, until }: { since?: Date; until?: Date } = period
    const { tasks, people } = only(
      tables,
      ({ sent_at }) => (since === undefined || sent_at >= since) && (until === undefined || sent_at < until),
    )
    const asOf = latestOf(tasks.map(({ last_observed_at }) => last_observed_at))
    expectTimes(
      await db.rates.timeToRead({ app, ...period }),
      timeToReadPooled(bracketsOf(people).map(toElapsedBracket), asOf, assumedIn(people)),
    )
    expect((await db.rates.tasks({ app, ...period })).items).toHaveLength(tasks.length)
    const campaigns = new Set(tasks.flatMap(({ campaign }) => campaign ?? []))
    expect(new Set((await db.rates.campaigns({ app, ...period })).items.map(({ campaign }) => campaign))).toEqual(campaigns)
  }
}

/** The estimate adds up people in the order of their rows: the last digits differ. */
function expectTimes(is: unknown, expected: unknown): void {
  expect(rounded(is)).toEqual(rounded(expected))
}

function rounded(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, each: unknown) => (typeof each === 'number' ? Number(each.toFixed(6)) : each)))
}
