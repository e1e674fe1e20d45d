import picocolors from 'picocolors'
import cellsOf from 'string-width'
import type { Display } from '../../src/cli/rates.ts'
import { HOUR_MS, MINUTE_MS } from '../../src/domain/delivery.ts'
import { buildTiming, jitterOf, pollTimes } from '../../src/domain/poll-times.ts'
import type { CampaignReport } from '../../src/report/campaign-report.ts'
import { overdueMs, pollsAhead } from '../../src/report/polls-ahead.ts'
import type { CampaignRates, CampaignRecipient, Poll, TaskRates } from '../../src/report/rates.ts'
import type { ReadFigures, TaskReport } from '../../src/report/task-report.ts'
import type { ReadQuantile, ShareWithin, TimeBounds } from '../../src/report/time-to-read.ts'

export const plain = picocolors.createColors(false)
export const coloured = picocolors.createColors(true)

export const SENT = new Date('2026-11-23T01:00:00Z')
export const NOW = hoursLater(10.5)
const POLLS = 24

export function hoursLater(hours: number): Date {
  return new Date(SENT.getTime() + hours * HOUR_MS)
}

export function displayOf(width: number): Display {
  return { colors: plain, width }
}

/** The widest line of a text, in columns of a terminal. */
export function widestOf(text: string): number {
  return Math.max(...text.split('\n').map(cellsOf))
}

const COUNTS = { targeted: 97, delivered: 87, read: 66, unread: 21, pending: 5, failed: 1, forbidden: 4, invalid: 0 }
const RATES = { readRate: 66 / 87, readRateOfTargeted: 66 / 97 }

/** Half past seven in the evening of a task that was sent at nine in the morning, China time. */
export function aTask(fields: Partial<TaskRates> = {}): TaskRates {
  const key = { app: 'default', taskId: '256271667526' }
  const planned = pollTimes(
    { key, sentAt: SENT, deadlineAt: hoursLater(24), sentAtGiven: true, pollOffsetsMs: null },
    buildTiming(POLLS),
    jitterOf(key),
  )
  return {
    ...key,
    agentId: null,
    campaign: '十一月工资单 payroll-11',
    status: 'tracking',
    reason: null,
    reasonCode: null,
    reasonDetail: null,
    problemCode: null,
    problemDetail: null,
    problemSince: null,
    sentAt: SENT,
    sentAtGiven: true,
    deadlineAt: hoursLater(24),
    lastObservedAt: hoursLater(10),
    finishedAt: null,
    polls: 17,
    calls: 17,
    goodPolls: 16,
    trackedAt: SENT,
    nextPollAt: planned.find(({ at }) => at > NOW)?.at ?? null,
    delayReason: null,
    delayCode: null,
    delayDetail: null,
    recipientsKnown: true,
    namesRemovedAt: null,
    ...{ pollOffsets: null, plan: null, admitted: true },
    ...COUNTS,
    ...RATES,
    ...fields,
  }
}

function aCampaign(fields: Partial<CampaignRates> = {}): CampaignRates {
  return {
    app: 'default',
    campaign: '十一月工资单 payroll-11',
    tasks: 1,
    openTasks: 1,
    firstSentAt: SENT,
    lastSentAt: SENT,
    lastDeadlineAt: hoursLater(24),
    lastObservedAt: hoursLater(10),
    namesRemovedAt: null,
    ...COUNTS,
    ...RATES,
    ...fields,
  }
}

const READS: ReadonlyArray<readonly [hours: number, read: number]> = [
  [0.05, 4],
  [0.2, 20],
  [0.5, 35],
  [1, 44],
  [2, 48],
  [4, 55],
  [7, 60],
  [10, 66],
]

