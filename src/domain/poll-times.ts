import { MINUTE_MS, type PollOffsets, QUERY_WINDOW_MS, SECOND_MS, type TaskKey, type TaskRow } from './delivery.ts'
import { hashToUnit } from './hash.ts'

/** The durations that every poll plan shares, in real milliseconds (already divided by the time scale), and those of growing gaps. */
export interface Timing {
  /** Stored as the task's deadline: `sentAt` + this. */
  readonly windowMs: number
  /** The divisor of all durations of the plan. */
  readonly timeScale: number
  /** Offsets of the ordinary polls from the send, ascending, before jitter; the final poll is not among them. */
  readonly offsetsMs: readonly number[]
  /** The same where the send time was assumed: the window may end sooner than the deadline, so more of them are near it. */
  readonly assumedOffsetsMs: readonly number[]
  /** Calls of getsendresult at most, failed ones and repeated ones included, for a task that has no plan of its own. */
  readonly maxCalls: number
  /** How many of them are kept for the final poll. */
  readonly finalCalls: number
  /** The final poll is due this long before the deadline at the latest, and `finalSpreadMs` earlier at the earliest. */
  readonly finalMarginMs: number
  readonly finalSpreadMs: number
  /** A planned poll nearer than this to the one just made is skipped: it would cost a call without new information. */
  readonly minGapMs: number
  /** Two successful polls at least this far apart must list the same people before a task with unnamed recipients is complete. */
  readonly settleMs: number
  /** First retry after a failed poll; doubles with each further failure up to `retryMaxMs`. */
  readonly retryBaseMs: number
  readonly retryMaxMs: number
  /** How long an app is not called after a rate limit that named no end. */
  readonly throttleMs: number
  /** A worker that cannot poll an app snoozes its tasks for this long, so that other workers take them. */
  readonly handoverMs: number
}

export interface PlannedPoll {
  readonly at: Date
  /** The guaranteed final poll, or a time after it: it goes before all other work. */
  readonly last: boolean
}

/** Of the calls of a task, those kept for the final poll. */
const FINAL_CALLS = 3
/** The shortest time between two attempts without a call. */
const SHORTEST_HANDOVER_MS = 50

/** The cap of calls for one task: its polls, and at most a quarter of them again (three at least) for what fails. */
export function computeMaxCalls(pollsPerTask: number): number {
  return pollsPerTask + Math.max(FINAL_CALLS, Math.floor(pollsPerTask / 4))
}

/** First poll after the send. Sending is asynchronous; an earlier poll lists few recipients. */
const FIRST_POLL_MS = 3 * MINUTE_MS
/** Part of the gap before a poll by which it may come earlier, so that the order of the polls stays. */
const JITTER_SHARE = 0.2

/**
 * The timing of a poll plan.
 * @param pollsPerTask how many polls a task gets in its window, the last one included; at least 1
 * @param timeScale every duration is divided by it
 */
export function buildTiming(pollsPerTask: number, timeScale = 1): Timing {
  const scaled = (ms: number): number => ms / timeScale
  const finalMarginMs = 5 * MINUTE_MS
  const finalSpreadMs = 7 * MINUTE_MS
  const lastOffsetMs = QUERY_WINDOW_MS - finalMarginMs - finalSpreadMs
  return {
    windowMs: scaled(QUERY_WINDOW_MS),
    timeScale,
    offsetsMs: growingOffsets(pollsPerTask, lastOffsetMs, FIRST_POLL_MS).slice(0, -1).map(scaled),
    assumedOffsetsMs: assumedOffsets(pollsPerTask - 1, lastOffsetMs).map(scaled),
    maxCalls: computeMaxCalls(pollsPerTask),
    finalCalls: FINAL_CALLS,
    finalMarginMs: scaled(finalMarginMs),
    finalSpreadMs: scaled(finalSpreadMs),
    minGapMs: scaled(30 * SECOND_MS),
    settleMs: scaled(2 * MINUTE_MS),
    retryBaseMs: scaled(30 * SECOND_MS),
    retryMaxMs: scaled(30 * MINUTE_MS),
    throttleMs: scaled(MINUTE_MS),
    handoverMs: Math.max(SHORTEST_HANDOVER_MS, scaled(SECOND_MS)),
  }
}

