import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Answer, QUERY_WINDOW_MS, type TaskScopes } from '../../src/domain/delivery.ts'
import { isOver, planExpiry, planPoll } from '../../src/domain/plan.ts'
import { buildTiming, longestGapMs, type Timing } from '../../src/domain/poll-times.ts'
import {
  after,
  afterwards,
  answer,
  aStartedTask,
  type Fates,
  holds,
  hoursLater,
  kindsOf,
  minutesLater,
  refused,
  SENT,
  type StoredTask,
  someFates,
  someScopes,
  truthAt,
} from './support.ts'

/** A task driven by a virtual clock, from its plan to its end. */
interface Life {
  readonly task: StoredTask
  readonly endedAt: Date
  readonly requests: readonly Date[]
  readonly goodRequests: readonly Date[]
}

/** What DingTalk answers to the n-th request, sent at a moment. */
type Server = (requestedAt: Date, n: number) => Answer

interface Options {
  readonly fates: Fates
  readonly server: Server
  readonly named?: boolean
  readonly from?: Date
  readonly timing?: Timing
  readonly taskId?: string
  readonly sentAtGiven?: boolean
  readonly scopes?: TaskScopes
  /** How much later than due the n-th poll is made. */
  readonly lateMs?: (n: number) => number
}

const ANSWER_MS = 300
/** More polls than any life may have: a task that never ends must fail the test, not hang it. */
const MAX_LOOKS = 5_000

function live({ fates, server, named = true, from = SENT, timing = buildTiming(24), lateMs = () => 0, ...rest }: Options): Life {
  const { taskId = '1', sentAtGiven = true, scopes = someScopes() } = rest
  let task: StoredTask = {
    ...aStartedTask({ taskId, timing, from, sentAtGiven, ...(named ? { userIds: Object.keys(fates) } : {}) }),
    scopes,
  }
  let now = from
  const requests: Date[] = []
  const goodRequests: Date[] = []
  while (task.status === 'tracking' && requests.length < MAX_LOOKS) {
    now = new Date(Math.max(now.getTime(), task.nextPollAt!.getTime()))
    if (!isOver(task, now)) now = new Date(Math.min(after(now, lateMs(requests.length)).getTime(), task.deadlineAt.getTime()))
    if (isOver(task, now)) {
      task = expired(task, timing)
      break
    }
    const said = server(now, requests.length)
    requests.push(now)
    if (said.kind === 'observed') goodRequests.push(now)
    now = after(now, ANSWER_MS)
    task = afterwards(task, planPoll(task, said, 1, now, timing))
  }
  return { task, endedAt: now, requests, goodRequests }
}

const expired = (task: StoredTask, timing: Timing): StoredTask => ({ ...task, ...planExpiry(task, timing) })

const truthful =
  (fates: Fates): Server =>
  (requestedAt) =>
    answer(truthAt(fates, requestedAt), requestedAt)

/** A truthful server behind faults: the n-th code stands for the n-th request, null for a good answer. */
const faulty =
  (fates: Fates, codes: ReadonlyArray<string | null>): Server =>
  (requestedAt, n) => {
    const code = codes[n] ?? null
    return code === null ? truthful(fates)(requestedAt, n) : refused(code, '', requestedAt)
  }

/** Codes of every scope, and those that our own client gives. */
const REFUSALS = ['40035', '400002', '41011', '12345678', '60011', 'HTTP_404']
const FAULTS = [...REFUSALS, '-1', '500', '90018', '90020', '40014', '60020', 'HTTP_502', 'TIMEOUT', 'NOT_JSON', 'NO_CODE']
const someFaults = fc.array(fc.oneof(fc.constant(null), fc.constantFrom(...FAULTS)), { maxLength: 60 })
const aTaskId = fc.integer({ min: 1, max: 2 ** 31 }).map(String)
const pollsPerTask = fc.constantFrom(1, 2, 5, 24, 100)
/** A recipient stays unread for ever, so that the task expires. */
const unfinished = someFates().map((fates): Fates => ({ ...fates, zed: { listedAt: 0, end: 'never reads', readAt: 0 } }))

