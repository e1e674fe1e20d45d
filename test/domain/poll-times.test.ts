import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS, QUERY_WINDOW_MS } from '../../src/domain/delivery.ts'
import {
  buildTiming,
  callsLeft,
  callsToSpare,
  computeMaxCalls,
  deadlineOf,
  finalCallsLeft,
  finalPollAt,
  finalPollTime,
  firstPoll,
  growingPlan,
  jitterOf,
  longestGapMs,
  nextPlannedPoll,
  type Planned,
  type PlannedPoll,
  pollTimes,
  retryDelayMs,
  type Timing,
} from '../../src/domain/poll-times.ts'
import { after, aTask, holds, hoursLater, KEY, minutesLater, SENT, TIMING } from './support.ts'

const DEADLINE = hoursLater(24)
const TASK: Planned = { key: KEY, sentAt: SENT, sentAtGiven: true, deadlineAt: DEADLINE, pollOffsetsMs: null }
/** The sender left the send time out. */
const ASSUMED: Planned = { ...TASK, sentAtGiven: false }
const COUNTS = [1, 2, 24, 500]

const aJitter = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const someLooks = fc.oneof(fc.constantFrom(...COUNTS), fc.integer({ min: 1, max: 500 }))
const aMoment = fc.integer({ min: 0, max: QUERY_WINDOW_MS }).map((ms) => after(SENT, ms))

const pollsOf = (timing: Timing, jitter = 0, task = TASK): PlannedPoll[] =>
  pollTimes({ ...task, deadlineAt: deadlineOf(SENT, timing) }, timing, jitter)
const minuteOf = (poll: PlannedPoll): number => (poll.at.getTime() - SENT.getTime()) / MINUTE_MS

/** The polls of a task whose every poll is made when it is due, `lateMs` later. */
function pollsMade(timing: Timing, jitter: number, from: Date, lateMs: (n: number) => number, task = TASK): Date[] {
  const made: Date[] = []
  let next: PlannedPoll | null = firstPoll(task, from, timing, jitter)
  while (next !== null) {
    const at: Date = after(next.at, lateMs(made.length))
    made.push(at)
    next = nextPlannedPoll(task, at, timing, jitter)
  }
  return made
}

test('24 polls: the first after three minutes, the last twelve minutes before the end, hours apart in between', () => {
  const minutes = pollsOf(TIMING).map(minuteOf)
  expect(minutes[0]).toBeCloseTo(3, 5)
  expect(minutes.at(-1)).toBe(24 * 60 - 5)
  expect(minutes.length).toBe(24)
  expect(minutes[22]! - minutes[21]!).toBeGreaterThan(60)
})

test('POLLS_PER_TASK polls in the window, the last one included and marked', () => {
  for (const count of COUNTS) {
    const polls = pollsOf(buildTiming(count))
    expect(polls.length).toBe(count)
    expect(polls.map((poll) => poll.last)).toEqual(polls.map((_, i) => i === count - 1))
  }
})

test('a task that gets one poll gets the last one', () => {
  expect(pollsOf(buildTiming(1), 0.5)).toEqual([{ at: finalPollTime(DEADLINE, TIMING, 0.5), last: true }])
})

test('polls ascend and their gaps never shrink', () => {
  holds(
    fc.property(someLooks, (count) => {
      const { offsetsMs } = buildTiming(count)
      const gaps = offsetsMs.map((offset, i) => offset - (offsetsMs[i - 1] ?? 0))
      expect(gaps.every((gap) => gap > 0)).toBe(true)
      // A rounding error of floating point is no shrinking.
      expect(gaps.every((gap, i) => gap >= (gaps[i - 1] ?? 0) - 1e-3)).toBe(true)
    }),
    200,
  )
})

test('whatever the jitter, the polls ascend and lie inside the window', () => {
  holds(
    fc.property(someLooks, aJitter, (count, jitter) => {
      const times = pollsOf(buildTiming(count), jitter).map((poll) => poll.at.getTime())
      expect(times.every((at, i) => at > (times[i - 1] ?? SENT.getTime()))).toBe(true)
      expect(times.at(-1)).toBeLessThan(DEADLINE.getTime())
    }),
    200,
  )
})

test('the final poll lies within the last 1 % of the window, five minutes before its end at the latest, for every jitter', () => {
  holds(
    fc.property(someLooks, aJitter, (count, jitter) => {
      const timing = buildTiming(count)
      const left = DEADLINE.getTime() - pollsOf(timing, jitter).at(-1)!.at.getTime()
      expect(left).toBeLessThan(QUERY_WINDOW_MS / 100)
      expect(left).toBeGreaterThanOrEqual(5 * MINUTE_MS)
    }),
    300,
  )
})