/** The last ordinary poll before an end that comes sooner than the deadline is about this long before it at first; the gaps grow backwards. */
const FIRST_BACKWARD_GAP_MS = 12 * MINUTE_MS

/**
 * Offsets for a send time that was assumed: the message was sent earlier, by minutes or by hours, and its window ends as much earlier.
 * Two fifths grow from the enqueue as always, two fifths grow backwards from the deadline, so that an end that comes a quarter of an hour early
 * loses minutes; the rest is even, so that one that comes many hours early loses no more than a gap.
 * @param count how many
 * @param totalMs the final poll's offset
 */
function assumedOffsets(count: number, totalMs: number): number[] {
  const edge = Math.round(count * 0.4)
  const forward = growingOffsets(edge + 1, totalMs, FIRST_POLL_MS).slice(0, edge)
  const backward = growingOffsets(edge + 1, totalMs, FIRST_BACKWARD_GAP_MS).slice(0, edge)
  const evenCount = count - forward.length - backward.length
  const even = Array.from({ length: evenCount }, (_, i) => (totalMs * (i + 1)) / (evenCount + 1))
  return [...forward, ...even, ...backward.map((offset) => totalMs - offset)].sort((a, b) => a - b)
}

/**
 * `count` offsets whose gaps grow by a constant factor from `firstMs` so that the last offset is `totalMs`.
 * Most reads are early: polls that are close together then keep their brackets narrow.
 */
function growingOffsets(count: number, totalMs: number, firstMs: number): number[] {
  const first = Math.min(firstMs, totalMs / count)
  const factor = growthFactor(count, totalMs / first)
  let gap = first
  let at = 0
  return Array.from({ length: count }, (_, i) => {
    at = i === count - 1 ? totalMs : at + gap
    gap *= factor
    return at
  })
}

/** The r ≥ 1 with 1 + r + … + r^(count−1) = sum, by bisection: the sum grows with r. */
function growthFactor(count: number, sum: number): number {
  let low = 1
  let high = sum
  for (let i = 0; i < 100; i++) {
    const middle = (low + high) / 2
    if (geometricSum(middle, count) < sum) low = middle
    else high = middle
  }
  return low
}

function geometricSum(r: number, count: number): number {
  let sum = 0
  for (let i = 0, term = 1; i < count; i++, term *= r) sum += term
  return sum
}

/** A number in [0, 1) of one task: its place in the spread. */
export function jitterOf(key: TaskKey): number {
  return hashToUnit(`${key.app} ${key.taskId}`)
}

export function deadlineOf(sentAt: Date, timing: Timing): Date {
  return new Date(sentAt.getTime() + timing.windowMs)
}

/** When the guaranteed final poll is due. Ten thousand tasks sent at 09:00 do not finish in the same second. */
export function finalPollTime(deadlineAt: Date, timing: Timing, jitter: number): Date {
  return new Date(deadlineAt.getTime() - timing.finalMarginMs - timing.finalSpreadMs * jitter)
}

/** What the poll plan of a task is made from. */
export interface Planned {
  readonly key: TaskKey
  readonly sentAt: Date
  readonly sentAtGiven: boolean
  readonly deadlineAt: Date
  readonly pollOffsetsMs: PollOffsets
}

export function finalPollAt({ key, deadlineAt }: Pick<Planned, 'key' | 'deadlineAt'>, timing: Timing): Date {
  return finalPollTime(deadlineAt, timing, jitterOf(key))
}

/**
 * All polls of a task, in absolute times: a late one never moves the next (no drift).
 * @param jitter a number in [0, 1)
 */