const isInLastPercent = (at: Date): boolean => hoursLater(24).getTime() - at.getTime() <= QUERY_WINDOW_MS / 100

test('without faults a task that expires gets exactly POLLS_PER_TASK polls, the last of them in the last 1 % of the window', () => {
  holds(
    fc.property(unfinished, pollsPerTask, aTaskId, fc.boolean(), (fates, polls, taskId, named) => {
      const life = live({ fates, server: truthful(fates), timing: buildTiming(polls), taskId, named })
      expect(life.task).toMatchObject({ status: 'expired', reason: { code: 'window_over', detail: null } })
      expect(life.endedAt).toEqual(life.task.deadlineAt)
      expect(life.requests.length).toBe(polls)
      expect(isInLastPercent(life.requests.at(-1)!)).toBe(true)
    }),
    300,
  )
})

test('with random faults between, every task ends by its deadline and no sooner unless it is complete, within its cap of calls', () => {
  holds(
    fc.property(someFates(), someFaults, pollsPerTask, aTaskId, fc.boolean(), (fates, faults, polls, taskId, named) => {
      const timing = buildTiming(polls)
      const life = live({ fates, server: faulty(fates, faults), timing, taskId, named })
      expect(['complete', 'expired', 'stopped']).toContain(life.task.status)
      if (life.task.status !== 'complete') expect(life.endedAt.getTime()).toBeGreaterThanOrEqual(life.task.deadlineAt.getTime())
      if (life.task.status === 'stopped') expect(life.goodRequests).toEqual([])
      expect(life.endedAt.getTime()).toBeLessThanOrEqual(life.task.deadlineAt.getTime() + ANSWER_MS)
      expect(life.requests.every((at) => at < life.task.deadlineAt)).toBe(true)
      expect(life.requests.length).toBeLessThanOrEqual(timing.maxCalls)
      expect(life.task.calls).toBe(life.requests.length)
      expect(life.goodRequests.length).toBeLessThanOrEqual(polls)
    }),
    1_000,
  )
})

test('whatever failed before, the final poll is made', () => {
  holds(
    fc.property(unfinished, someFaults, pollsPerTask, aTaskId, (fates, faults, polls, taskId) => {
      const life = live({ fates, server: faulty(fates, faults), timing: buildTiming(polls), taskId })
      expect(isInLastPercent(life.requests.at(-1)!)).toBe(true)
    }),
    500,
  )
})

test('one stray answer of any kind costs a task no more than a call: the plan goes on, and the window ends with the final poll', () => {
  holds(
    fc.property(unfinished, fc.integer({ min: 1, max: 22 }), fc.constantFrom(...FAULTS), aTaskId, (fates, n, code, taskId) => {
      const life = live({ fates, server: faulty(fates, [...Array<null>(n).fill(null), code]), taskId })
      expect(life.task).toMatchObject({ status: 'expired', reason: { code: 'window_over' }, problem: null })
      expect([24, 25]).toContain(life.requests.length)
      expect(after(life.requests[n]!, 61_500) >= life.requests[n + 1]!).toBe(true)
    }),
    500,
  )
})

test('what the task ends with is what a truthful server last said', () => {
  holds(
    fc.property(someFates(), someFaults, aTaskId, (fates, faults, taskId) => {
      const { task, goodRequests } = live({ fates, server: faulty(fates, faults), taskId })
      const said: ReadonlyArray<readonly [string, readonly string[]]> = Object.entries(
        truthAt(fates, goodRequests.at(-1) ?? minutesLater(-1)),
      )
      const expected = Object.fromEntries(
        Object.keys(fates).map((userId) => [userId, said.find(([, ids]) => ids.includes(userId))?.[0] ?? 'pending']),
      )
      expect(kindsOf(task)).toEqual(expected)
    }),
    1_000,
  )
})