test('ten thousand tasks sent at 09:00 do not finish in the same second', () => {
  const seconds = new Map<number, number>()
  for (let id = 0; id < 10_000; id++) {
    const at = finalPollTime(DEADLINE, TIMING, jitterOf({ ...KEY, taskId: String(256271667526 + id) }))
    const second = Math.floor(at.getTime() / 1_000)
    seconds.set(second, (seconds.get(second) ?? 0) + 1)
  }
  expect(Math.max(...seconds.values())).toBeLessThan(60)
})

test('the same task has the same jitter on every machine, and other tasks another', () => {
  expect(jitterOf({ app: 'default', taskId: '1' })).toBe(jitterOf({ app: 'default', taskId: '1' }))
  expect(jitterOf({ app: 'default', taskId: '1' })).not.toBe(jitterOf({ app: 'other', taskId: '1' }))
})

test('no drift: late polls do not move later ones', () => {
  const polls = pollsOf(TIMING, 0.3)
  const late = pollsMade(TIMING, 0.3, SENT, () => MINUTE_MS)
  expect(late).toEqual(polls.map((poll) => after(poll.at, MINUTE_MS)))
})

test('with every poll in time or a little late there are exactly POLLS_PER_TASK of them', () => {
  holds(
    fc.property(fc.constantFrom(1, 2, 10, 24, 100), aJitter, fc.array(fc.integer({ min: 0, max: 20_000 })), (count, jitter, late) => {
      const made = pollsMade(buildTiming(count), jitter, SENT, (n) => late[n] ?? 0)
      expect(made.length).toBe(count)
    }),
    300,
  )
})

test('however late the polls are, there are never more than POLLS_PER_TASK', () => {
  const lateness = fc.array(fc.integer({ min: 0, max: 8 * HOUR_MS }))
  holds(
    fc.property(someLooks, aJitter, aMoment, lateness, (count, jitter, from, late) => {
      expect(pollsMade(buildTiming(count), jitter, from, (n) => late[n] ?? 0).length).toBeLessThanOrEqual(count)
    }),
    300,
  )
})

test('missed polls collapse into one: after five hours of downtime the next is a planned one ahead', () => {
  const polls = pollsOf(TIMING, 0)
  const now = minutesLater(300)
  const next = nextPlannedPoll(TASK, now, TIMING, 0)
  expect(next).toEqual(polls.find((poll) => poll.at > now))
})

test('the next planned poll lies ahead, by 30 seconds at least if it is not the last', () => {
  holds(
    fc.property(someLooks, aJitter, aMoment, (count, jitter, now) => {
      const next = nextPlannedPoll(TASK, now, buildTiming(count), jitter)
      if (next === null) expect(now >= finalPollTime(DEADLINE, TIMING, jitter)).toBe(true)
      else expect(next.at.getTime() - now.getTime()).toBeGreaterThan(next.last ? 0 : 30_000)
    }),
  )
})

test('a planned poll less than 30 seconds away is skipped, but never the last', () => {
  const [first, second] = pollsOf(TIMING, 0)
  expect(nextPlannedPoll(TASK, after(first!.at, -29_000), TIMING, 0)).toEqual(second)
  expect(nextPlannedPoll(TASK, after(first!.at, -31_000), TIMING, 0)).toEqual(first)
  const last = finalPollTime(DEADLINE, TIMING, 0)
  expect(nextPlannedPoll(TASK, after(last, -1), TIMING, 0)).toEqual({ at: last, last: true })
})

test('after the last planned poll there is none', () => {
  expect(nextPlannedPoll(TASK, finalPollTime(DEADLINE, TIMING, 0.7), TIMING, 0.7)).toBeNull()
})

test('enqueued at once: the first poll is the first planned one', () => {
  expect(firstPoll(TASK, SENT, TIMING, 0.4)).toEqual(pollsOf(TIMING, 0.4)[0])
})

test('enqueued 3 h after the send: one poll at once, then the plan', () => {
  const now = hoursLater(3)
  expect(firstPoll(TASK, now, TIMING, 0.4)).toEqual({ at: now, last: false })
  expect(nextPlannedPoll(TASK, now, TIMING, 0.4)).toEqual(pollsOf(TIMING, 0.4).find((poll) => poll.at > now))
})

test('enqueued in the last minutes: one poll at once, which is the last', () => {
  const now = minutesLater(24 * 60 - 4)
  expect(firstPoll(TASK, now, TIMING, 0.4)).toEqual({ at: now, last: true })
})

