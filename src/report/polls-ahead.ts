import { MINUTE_MS, QUERY_WINDOW_MS } from '../domain/delivery.ts'
import { buildTiming, nextPlannedPoll, type PlannedPoll, pollTimes } from '../domain/poll-times.ts'
import type { TaskRates } from './rates.ts'
import { scaleOf } from './read-brackets.ts'

/** A poll is overdue when it is later than this share of the window: one minute of 24 hours. The SQL of `attention` uses it too. */
export const OVERDUE_SHARE_OF_WINDOW = MINUTE_MS / QUERY_WINDOW_MS

/** By how many real milliseconds the next poll is late; null: it is not overdue. */
export function overdueMs({ nextPollAt, sentAt, deadlineAt }: TaskRates, now: Date): number | null {
  if (nextPollAt === null) return null
  const lateMs = now.getTime() - nextPollAt.getTime()
  return lateMs > (deadlineAt.getTime() - sentAt.getTime()) * OVERDUE_SHARE_OF_WINDOW ? lateMs : null
}

/**
 * The next poll as it is due, and the planned ones after it. A task that an earlier version scheduled has no stored plan. Where its next poll is not
 * in the plan for `pollsPerTask` although nothing delayed it, the worker has other settings: then only the final poll after it is certain.
 * @param pollsPerTask of this process, for such a task
 */
export function pollsAhead(task: TaskRates, now: Date, pollsPerTask: number): PlannedPoll[] {
  const { status, nextPollAt: next, problemCode, delayCode } = task
  if (status !== 'tracking' || next === null) return []
  const timing = buildTiming(pollsPerTask, scaleOf(task))
  const planned = { ...task, key: task, pollOffsetsMs: task.pollOffsets }
  const times = pollTimes(planned, timing)
  const after = nextPlannedPoll(planned, next > now ? next : now, timing)
  const later = after === null ? [] : times.filter(({ at }) => at >= after.at)
  const isPlanned = times.some(({ at }) => Math.abs(at.getTime() - next.getTime()) <= ROUNDING_MS)
  const isDelayed = problemCode !== null || delayCode !== null
  const isCertain = task.pollOffsets !== null || isPlanned || isDelayed
  return [{ at: next, last: after === null }, ...(isCertain ? later : later.slice(-1))]
}

/** Stored times are whole milliseconds. */
const ROUNDING_MS = 2
