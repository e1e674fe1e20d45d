import { HOUR_MS, MINUTE_MS, QUERY_WINDOW_MS, SECOND_MS, type TaskKey } from './delivery.ts'
import { unitOf } from './hash.ts'

/** Every duration of the tracking plan, in real milliseconds (already divided by the time scale). */
export interface Timing {
  /** Stored as the task's deadline: `sentAt` + this. */
  readonly windowMs: number
  /** Offsets of the ordinary looks from the send, ascending, before jitter; the last look is not among them. */
  readonly offsetsMs: readonly number[]
  /** The last look is due this long before the deadline at the latest, and `lastSpreadMs` earlier at the earliest. */
  readonly lastMarginMs: number
  readonly lastSpreadMs: number
  /** A planned look nearer than this to the one just made is skipped: it would cost a call and tell nothing. */
  readonly minGapMs: number
  /** Two good looks at least this far apart must list the same people before a task with unnamed recipients is complete. */
  readonly settleMs: number
  /** First retry after a failed look; doubles with each further failure up to `retryMaxMs`. */
  readonly retryBaseMs: number
  readonly retryMaxMs: number
  /** How long an app rests after a rate limit that named no end. */
  readonly throttleMs: number
  /** First probe of a misconfigured app; doubles up to `probeMaxMs`. */
  readonly probeBaseMs: number
  readonly probeMaxMs: number
}

export interface PlannedLook {
  readonly at: Date
  /** The guaranteed last look, or a time after it: it goes before all other work. */
  readonly last: boolean
}

/** First look after the send. Sending is asynchronous; an earlier look lists hardly anybody. */
const FIRST_LOOK_MS = 3 * MINUTE_MS
/** Within the gap before it, so that the order of the looks stays. */
const JITTER_SHARE = 0.2

/**
 * The timing of a tracking plan.
 * @param pollsPerTask how many looks a task gets in its window, the last one included; at least 1
 * @param timeScale every duration is divided by it
 */
export function timingOf(pollsPerTask: number, timeScale = 1): Timing {
  const scaled = (ms: number): number => ms / timeScale
  const lastMarginMs = 5 * MINUTE_MS
  const lastSpreadMs = 7 * MINUTE_MS
  const lastOffsetMs = QUERY_WINDOW_MS - lastMarginMs - lastSpreadMs
  return {
    windowMs: scaled(QUERY_WINDOW_MS),
    offsetsMs: growingOffsets(pollsPerTask, lastOffsetMs, FIRST_LOOK_MS).slice(0, -1).map(scaled),
    lastMarginMs: scaled(lastMarginMs),
    lastSpreadMs: scaled(lastSpreadMs),
    minGapMs: scaled(30 * SECOND_MS),
    settleMs: scaled(2 * MINUTE_MS),
    retryBaseMs: scaled(30 * SECOND_MS),
    retryMaxMs: scaled(30 * MINUTE_MS),
    throttleMs: scaled(MINUTE_MS),
    probeBaseMs: scaled(MINUTE_MS),
    probeMaxMs: scaled(HOUR_MS / 4),
  }
}

/**
 * `count` offsets whose gaps grow by a constant factor from `firstMs` so that the last offset is `totalMs`.
 * People read soon or late: early looks close together keep the brackets of most reads narrow.
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
  return unitOf(`${key.app} ${key.taskId}`)
}

export function deadlineOf(sentAt: Date, timing: Timing): Date {
  return new Date(sentAt.getTime() + timing.windowMs)
}

/** When the guaranteed last look is due. Ten thousand tasks sent at 09:00 do not finish in the same second. */
export function lastLookAt(deadlineAt: Date, timing: Timing, jitter: number): Date {
  return new Date(deadlineAt.getTime() - timing.lastMarginMs - timing.lastSpreadMs * jitter)
}

/**
 * All looks of a task, in absolute times: a late one never moves the next (no drift).
 * @param jitter a number in [0, 1), from {@link jitterOf}
 */
export function plannedLooks(sentAt: Date, deadlineAt: Date, timing: Timing, jitter: number): PlannedLook[] {
  const ordinary = timing.offsetsMs.map((offset, i) => {
    const gap = offset - (timing.offsetsMs[i - 1] ?? 0)
    return { at: new Date(sentAt.getTime() + offset - gap * JITTER_SHARE * jitter), last: false }
  })
  return [...ordinary, { at: lastLookAt(deadlineAt, timing, jitter), last: true }]
}

/** The longest time between two planned looks of a task, or between the send and the first one. */
export function longestGapMs({ offsetsMs, windowMs, lastMarginMs }: Timing): number {
  const at = [0, ...offsetsMs, windowMs - lastMarginMs]
  // A look may come earlier by its jitter, and the one behind it not.
  return Math.max(...at.map((offset, i) => offset - (at[i - 1] ?? 0))) * (1 + JITTER_SHARE)
}

/**
 * The first look of a task that is tracked from `now` on. Whatever was missed collapses into one look at once.
 * Past the deadline it is `now` too: whoever wakes then ends the task without a call.
 */
export function firstLook(sentAt: Date, deadlineAt: Date, now: Date, timing: Timing, jitter: number): PlannedLook {
  const looks = plannedLooks(sentAt, deadlineAt, timing, jitter)
  const [first] = looks
  if (first !== undefined && first.at > now) return first
  return { at: now, last: looks.some((look) => look.last && look.at <= now) }
}

/** The next planned look after one made at `now`; null when the last one is behind. */
export function nextPlannedLook(
  task: { readonly sentAt: Date; readonly deadlineAt: Date },
  now: Date,
  timing: Timing,
  jitter: number,
): PlannedLook | null {
  const earliest = now.getTime() + timing.minGapMs
  const looks = plannedLooks(task.sentAt, task.deadlineAt, timing, jitter)
  return looks.find((look) => (look.last ? look.at > now : look.at.getTime() > earliest)) ?? null
}

/**
 * When to try again after failed looks.
 * @param failuresInRow 1 for the first failure
 * @param jitter a number in [0, 1): ±25 %, so that tasks which failed together do not come back together
 */
export function retryDelayMs(failuresInRow: number, timing: Timing, jitter: number): number {
  const grown = Math.min(timing.retryBaseMs * 2 ** (failuresInRow - 1), timing.retryMaxMs)
  return grown * (0.75 + jitter / 2)
}

/** When a misconfigured app is asked again. @param probes how many probes failed already */
export function probeDelayMs(probes: number, timing: Timing): number {
  return Math.min(timing.probeBaseMs * 2 ** probes, timing.probeMaxMs)
}