test('enqueued after 24 h: wakes up now, to be ended', () => {
  const now = hoursLater(25)
  expect(firstPoll(TASK, now, TIMING, 0.4)).toEqual({ at: now, last: true })
})

const DURATIONS = [
  ...(['windowMs', 'finalMarginMs', 'finalSpreadMs', 'minGapMs', 'settleMs', 'retryBaseMs', 'retryMaxMs', 'throttleMs'] as const),
]

test('timeScale divides every duration and no number of calls', () => {
  holds(
    fc.property(someLooks, fc.constantFrom(10, 144, 1440, 7.5), (count, scale) => {
      const [real, fast] = [buildTiming(count), buildTiming(count, scale)]
      for (const offsets of ['offsetsMs', 'assumedOffsetsMs'] as const) {
        expect(fast[offsets].length).toBe(real[offsets].length)
        for (const [i, offset] of fast[offsets].entries()) expect(offset * scale).toBeCloseTo(real[offsets][i]!, 3)
      }
      for (const duration of DURATIONS) expect(fast[duration] * scale).toBeCloseTo(real[duration], 3)
      expect([fast.maxCalls, fast.finalCalls]).toEqual([real.maxCalls, real.finalCalls])
    }),
    100,
  )
})

test('a day at TIME_SCALE 1440 lasts a minute', () => {
  const timing = buildTiming(24, 1440)
  expect(deadlineOf(SENT, timing)).toEqual(minutesLater(1))
  expect(pollsOf(timing).length).toBe(24)
})

test('retries double from 30 seconds to 30 minutes, give or take a quarter', () => {
  const middle = [1, 2, 3, 7, 8, 5_000].map((failures) => retryDelayMs(failures, TIMING, 0.5) / 1_000)
  expect(middle).toEqual([30, 60, 120, 1_800, 1_800, 1_800])
  holds(
    fc.property(fc.integer({ min: 1, max: 100 }), aJitter, (failures, jitter) => {
      const share = retryDelayMs(failures, TIMING, jitter) / retryDelayMs(failures, TIMING, 0.5)
      expect(share).toBeGreaterThanOrEqual(0.75)
      expect(share).toBeLessThanOrEqual(1.25)
    }),
  )
})

test('a worker gives another one a second to take its task over, and never less than a server needs', () => {
  expect([1, 2, 1440].map((scale) => buildTiming(24, scale).handoverMs)).toEqual([1_000, 500, 50])
})

test('the calls of a task are capped: its polls and a quarter of them again, three at least; the final poll keeps three', () => {
  expect([1, 2, 8, 12, 16, 24, 100, 500].map(computeMaxCalls)).toEqual([4, 5, 11, 15, 20, 30, 125, 625])
  for (const count of COUNTS) expect(buildTiming(count)).toMatchObject({ maxCalls: computeMaxCalls(count), finalCalls: 3 })
})

test('no two polls of a task are planned further apart than the longest gap, whatever its place in the spread', () => {
  for (const polls of [1, 2, 12, 24, 500]) {
    for (const [jitter, task] of [0, 0.5, 0.999].flatMap((each) => [[each, TASK] as const, [each, ASSUMED] as const])) {
      const timing = buildTiming(polls)
      const at = pollsOf(timing, jitter, task).map((poll) => poll.at.getTime())
      const gaps = at.map((time, i) => time - (at[i - 1] ?? SENT.getTime()))
      expect(Math.max(...gaps)).toBeLessThanOrEqual(longestGapMs(timing))
      // With very many polls the spread of the last one is longer than any gap, and the two plans differ.
      if (polls <= 24 && task === TASK) expect(longestGapMs(timing)).toBeLessThan(Math.max(...gaps) * 1.3)
    }
  }
})