export function pollTimes(task: Planned, timing: Timing, jitter = jitterOf(task.key)): PlannedPoll[] {
  const final = { at: finalPollTime(task.deadlineAt, timing, jitter), last: true }
  const ordinary = ordinaryOffsets(task, timing, jitter).map((offset) => ({ at: new Date(task.sentAt.getTime() + offset), last: false }))
  return [...ordinary.filter(({ at }) => at < final.at), final]
}

/** Of all polls but the final one. */
function ordinaryOffsets(task: Planned, timing: Timing, jitter: number): readonly number[] {
  return task.pollOffsetsMs?.slice(0, -1) ?? growingPolls(task, timing, jitter)
}

/** The poll plan with growing gaps, as it is stored: whole milliseconds. */
export function growingPlan(task: Omit<Planned, 'pollOffsetsMs'>, timing: Timing, jitter = jitterOf(task.key)): number[] {
  const final = finalPollTime(task.deadlineAt, timing, jitter).getTime() - task.sentAt.getTime()
  return [...growingPolls(task, timing, jitter), final].map(Math.round)
}

function growingPolls(task: Pick<Planned, 'sentAtGiven'>, timing: Timing, jitter: number): number[] {
  const offsetsMs = task.sentAtGiven ? timing.offsetsMs : timing.assumedOffsetsMs
  return offsetsMs.map((offset, i) => offset - (offset - (offsetsMs[i - 1] ?? 0)) * JITTER_SHARE * jitter)
}

/** The longest time between two polls of a plan with growing gaps, or between the send and the first one. */
export function longestGapMs({ offsetsMs, assumedOffsetsMs, windowMs, finalMarginMs }: Timing): number {
  const computeGaps = (offsets: readonly number[]): number[] => {
    const at = [0, ...offsets, windowMs - finalMarginMs]
    return at.map((offset, i) => offset - (at[i - 1] ?? 0))
  }
  // A poll may come earlier by its jitter, and the one behind it not.
  return Math.max(...computeGaps(offsetsMs), ...computeGaps(assumedOffsetsMs)) * (1 + JITTER_SHARE)
}

/**
 * The first poll of a task that is tracked from `now` on. All missed polls become one poll at once.
 * Past the deadline it is `now` too: the task is ended then without a call.
 */
export function firstPoll(task: Planned, now: Date, timing: Timing, jitter = jitterOf(task.key)): PlannedPoll {
  const polls = pollTimes(task, timing, jitter)
  const [first] = polls
  if (first !== undefined && first.at > now) return first
  return { at: now, last: polls.some((poll) => poll.last && poll.at <= now) }
}

/** The next planned poll after one made at `now`; null after the final one. */
export function nextPlannedPoll(task: Planned, now: Date, timing: Timing, jitter = jitterOf(task.key)): PlannedPoll | null {
  // The polls of a stored plan are chosen to be that close.
  const earliest = now.getTime() + (task.pollOffsetsMs === null ? timing.minGapMs : timing.minGapMs / 3)
  const finalAt = finalPollTime(task.deadlineAt, timing, jitter)
  // Each poll needs it: a Date for each planned one would cost more than all else here.
  const isNext = (atMs: number): boolean => atMs > earliest && atMs < finalAt.getTime()
  const sentMs = task.sentAt.getTime()
  const offset = ordinaryOffsets(task, timing, jitter).find((each) => isNext(Math.trunc(sentMs + each)))
  if (offset !== undefined) return { at: new Date(sentMs + offset), last: false }
  return finalAt > now ? { at: finalAt, last: true } : null
}

/** True while a poll must not be missed: from the time of the guaranteed final poll on. */
export function isFinalPoll(task: Pick<Planned, 'key' | 'deadlineAt'>, now: Date, timing: Timing): boolean {
  return now >= finalPollAt(task, timing)
}

