import { expect, test } from 'vitest'
import { buildCampaignReport, campaignReportJson, loadCampaignReport } from '../../src/report/campaign-report.ts'
import type { CampaignRates, RateReader } from '../../src/report/rates.ts'
import { buildTaskReport, computeStateDetails, loadTaskReport, taskReportJson } from '../../src/report/task-report.ts'
import { hoursLater, minutesLater, SENT } from '../domain/support.ts'
import { aCampaign, aPerson, aPoll, aTask } from './support.ts'

const NOW = minutesLater(90)
const POLLS = 24

const people = [
  aPerson({ userId: 'ann', state: 'read', lastUnreadAt: minutesLater(10), firstReadAt: minutesLater(60) }),
  aPerson({ userId: 'bob', state: 'unread', lastUnreadAt: minutesLater(60) }),
  aPerson({ userId: 'eve', state: 'forbidden', forbiddenCode: '143105' }),
  aPerson({ userId: 'joe' }),
]
const failed = { outcome: 'transient', respondedAt: null, read: null, unread: null } as const
const polls = [aPoll(10, { read: 0, unread: 2 }), aPoll(20, failed), aPoll(30, { read: 0, unread: 0 }), aPoll(60)]

test('the report of a task follows from its row, its polls and its recipients', () => {
  const report = buildTaskReport({ task: aTask(), polls, people }, NOW, POLLS)
  expect(report.curve).toEqual([
    { at: polls[0]?.respondedAt, delivered: 2, read: 0, readRate: 0 },
    { at: polls[2]?.respondedAt, delivered: 0, read: 0, readRate: null },
    { at: polls[3]?.respondedAt, delivered: 2, read: 1, readRate: 0.5 },
  ])
  expect(report.bounds).toEqual([
    { at: minutesLater(10), atLeast: 0, atMost: 1 },
    { at: minutesLater(60), atLeast: 1, atMost: 2 },
  ])
  expect(report.timeToRead).toMatchObject({ people: 2, read: 1, method: 'polls', asOf: minutesLater(60), assumedSendTimes: 0 })
  expect(report).toMatchObject({ forbidden: [{ code: '143105', reason: 'daily_limit', people: 1 }], unreadAsOf: minutesLater(60) })
  expect(report).toMatchObject({ scale: 1, elapsedMs: 90 * 60_000, overdueMs: 20 * 60_000 })
  expect(report.ahead[0]).toEqual({ at: minutesLater(70), last: false })
  expect(taskReportJson(report)).toEqual({
    ...report.task,
    ...{ unreadAsOf: report.unreadAsOf, timeToRead: report.timeToRead, curve: report.curve, forbiddenReasons: report.forbidden, polls },
  })
})

test('an assumed send time counts where a person was delivered, and bounds no read', () => {
  const task = aTask({ sentAtGiven: false })
  const read = aPerson({ state: 'read', firstReadAt: minutesLater(60) })
  expect(buildTaskReport({ task, polls, people: [read] }, NOW, POLLS)).toMatchObject({
    timeToRead: { assumedSendTimes: 1 },
    bounds: [
      { at: SENT, atLeast: 0, atMost: 1 },
      { at: minutesLater(60), atLeast: 1, atMost: 1 },
    ],
  })
  expect(buildTaskReport({ task, polls, people: [aPerson()] }, NOW, POLLS).timeToRead.assumedSendTimes).toBe(0)
})

test('nothing of a window is over after its deadline', () => {
  expect(buildTaskReport({ task: aTask(), polls, people }, hoursLater(40), POLLS).elapsedMs).toBe(24 * 3_600_000)
})

test('forbidden people are counted by code, most first, then by code, and those without a code last', () => {
  const codes = ['143106', null, '143105', '143106', '143107', null, null]
  const forbidden = codes.map((forbiddenCode) => aPerson({ state: 'forbidden', forbiddenCode }))
  const counts = (some: typeof forbidden) => computeStateDetails(some).forbidden.map(({ code, people: count }) => [code, count])
  expect(counts(forbidden)).toEqual([
    [null, 3],
    ['143106', 2],
    ['143105', 1],
    ['143107', 1],
  ])
  expect(counts(forbidden.slice(0, 3))).toEqual([
    ['143105', 1],
    ['143106', 1],
    [null, 1],
  ])
  expect(counts([aPerson({ state: 'unread', forbiddenCode: '143105' })])).toEqual([])
})

