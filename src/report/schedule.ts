import { HOUR_MS, MINUTE_MS, QUERY_WINDOW_MS } from '../domain/delivery.ts'
import { bracketWidthMs, expectedCalls } from '../domain/schedule/calls.ts'
import { buildComparedOffsets, longestGapMs, meanDelayMs } from '../domain/schedule/compare.ts'
import { at, shareBy, sharesBy } from '../domain/schedule/curve.ts'
import type { PlacedBy } from '../domain/schedule/plan-detail.ts'
import type { Calendar, Curve, Law } from '../domain/schedule/types.ts'
import type { TaskRates } from './rates.ts'

/** Reads when tasks are polled and why. Every method rejects with `DATABASE_UNAVAILABLE`, `SCHEMA_MISMATCH` or `NOT_PERMITTED`. */
export interface ScheduleReader {
  /**
   * The polls that a task would get. Without an app, those of the only app that there is.
   * @throws {TrackerError} `APP_NOT_FOUND`, `SEVERAL_APPS`
   */
  schedule(request: ScheduleRequest): Promise<ScheduleReport>
  /** The polls that a task got, with the read curve from which they follow. Null: its plan is not stored, see `TaskRates.pollOffsets`. */
  scheduleOfTask(task: TaskRates): Promise<ScheduleReport | null>
  /** The apps that are configured or have a task. */
  apps(): Promise<readonly string[]>
  /** The organisation's clock and its days off. */
  readonly clock: Calendar & {
    /** Of the IANA database. */
    readonly timeZone: string
  }
}

/** DingTalk reports at most so many recipients of a task, see `getsendresult`. */
export const MAX_TASK_RECIPIENTS = 100
/** Of `POLLS_PER_TASK`. */
export const MAX_TASK_POLLS = 500

export interface ScheduleRequest {
  readonly app?: string | undefined
  /** Default: now. */
  readonly sentAt?: Date | undefined
  /** Recipients of the task, 1 to 100. Default: the median of the app's latest tasks. */
  readonly recipients?: number | undefined
  /** Polls of the task, 1 to 500. Default: as many as the settings and the budget give it. */
  readonly polls?: number | undefined
  /** The mean bracket that is to be reached with the fewest polls, in milliseconds. Default: as set. */
  readonly targetWidthMs?: number | undefined
}

/** When the recipients of an app read, and from what that is known. */
export interface ScheduleLaw {
  /** `learned`: from tasks of the app; `pooled`: from those of the organisation's other apps; `prior`: assumed, before there is any. */
  readonly kind: 'learned' | 'pooled' | 'prior'
  /** What a plan names; null for the prior. */
  readonly version: number | null
  /** From how many ended tasks of the app it was learned, of how many delivered recipients. */
  readonly tasks: number
  readonly people: number
  /** When the latest of these tasks was sent; null: there is none. */
  readonly lastSentAt: Date | null
  readonly learnedAt: Date | null
  /** Attention of a minute in each of the 24 hours of work days and of free days; 1 is the average of a work day. */
  readonly attention: Law['attention']
}

export interface ScheduledPoll {
  /** Since the send, in milliseconds of the 24-hour window. */
  readonly offsetMs: number
  readonly at: Date
  /** Since the poll before it, or since the send, in milliseconds of the 24-hour window. */
  readonly gapMs: number
  /** The share of recipients that is expected to have read by then. */
  readonly readShare: number
  /** The share that is expected to have read since the poll before. */
  readonly newShare: number
  readonly isFinal: boolean
}

/** An hour of the organisation's clock that lies in the window. */
export interface ScheduledHour {
  /** 0 to 23. */
  readonly hour: number
  /** Where it begins, since the send, in milliseconds of the 24-hour window; the first one began before. */
  readonly offsetMs: number
  readonly isFreeDay: boolean
  /** Of a minute in it. */
  readonly attention: number
}

/** `task`: those of a task; `given`: asked for; `median`: of the app's latest tasks; `assumed`: the app has no task. */
export const RECIPIENTS_FROM = ['task', 'given', 'median', 'assumed'] as const
type RecipientsFrom = (typeof RECIPIENTS_FROM)[number]