describe('an assumed send time: the window ends sooner than the deadline', () => {
  /** The longest time before a true end in which nothing is planned. `lateMinutes`: how long after the send tracking began. */
  const blindMinutes = (lateMinutes: number, jitter: number, count = 24): number => {
    const endMs = DEADLINE.getTime() - lateMinutes * MINUTE_MS
    const before = pollsOf(buildTiming(count), jitter, ASSUMED).filter((poll) => poll.at.getTime() < endMs)
    return (endMs - (before.at(-1)?.at.getTime() ?? SENT.getTime())) / MINUTE_MS
  }

  test('as many polls as ever, ascending, the guaranteed final one included', () => {
    holds(
      fc.property(someLooks, aJitter, (count, jitter) => {
        const polls = pollsOf(buildTiming(count), jitter, ASSUMED)
        const times = polls.map((poll) => poll.at.getTime())
        expect(polls.map((poll) => poll.last)).toEqual(polls.map((_, i) => i === count - 1))
        expect(times.every((at, i) => at >= (times[i - 1] ?? SENT.getTime() + 1))).toBe(true)
        expect(polls.at(-1)?.at).toEqual(finalPollTime(DEADLINE, TIMING, jitter))
      }),
      200,
    )
  })

  test('the first poll is as soon as ever', () => {
    expect(minuteOf(pollsOf(TIMING, 0, ASSUMED)[0]!)).toBeCloseTo(3, 5)
  })

  test('tracked up to half an hour late: the last poll is made within 25 minutes of the true end', () => {
    holds(
      fc.property(fc.integer({ min: 0, max: 30 }), aJitter, (late, jitter) => {
        expect(blindMinutes(late, jitter)).toBeLessThanOrEqual(25)
      }),
    )
  })

  test('tracked however late: no more than a gap is lost, and no gap is longer than the longest of a known send time', () => {
    holds(
      fc.property(fc.integer({ min: 0, max: 23 * 60 }), aJitter, (late, jitter) => {
        expect(blindMinutes(late, jitter) * MINUTE_MS).toBeLessThanOrEqual(longestGapMs(TIMING))
      }),
    )
    expect(blindMinutes(15 * 60, 0)).toBeLessThan(3 * 60)
  })

  test('with every poll in time there are no more calls than polls', () => {
    for (const count of [1, 2, 3, 10, 24, 100])
      expect(pollsMade(buildTiming(count), 0.4, SENT, () => 0, ASSUMED).length).toBeLessThanOrEqual(count)
  })
})

test('a task that made its planned polls and no others has the calls beyond its plan to spare, but for those of the final poll', () => {
  const planned = TIMING.offsetsMs.length
  expect(callsToSpare(aTask(), minutesLater(0), TIMING)).toBe(TIMING.maxCalls - TIMING.finalCalls - planned - 1)
})

test('calls beyond the plan leave less, and never less than none', () => {
  const at = minutesLater(0)
  const free = callsToSpare(aTask(), at, TIMING)
  expect(callsToSpare(aTask({}, { calls: 2 }), at, TIMING)).toBe(free - 2)
  expect(callsToSpare(aTask({}, { calls: TIMING.maxCalls }), at, TIMING)).toBe(0)
})

test('the final poll has no call to spare', () => {
  expect(callsToSpare(aTask(), hoursLater(24), TIMING)).toBe(0)
})

describe('a stored plan', () => {
  const minutes = (...each: number[]): number[] => each.map((minute) => minute * MINUTE_MS)
  const planned = (...each: number[]): Planned => ({ ...TASK, pollOffsetsMs: minutes(...each) })
  const finalAt = finalPollAt(TASK, TIMING)

  test('is followed, whatever the worker would plan; the final poll follows from the deadline', () => {
    expect(pollTimes(planned(7, 90, 1430), TIMING)).toEqual([
      { at: minutesLater(7), last: false },
      { at: minutesLater(90), last: false },
      { at: finalAt, last: true },
    ])
    expect(nextPlannedPoll(planned(7, 90, 1430), minutesLater(7), TIMING)?.at).toEqual(minutesLater(90))
  })

  test('of one poll has only the final one', () => {
    expect(pollTimes(planned(1430), TIMING)).toEqual([{ at: finalAt, last: true }])
  })

  test('has no ordinary poll after the final one, which a shorter window may bring', () => {
    expect(pollTimes({ ...planned(7, 90, 1430), deadlineAt: minutesLater(60) }, TIMING)).toHaveLength(2)
  })

  test('sets how many calls a task may make', () => {
    const task = { ...aTask({}), pollOffsetsMs: minutes(7, 90, 1430), calls: 0, finalCalls: 0 }
    expect(callsLeft(task, TIMING)).toBe(3)
    expect(finalCallsLeft(task, TIMING)).toBe(3)
    expect(callsLeft({ ...task, calls: 2 }, TIMING)).toBe(1)
  })

  test('with growing gaps is the one that follows from the settings', () => {
    const stored = { ...TASK, pollOffsetsMs: growingPlan(TASK, TIMING) }
    const rounded = ({ at, last }: PlannedPoll) => ({ at: Math.round(at.getTime() / 2_000), last })
    expect(pollTimes(stored, TIMING).map(rounded)).toEqual(pollTimes(TASK, TIMING).map(rounded))
  })
})