test('a task whose people have all read is complete at the next successful poll, not before', () => {
  holds(
    fc.property(someFates(20 * 60), someFaults, aTaskId, (fates, faults, taskId) => {
      const everybodyReads: Fates = Object.fromEntries(Object.entries(fates).map(([userId, fate]) => [userId, { ...fate, end: 'reads' }]))
      const doneAt = minutesLater(Math.max(...Object.values(everybodyReads).map((fate) => fate.readAt)))
      const { task, goodRequests } = live({ fates: everybodyReads, server: faulty(everybodyReads, faults), taskId })
      const polledAfter = goodRequests.filter((at) => at >= doneAt)
      expect([task.status, polledAfter.length]).toEqual(polledAfter.length === 0 ? ['expired', 0] : ['complete', 1])
    }),
    500,
  )
})

test('an outage that ends five minutes before the deadline does not cost the final poll', () => {
  const outage = fc.record({
    fromMinute: fc.integer({ min: 0, max: 1_435 }),
    untilMinute: fc.integer({ min: 0, max: 1_435 }),
    code: fc.constantFrom('-1', '500', 'HTTP_502', 'TIMEOUT', '90018', '90020'),
  })
  holds(
    fc.property(unfinished, outage, pollsPerTask, aTaskId, (fates, { fromMinute, untilMinute, code }, polls, taskId) => {
      const isDown = (at: Date): boolean => at >= minutesLater(fromMinute) && at < minutesLater(untilMinute)
      const server: Server = (at, n) => (isDown(at) ? refused(code, '', at) : truthful(fates)(at, n))
      const life = live({ fates, server, timing: buildTiming(polls), taskId })
      expect(isInLastPercent(life.goodRequests.at(-1)!)).toBe(true)
      expect(life.task.reason?.code).toBe('window_over')
    }),
    500,
  )
})

test('when any poll of the last phase succeeds, it is the last successful poll that the row names', () => {
  holds(
    fc.property(unfinished, someFaults, aTaskId, (fates, faults, taskId) => {
      const { task, goodRequests } = live({ fates, server: faulty(fates, faults), taskId })
      const last = goodRequests.at(-1)
      if (task.lastGoodRequestedAt !== null) expect(goodRequests).toContainEqual(task.lastGoodRequestedAt)
      if (last !== undefined && isInLastPercent(last)) expect(task.reason?.code).toBe('window_over')
      else expect(task.reason?.code).not.toBe('window_over')
    }),
    500,
  )
})

test('a task for which every call fails all day ends at its deadline, within its cap, three calls of it in the last minutes', () => {
  const fates: Fates = { ann: { listedAt: 0, end: 'reads', readAt: 5 } }
  const life = live({ fates, server: (at) => refused('HTTP_502', '', at) })
  expect(life.task).toMatchObject({
    status: 'expired',
    reason: { code: 'never_observed', detail: { because: { problem: { code: 'outage', detail: { said: 'HTTP_502' } } } } },
  })
  expect(life.endedAt.getTime()).toBeLessThanOrEqual(hoursLater(24).getTime() + ANSWER_MS)
  expect(life.requests.filter((at) => !isInLastPercent(at)).length).toBeLessThanOrEqual(27)
  expect(life.requests.filter(isInLastPercent).length).toBe(3)
})

test.each([
  ['throttled', 90018, 'expired', 'never_observed'],
  ['out of quota', 90020, 'stopped', 'quota'],
])(
  'an app that is %s all day: the calls of a task stay within its cap, and no poll is counted as a failure',
  (_name, code, status, reason) => {
    const fates: Fates = { ann: { listedAt: 0, end: 'reads', readAt: 5 } }
    const life = live({ fates, server: (at) => refused(code, '', at) })
    expect(life.task).toMatchObject({ status, reason: { code: reason }, failuresInRow: 0 })
    expect(life.requests.length).toBeLessThanOrEqual(30)
    expect(life.requests.filter(isInLastPercent).length).toBe(3)
  },
)