test('unread people are unread as of the earliest of their times; without an unread person there is no time', () => {
  const [early, late] = [5, 60].map((minute) => aPerson({ state: 'unread', lastUnreadAt: minutesLater(minute) }))
  expect([
    computeStateDetails([late, early].flatMap((person) => person ?? [])).unreadAsOf,
    computeStateDetails([aPerson()]).unreadAsOf,
  ]).toEqual([minutesLater(5), null])
})

const FIGURES = {
  ...{ curve: [], bounds: [], unknown: [], forbidden: [], unreadAsOf: null },
  timeToRead: { people: 0, read: 0, method: 'turnbull', asOf: null, assumedSendTimes: 0, quantiles: [], within: [] },
} as const
const PAGES = { people: { state: 'unread', limit: 25 }, tasks: { limit: 20 } } as const

/** A reader that notes what it was asked. */
function aReader(campaign: CampaignRates): { readonly reader: RateReader; readonly asked: unknown[] } {
  const asked: unknown[] = []
  const answer =
    <T>(value: T) =>
    (...args: unknown[]): Promise<T> => {
      asked.push(args)
      return Promise.resolve(value)
    }
  const page = { items: [], nextCursor: null }
  const never = () => Promise.reject(new Error('not asked for'))
  const reader: RateReader = {
    ...{ task: answer(aTask()), polls: answer(polls), recipients: answer(people) },
    ...{ tasks: answer({ ...page, items: [aTask()] }), campaign: answer(campaign), campaignRecipients: answer(page) },
    ...{ campaignCurve: answer([]), stateDetails: answer(FIGURES), readTimes: answer(FIGURES) },
    ...{ campaigns: never, curve: never, timeToRead: never, stateAt: never, explain: never, apps: never, attention: never },
    ...{ campaignDepartments: never, people: never, person: never, personTasks: never },
  }
  return { reader, asked }
}

test('a task is loaded in three reads', async () => {
  const { reader, asked } = aReader(aCampaign())
  expect(await loadTaskReport(reader, { taskId: '1' }, NOW, POLLS)).toEqual(buildTaskReport({ task: aTask(), polls, people }, NOW, POLLS))
  expect(asked).toEqual([[{ taskId: '1' }], [aTask()], [aTask(), {}]])
})

test('a campaign is loaded in five reads, and its row is the reference', async () => {
  const campaign = aCampaign()
  const { reader, asked } = aReader(campaign)
  const report = await loadCampaignReport(reader, campaign, PAGES, NOW)
  const parts = { campaign, ...FIGURES, tasks: { items: [aTask()], nextCursor: null }, people: { items: [], nextCursor: null } }
  expect(report).toEqual(buildCampaignReport(parts, NOW))
  expect(asked).toHaveLength(5)
  expect(asked).toContainEqual([{ app: 'default', campaign: 'payroll', limit: 20 }])
  expect(asked).toContainEqual([campaign, PAGES.people])
  expect(campaignReportJson(campaign, report)).toEqual({
    ...campaign,
    ...{ unreadAsOf: null, timeToRead: FIGURES.timeToRead, curve: [], forbiddenReasons: [] },
  })
})

test('the time of a campaign is over at its last deadline, and counts in milliseconds of the 24-hour window', () => {
  const none = { items: [], nextCursor: null }
  const parts = { campaign: aCampaign(), ...FIGURES, tasks: none, people: none }
  expect(buildCampaignReport(parts, hoursLater(30))).toMatchObject({ scale: 1, elapsedMs: 24 * 3_600_000 })
  const fast = { ...parts, tasks: { ...none, items: [aTask({ deadlineAt: minutesLater(1) })] } }
  expect(buildCampaignReport(fast, minutesLater(1))).toMatchObject({ scale: 1_440, elapsedMs: 24 * 3_600_000 })
})