/** Calls of a task at most, failed ones and repeated ones included. */
function maxCallsOf({ pollOffsetsMs }: Pick<TaskRow, 'pollOffsetsMs'>, timing: Timing): number {
  return pollOffsetsMs === null ? timing.maxCalls : computeMaxCalls(pollOffsetsMs.length)
}

/** Calls that a task may still make before its final poll, which keeps its own. */
export function callsLeft(task: Pick<TaskRow, 'calls' | 'pollOffsetsMs'>, timing: Timing): number {
  return Math.max(0, maxCallsOf(task, timing) - timing.finalCalls - task.calls)
}

/** Calls of the final poll that are left. */
export function finalCallsLeft(task: Pick<TaskRow, 'calls' | 'finalCalls' | 'pollOffsetsMs'>, timing: Timing): number {
  return Math.max(0, Math.min(timing.finalCalls - task.finalCalls, maxCallsOf(task, timing) - task.calls))
}

/** Calls that a task may lose at `now` and still make all its planned polls. The final poll has none to lose. */
export function callsToSpare(task: TaskRow, now: Date, timing: Timing): number {
  if (isFinalPoll(task, now, timing)) return 0
  const planned = pollTimes(task, timing).filter((poll) => poll.at > now && !poll.last).length
  const thisOne = 1
  return Math.max(0, callsLeft(task, timing) - planned - thisOne)
}

/** What comes after a poll. */
export type Following =
  /** The next planned poll; after the final one the deadline. */
  | { readonly kind: 'planned' }
  /** The final poll, and after it the deadline. */
  | { readonly kind: 'final' }
  /** At this time, or at that of the final poll where it is sooner. Null: the next planned poll; the retries of the final one are spread over the time left. */
  | { readonly kind: 'retry'; readonly at: Date | null }

/** A task of which the poll after this one is to be found. */
type Polled = Planned & Pick<TaskRow, 'calls' | 'finalCalls'>

/** The poll after one made at `now`; after the final one the deadline itself, where the task is ended. Never past the deadline. */
export function followingPoll(task: Polled, now: Date, timing: Timing, following: Following): PlannedPoll {
  const finalAt = finalPollAt(task, timing)
  const at = now >= finalAt ? afterFinal(task, now, timing, following) : beforeFinal(task, finalAt, now, timing, following)
  const bounded = at < task.deadlineAt ? at : task.deadlineAt
  return { at: bounded, last: isFinalPoll(task, bounded, timing) }
}

function beforeFinal(task: Polled, finalAt: Date, now: Date, timing: Timing, following: Following): Date {
  if (following.kind === 'final' || callsLeft(task, timing) === 0) return finalAt
  const retryAt = following.kind === 'retry' ? following.at : null
  const wanted = retryAt ?? nextPlannedPoll(task, now, timing)?.at
  return wanted === undefined || wanted > finalAt ? finalAt : wanted
}

function afterFinal(task: Polled, now: Date, timing: Timing, following: Following): Date {
  const left = finalCallsLeft(task, timing)
  if (left === 0 || following.kind !== 'retry') return task.deadlineAt
  const leftMs = task.deadlineAt.getTime() - now.getTime()
  // Attempts that make no call leave as many calls as before: without a shortest gap they would follow each other ever faster.
  const spread = new Date(now.getTime() + Math.max(leftMs / (left + 1), timing.handoverMs))
  // A wait that the answer names is kept as far as there is time.
  return following.at !== null && following.at < task.deadlineAt ? following.at : spread
}

/**
 * When to try again after failed polls.
 * @param failuresInRow 1 for the first failure
 * @param jitter a number in [0, 1): ±25 %, so that tasks which failed together do not come back together
 */
export function retryDelayMs(failuresInRow: number, timing: Timing, jitter: number): number {
  const grown = Math.min(timing.retryBaseMs * 2 ** (failuresInRow - 1), timing.retryMaxMs)
  return grown * (0.75 + jitter / 2)
}
