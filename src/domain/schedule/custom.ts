import { MINUTE_MS, QUERY_WINDOW_MS } from '../delivery.ts'

/** What a function that plans polls knows of a task when it is scheduled. */
export interface TaskToPoll {
  readonly app: string
  readonly taskId: string
  readonly sentAt: Date
  /** Recipients; null: the task was tracked without user ids. */
  readonly people: number | null
  readonly campaign: string | null
}

/**
 * When a task is polled: minutes since its send, or moments. The final poll is added: it is made at the end of the 24 hours in any case. The function
 * is called once for each task, when it is scheduled.
 */
export type PollTimes = (task: TaskToPoll) => readonly number[] | readonly Date[]

/**
 * The offsets that such a function gave, ascending, in milliseconds since the send. Times at or before the send, and after the 24 hours, are left
 * out.
 * @param given anything: the function is a program's own
 * @param timeScale moments are real ones, minutes and the result are of the 24-hour window
 * @returns null where it is no list of minutes or moments
 */
export function toOffsetsMs(given: unknown, sentAt: Date, timeScale = 1): number[] | null {
  if (!Array.isArray(given)) return null
  const offsets = given.map((time: unknown) => toOffsetMs(time, sentAt, timeScale))
  if (offsets.some(Number.isNaN)) return null
  return [...new Set(offsets)].filter((offset) => offset > 0 && offset < QUERY_WINDOW_MS).toSorted((a, b) => a - b)
}

/** NaN where it is neither minutes nor a moment. */
function toOffsetMs(time: unknown, sentAt: Date, timeScale: number): number {
  if (typeof time === 'number') return Math.round(time * MINUTE_MS)
  return time instanceof Date ? (time.getTime() - sentAt.getTime()) * timeScale : Number.NaN
}