function aPoll(fields: Partial<Poll> = {}): Poll {
  const answered = { outcome: 'observed', code: '0', message: null, requestId: 'r1', problemCode: null, scope: null, calls: 1 } as const
  const people = { pending: 5, invalid: 0, failed: 1, forbidden: 4, unread: 21, read: 66 }
  const times = { dueAt: hoursLater(10), requestedAt: hoursLater(10), respondedAt: hoursLater(10) }
  return { pollNo: 17, ...answered, ...people, ...times, changed: 6, anomalies: 0, ...fields }
}

const FIGURES: ReadFigures = {
  curve: READS.map(([hours, read]) => ({ at: hoursLater(hours), delivered: 87, read, readRate: read / 87 })),
  bounds: [],
  unknown: [],
  timeToRead: {
    people: 87,
    read: 66,
    method: 'polls',
    asOf: hoursLater(10),
    assumedSendTimes: 0,
    quantiles: [
      aQuantile(0.25, { afterMs: 3 * MINUTE_MS, beforeMs: 12 * MINUTE_MS }),
      aQuantile(0.5, { afterMs: 12 * MINUTE_MS, beforeMs: 20 * MINUTE_MS }),
      aQuantile(0.75, { afterMs: 7 * HOUR_MS, beforeMs: 10 * HOUR_MS }),
      aQuantile(0.9, { afterMs: 10 * HOUR_MS, beforeMs: null }),
    ],
    within: [aShare(1, 44 / 87, 48 / 87), aShare(4, 55 / 87, 60 / 87), aShare(8, 60 / 87, 66 / 87), aShare(24, 66 / 87, 1)],
  },
  forbidden: [
    { code: '143105', reason: 'daily_limit', people: 3 },
    { code: '143106', reason: 'duplicate_content', people: 1 },
  ],
  unreadAsOf: hoursLater(10),
}

const UNREAD = ['036632523163121146', '0366325231631211', '李伟.00012', 'manager4220', 'zhang.00044', 'zhao.00051']

function aPerson(userId: string): CampaignRecipient {
  return {
    ...{ app: 'default', taskId: '256271667526', campaign: null, userId, state: 'unread', firstSeenAt: null, lastUnreadAt: hoursLater(10) },
    ...{
      firstReadAt: null,
      forbiddenCode: null,
      forbiddenCount: null,
      readAfter: null,
      readBefore: null,
      named: true,
      name: null,
      department: null,
      asOf: null,
      tasks: 1,
    },
  }
}

export function aReport(task: TaskRates = aTask(), now: Date = NOW, fields: Partial<TaskReport> = {}): TaskReport {
  const noCounts = { pending: null, invalid: null, failed: null, forbidden: null, unread: null, read: null }
  return {
    ...FIGURES,
    task,
    polls: [
      aPoll({ pollNo: 15, requestedAt: hoursLater(7), unread: 27, read: 60, changed: 5 }),
      aPoll({
        pollNo: 16,
        requestedAt: hoursLater(8),
        outcome: 'transient',
        code: 'TIMEOUT',
        message: 'no answer in 10 s',
        ...noCounts,
        changed: 0,
      }),
      aPoll(),
    ],
    people: UNREAD.map(aPerson),
    ahead: pollsAhead(task, now, POLLS),
    overdueMs: overdueMs(task, now),
    scale: 1,
    elapsedMs: Math.min(now.getTime() - SENT.getTime(), 24 * HOUR_MS),
    ...fields,
  }
}

export function aCampaignReport(): CampaignReport {
  return {
    ...FIGURES,
    campaign: aCampaign({ tasks: 23 }),
    tasks: { items: [aTask()], nextCursor: 'more' },
    people: { items: UNREAD.slice(0, 5).map(aPerson), nextCursor: 'more' },
    scale: 1,
    elapsedMs: 10.5 * HOUR_MS,
  }
}

/** @param likely where it is not what is certain */
export function aQuantile(share: number, certain: TimeBounds, likely: TimeBounds = certain): ReadQuantile {
  return { share, ...likely, certain }
}

export function aShare(hours: number, atLeast: number, atMost: number): ShareWithin {
  return { hours, atLeast, atMost, certain: { atLeast, atMost } }
}
