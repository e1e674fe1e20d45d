import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../delivery.ts'
import type { Calendar, ObservedTask } from './types.ts'

/** Hours of a day. */
export const HOURS = 24
/** Cells of the attention: the hours of a work day, then those of a free day. */
export const CELLS = 2 * HOURS

/** An ended task, cut into pieces in which the hour of the day stays the same and no poll lies. */
export interface Timeline {
  /** Length of each piece in minutes. */
  readonly minutes: Float64Array
  /** Cell of each piece, see {@link CELLS}. */
  readonly cells: Uint8Array
  readonly intervals: readonly Interval[]
}

/** What one poll told: of `unread` recipients `reads` have read since the poll before. */
export interface Interval {
  /** Its pieces: from this one on, to the one before `end`. */
  readonly start: number
  readonly end: number
  readonly unread: number
  readonly reads: number
}

/** Two polls at the same time are this far apart: the reads of the second one need a time to lie in. */
const SHORTEST_MS = SECOND_MS

/** Intervals without recipients left are dropped: they tell nothing. */
export function timelineOf(task: ObservedTask, calendar: Calendar): Timeline {
  const sentMs = calendar.localAt(task.sentAt)
  const minutes: number[] = []
  const cells: number[] = []
  const intervals: Interval[] = []
  let unread = task.people
  let fromMs = 0
  for (const { offsetMs, newReads } of task.polls) {
    if (unread <= 0) break
    const toMs = Math.max(offsetMs, fromMs + SHORTEST_MS)
    const start = minutes.length
    while (fromMs < toMs) {
      const hour = Math.floor((sentMs + fromMs) / HOUR_MS)
      const untilMs = Math.min(toMs, (hour + 1) * HOUR_MS - sentMs)
      minutes.push((untilMs - fromMs) / MINUTE_MS)
      cells.push(cellOf(hour, calendar))
      fromMs = untilMs
    }
    const reads = Math.min(Math.max(newReads, 0), unread)
    intervals.push({ start, end: minutes.length, unread, reads })
    unread -= reads
  }
  return { minutes: Float64Array.from(minutes), cells: Uint8Array.from(cells), intervals }
}

/** @param hour whole hours since 1970-01-01 00:00 of the local time */
function cellOf(hour: number, calendar: Calendar): number {
  const day = Math.floor(hour / HOURS)
  return hour - day * HOURS + (calendar.isFreeDay(day) ? HOURS : 0)
}