test('a task that DingTalk refuses from the first poll on gets five calls in all, whatever the mix of refusals', () => {
  const mixes = fc.array(fc.constantFrom(...REFUSALS, 'Call timeout'), { minLength: 5, maxLength: 40 })
  holds(
    fc.property(mixes, aTaskId, fc.boolean(), (mix, taskId, named) => {
      const server: Server = (at, n) => {
        const said = mix[n % mix.length] ?? '40035'
        return said === 'Call timeout' ? refused(50, said, at) : refused(said, '', at)
      }
      const life = live({ fates: { ann: { listedAt: 0, end: 'reads', readAt: 5 } }, server, taskId, named })
      const minutes = life.requests.map((at, n) => (at.getTime() - (life.requests[n - 1]?.getTime() ?? SENT.getTime())) / 60_000)
      expect(life.requests).toHaveLength(5)
      expect(minutes.slice(1, 4).map(Math.round)).toEqual([15, 60, 240])
      expect(isInLastPercent(life.requests.at(-1)!)).toBe(true)
      expect(life.endedAt).toEqual(life.task.deadlineAt)
    }),
    300,
  )
})

test('what is not the fault of the task, between its refusals, buys it no further ones', () => {
  const others = fc.array(fc.constantFrom('-1', 'HTTP_502', '90018', '90020'), { minLength: 1, maxLength: 8 })
  holds(
    fc.property(others, aTaskId, (codes, taskId) => {
      let refusals = 0
      const server: Server = (at, n) => {
        const code = n % 2 === 1 && n < codes.length * 2 ? codes[(n - 1) / 2] : undefined
        if (code === undefined) refusals++
        return refused(code ?? '40035', '', at)
      }
      const life = live({ fates: { ann: { listedAt: 0, end: 'reads', readAt: 5 } }, server, taskId })
      expect(refusals).toBeLessThanOrEqual(5)
      expect(life.requests.length).toBeLessThanOrEqual(5 + codes.length)
    }),
    300,
  )
})

test('once DingTalk answers, a task that was refused goes on with its plan', () => {
  const fates: Fates = { ann: { listedAt: 0, end: 'reads', readAt: 900 } }
  const life = live({ fates, server: faulty(fates, ['400002', '400002', '400002']) })
  expect(life.task).toMatchObject({ status: 'complete', problem: null, reason: { code: 'all_read' } })
})

test('"Call timeout" all day: five calls; too many recipients only where they were not named and other tasks succeeded', () => {
  const fates: Fates = { ann: { listedAt: 0, end: 'reads', readAt: 5 } }
  const end = (named: boolean, app: Date | null) => {
    const life = live({ fates, named, scopes: someScopes({ app }), server: (at) => refused(15, 'Call timeout', at) })
    return [life.task.status, life.task.reason?.code, life.requests.length]
  }
  expect(end(false, hoursLater(3))).toEqual(['stopped', 'probably_too_many_recipients', 5])
  expect(end(false, null)).toEqual(['expired', 'never_observed', 5])
  expect(end(true, hoursLater(3))).toEqual(['expired', 'never_observed', 5])
})