/** The content of `schedule`, of its JSON and of the dashboard's part about it. Durations are milliseconds of the 24-hour window. */
export interface ScheduleReport {
  /** Null: there is no app yet. */
  readonly app: string | null
  readonly sentAt: Date
  readonly recipients: number
  readonly recipientsFrom: RecipientsFrom
  readonly placedBy: PlacedBy
  readonly law: ScheduleLaw
  /** Ascending, the final one last. */
  readonly polls: readonly ScheduledPoll[]
  /** The calls that are expected: a task ends with the poll that lists its last recipient as read. At most one for each poll, but for retries. */
  readonly expectedCalls: number
  /** What a call cost when the app's latest task was planned, or the task itself, see `PlanDetail`; null: there is no budget. */
  readonly price: number | null
  /** The expected mean bracket of those who read. */
  readonly widthMs: number
  /** That of as many polls with growing gaps. */
  readonly growingWidthMs: number
  /** From a read to the poll that shows it, in the mean. */
  readonly meanDelayMs: number
  readonly longestGapMs: number
  /** The share of recipients that is expected to have read, each quarter of an hour from the send to the end of the window. */
  readonly curve: ReadonlyArray<{ readonly offsetMs: number; readonly share: number }>
  /** From the hour of the send on: 25, or 24 where it was sent at a full hour. */
  readonly hours: readonly ScheduledHour[]
}

/** What a report is made from. */
export interface ScheduleParts
  extends Pick<ScheduleReport, 'app' | 'sentAt' | 'recipients' | 'recipientsFrom' | 'placedBy' | 'law' | 'price'> {
  readonly curve: Curve
  /** All polls in milliseconds of the 24-hour window, ascending, the final one last; at least one. */
  readonly offsetsMs: readonly number[]
  readonly calendar: Calendar
  /** Milliseconds of the window in one real millisecond. */
  readonly timeScale: number
}

const CURVE_STEP_MS = 15 * MINUTE_MS

export function buildScheduleReport(parts: ScheduleParts): ScheduleReport {
  const { app, sentAt, recipients, recipientsFrom, placedBy, law, price, curve, offsetsMs } = parts
  const finalOffsetMs = at(offsetsMs, offsetsMs.length - 1)
  return {
    ...{ app, sentAt, recipients, recipientsFrom, placedBy, law, price },
    polls: buildPolls(parts),
    expectedCalls: expectedCalls(curve, offsetsMs, recipients),
    widthMs: bracketWidthMs(curve, offsetsMs),
    growingWidthMs: bracketWidthMs(curve, buildComparedOffsets(offsetsMs.length, finalOffsetMs).growing),
    meanDelayMs: meanDelayMs(curve, offsetsMs),
    longestGapMs: longestGapMs(offsetsMs),
    curve: Array.from({ length: QUERY_WINDOW_MS / CURVE_STEP_MS + 1 }, (_, i) => ({
      offsetMs: i * CURVE_STEP_MS,
      share: shareBy(curve, i * CURVE_STEP_MS),
    })),
    hours: buildHours(parts),
  }
}

function buildPolls({ sentAt, curve, offsetsMs, timeScale }: ScheduleParts): ScheduledPoll[] {
  const shares = sharesBy(curve, offsetsMs)
  return offsetsMs.map((offsetMs, i) => ({
    offsetMs,
    at: new Date(sentAt.getTime() + offsetMs / timeScale),
    gapMs: offsetMs - at(offsetsMs, i - 1),
    readShare: at(shares, i),
    newShare: at(shares, i) - at(shares, i - 1),
    isFinal: i === offsetsMs.length - 1,
  }))
}

const DAY_HOURS = 24

function buildHours({ sentAt, calendar, law }: ScheduleParts): ScheduledHour[] {
  const sentMs = calendar.localAt(sentAt)
  const first = Math.floor(sentMs / HOUR_MS)
  const last = Math.ceil((sentMs + QUERY_WINDOW_MS) / HOUR_MS)
  return Array.from({ length: last - first }, (_, i) => {
    const day = Math.floor((first + i) / DAY_HOURS)
    const hour = first + i - day * DAY_HOURS
    const isFreeDay = calendar.isFreeDay(day)
    const attention = at(isFreeDay ? law.attention.free : law.attention.work, hour)
    return { hour, offsetMs: (first + i) * HOUR_MS - sentMs, isFreeDay, attention }
  })
}
