import type { PlannedPoll } from '../domain/poll-times.ts'
import { forbiddenReasonOf } from '../domain/problems.ts'
import { overdueMs, pollsAhead } from './polls-ahead.ts'
import { rateOf } from './rate.ts'
import type { CurvePoint, ForbiddenCount, Poll, RateReader, ReadTimes, RecipientStatus, StateDetails, TaskRates, TaskRef } from './rates.ts'
import { readBounds, readsUnknown, scaleOf, sinceSendMs, toElapsedBracket, toTaskBracket } from './read-brackets.ts'
import { timeToReadOfTask } from './time-to-read.ts'

/** What the report of a task or a campaign says about reads, besides the counts and rates. */
export interface ReadFigures extends ReadTimes, StateDetails {
  readonly curve: readonly CurvePoint[]
}

/** What is read of one task: all else in its report follows from it. */
export interface TaskData {
  readonly task: TaskRates
  /** All of them, oldest first. */
  readonly polls: readonly Poll[]
  /** All of them, by user id. */
  readonly people: readonly RecipientStatus[]
}

/** The content of a task's page, of `show` and of its JSON. */
export interface TaskReport extends TaskData, ReadFigures {
  /** The next poll and the planned ones after it; none once the task has ended. */
  readonly ahead: readonly PlannedPoll[]
  /** By how much the next poll is overdue; null: it is not. */
  readonly overdueMs: number | null
  /** See `scaleOf`. */
  readonly scale: number
  /** How much of its window is over, in milliseconds of the 24-hour window. */
  readonly elapsedMs: number
}

/** Three statements, four without an app. @throws {TrackerError} `TASK_NOT_FOUND`, `SEVERAL_APPS` */
export async function loadTaskReport(reader: RateReader, ref: TaskRef, now: Date, pollsPerTask: number): Promise<TaskReport> {
  const task = await reader.task(ref)
  const [polls, people] = await Promise.all([reader.polls(task), reader.recipients(task, {})])
  return buildTaskReport({ task, polls, people }, now, pollsPerTask)
}

/** @param pollsPerTask of this process, for the polls that are planned */
export function buildTaskReport(data: TaskData, now: Date, pollsPerTask: number): TaskReport {
  const { task, polls, people } = data
  return {
    ...data,
    ...readTimesOfTask(task, people),
    ...computeStateDetails(people),
    curve: computeCurve(polls),
    ahead: pollsAhead(task, now, pollsPerTask),
    overdueMs: overdueMs(task, now),
    scale: scaleOf(task),
    elapsedMs: sinceSendMs(now < task.deadlineAt ? now : task.deadlineAt, task),
  }
}

export function readTimesOfTask(
  { sentAt, sentAtGiven, deadlineAt, lastObservedAt }: TaskRates,
  people: readonly RecipientStatus[],
): ReadTimes {
  const brackets = people
    .filter(({ state }) => state === 'read' || state === 'unread')
    .map(({ lastUnreadAt, firstReadAt }) => toTaskBracket({ sentAt, sentAtGiven, deadlineAt, lastUnreadAt, firstReadAt }))
  const assumedSendTimes = sentAtGiven || brackets.length === 0 ? 0 : 1
  const timeToRead = timeToReadOfTask(brackets.map(toElapsedBracket), lastObservedAt, assumedSendTimes)
  return { bounds: readBounds(brackets), unknown: readsUnknown(brackets), timeToRead }
}

/** A point for each successful poll. @param polls oldest first */
export function computeCurve(polls: readonly Poll[]): CurvePoint[] {
  return polls.flatMap(({ respondedAt: at, read, unread }) => {
    if (at === null || read === null || unread === null) return []
    return [{ at, delivered: read + unread, read, readRate: rateOf(read, read + unread) }]
  })
}

export function computeStateDetails(people: readonly RecipientStatus[]): StateDetails {
  const times = people.flatMap(({ state, lastUnreadAt }) => (state === 'unread' && lastUnreadAt !== null ? [lastUnreadAt.getTime()] : []))
  return { forbidden: forbiddenCounts(people), unreadAsOf: times.length === 0 ? null : new Date(Math.min(...times)) }
}

/** Most people first, then by code; people without a code last. */
function forbiddenCounts(people: readonly RecipientStatus[]): ForbiddenCount[] {
  const counts = new Map<string | null, number>()
  for (const { state, forbiddenCode: code } of people) if (state === 'forbidden') counts.set(code, (counts.get(code) ?? 0) + 1)
  return Array.from(counts, ([code, count]) => ({ code, reason: forbiddenReasonOf(code), people: count })).sort(
    (a, b) => b.people - a.people || (a.code === null ? 1 : b.code === null || a.code < b.code ? -1 : 1),
  )
}

/** The JSON of `show --json`. */
export function taskReportJson({ task, unreadAsOf, timeToRead, curve, forbidden, polls }: TaskReport): object {
  return { ...task, unreadAsOf, timeToRead, curve, forbiddenReasons: forbidden, polls }
}