describe('the sender left the send time out, and tracking began late', () => {
  /** A server that forgets the task when its own 24 hours are over. */
  const forgetting =
    (fates: Fates, sentAt: Date, code: string): Server =>
    (at, n) =>
      at.getTime() - sentAt.getTime() < QUERY_WINDOW_MS ? truthful(fates)(at, n) : refused(code, '', at)

  const aForgottenTask = fc.record({
    fates: unfinished,
    lateMinutes: fc.oneof(fc.constantFrom(15, 900), fc.integer({ min: 15, max: 23 * 60 })),
    code: fc.constantFrom('40035', '400002', '41011', '12345678'),
    taskId: aTaskId,
  })

  test('the task ends as expired at its deadline, and says when it was sent', () => {
    holds(
      fc.property(aForgottenTask, ({ fates, lateMinutes, code, taskId }) => {
        const sentAt = minutesLater(-lateMinutes)
        const life = live({ fates, server: forgetting(fates, sentAt, code), taskId, sentAtGiven: false })
        const { reason, status } = life.task
        expect([status, reason?.code]).toEqual(['expired', 'window_closed_early'])
        if (reason?.code !== 'window_closed_early' || reason.detail === null) return
        expect(new Date(reason.detail.sentAfter) < sentAt && sentAt <= new Date(reason.detail.sentBefore)).toBe(true)
        expect(life.requests.length).toBeLessThanOrEqual(30)
      }),
      300,
    )
  })

  test('little is lost before the true end: 25 minutes at most where tracking began 15 minutes late, else no more than a gap', () => {
    holds(
      fc.property(aForgottenTask, ({ fates, lateMinutes, code, taskId }) => {
        const endAt = after(minutesLater(-lateMinutes), QUERY_WINDOW_MS)
        const life = live({ fates, server: forgetting(fates, minutesLater(-lateMinutes), code), taskId, sentAtGiven: false })
        const lostMs = endAt.getTime() - (life.goodRequests.at(-1)?.getTime() ?? SENT.getTime())
        expect(lostMs).toBeLessThanOrEqual(lateMinutes === 15 ? 25 * 60_000 : longestGapMs(buildTiming(24)))
      }),
      300,
    )
  })

  test('no bracket relies on the assumed time', () => {
    holds(
      fc.property(aForgottenTask, ({ fates, lateMinutes, code, taskId }) => {
        // Everybody has read before tracking began.
        const early: Fates = Object.fromEntries(Object.keys(fates).map((userId) => [userId, { listedAt: -14, end: 'reads', readAt: -13 }]))
        const life = live({ fates: early, server: forgetting(early, minutesLater(-lateMinutes), code), taskId, sentAtGiven: false })
        for (const { state } of life.task.recipients) expect(state.kind === 'read' ? state.lastUnreadAt : state.kind).toBeNull()
      }),
      100,
    )
  })
})

test('however late each poll is made, the calls stay within the plan and the end at the deadline', () => {
  const lateness = fc.array(fc.integer({ min: 0, max: 6 * 3_600_000 }), { maxLength: 30 })
  holds(
    fc.property(unfinished, lateness, fc.integer({ min: 0, max: 30 * 60 }), aTaskId, (fates, late, fromMinute, taskId) => {
      const life = live({ fates, server: truthful(fates), from: minutesLater(fromMinute), taskId, lateMs: (n) => late[n] ?? 0 })
      expect(life.task.status).toBe('expired')
      expect(life.requests.length).toBeLessThanOrEqual(24)
      expect(life.endedAt).toEqual(minutesLater(Math.max(24 * 60, fromMinute)))
    }),
    500,
  )
})

test('tracked 3 h late: one poll at once, the rest of the plan, and reads from before it lie after the send', () => {
  const fates: Fates = { ann: { listedAt: 0, end: 'reads', readAt: 60 }, bob: { listedAt: 0, end: 'never reads', readAt: 0 } }
  const life = live({ fates, server: truthful(fates), from: hoursLater(3) })
  expect(life.requests[0]).toEqual(hoursLater(3))
  expect(life.requests.length).toBeLessThan(24)
  expect(life.task.recipients.find(({ userId }) => userId === 'ann')?.state).toEqual({
    kind: 'read',
    lastUnreadAt: null,
    firstReadAt: after(hoursLater(3), 1_000),
  })
})

test('tracked after 24 h: no call, and the reason is given', () => {
  const life = live({ fates: { ann: { listedAt: 0, end: 'reads', readAt: 1 } }, server: truthful({}), from: hoursLater(25) })
  expect(life.requests).toEqual([])
  expect(life.task).toMatchObject({ status: 'expired', reason: { code: 'sent_too_long_ago' } })
})
