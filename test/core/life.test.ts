import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Answer, QUERY_WINDOW_MS, type Task } from '../../src/core/delivery.ts'
import { isOver, planExpiry, planLook } from '../../src/core/plan.ts'
import { type Timing, timingOf } from '../../src/core/schedule.ts'
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
  someFates,
  truthAt,
} from './support.ts'

/** A task driven by a virtual clock, from its plan to its end. */
interface Life {
  readonly task: Task
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
  /** How much later than due the n-th look is made. */
  readonly lateMs?: (n: number) => number
}

const ANSWER_MS = 300
/** More looks than any life may have: a task that never ends must fail the test, not hang it. */
const MAX_LOOKS = 5_000

function live({ fates, server, named = true, from = SENT, timing = timingOf(24), taskId = '1', lateMs = () => 0 }: Options): Life {
  let task = aStartedTask({ taskId, timing, from, ...(named ? { userIds: Object.keys(fates) } : {}) })
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
    task = afterwards(task, planLook(task, said, now, timing))
  }
  return { task, endedAt: now, requests, goodRequests }
}

const expired = (task: Task, timing: Timing): Task => ({ ...task, ...planExpiry(task, timing, null) })

const honest =
  (fates: Fates): Server =>
  (requestedAt) =>
    answer(truthAt(fates, requestedAt), requestedAt)

/** An honest server behind faults: the n-th code stands for the n-th request, null for a good answer. */
const faulty =
  (fates: Fates, codes: ReadonlyArray<string | null>): Server =>
  (requestedAt, n) => {
    const code = codes[n] ?? null
    return code === null ? honest(fates)(requestedAt, n) : refused(code, '', requestedAt)
  }

/** One code of each verdict that does not stop the task, and those that our own client gives. */
const FAULTS = ['-1', '500', '12345678', '90018', '60011', '40014', 'HTTP_502', 'TIMEOUT', 'NOT_JSON', 'NO_CODE']
const someFaults = fc.array(fc.oneof(fc.constant(null), fc.constantFrom(...FAULTS)), { maxLength: 60 })
const aTaskId = fc.integer({ min: 1, max: 2 ** 31 }).map(String)
const pollsPerTask = fc.constantFrom(1, 2, 5, 24, 100)
/** Somebody stays unread for ever, so that the task expires. */
const unfinished = someFates().map((fates): Fates => ({ ...fates, zed: { listedAt: 0, end: 'never reads', readAt: 0 } }))

const isInLastPercent = (at: Date): boolean => hoursLater(24).getTime() - at.getTime() <= QUERY_WINDOW_MS / 100

test('without faults a task that expires gets exactly POLLS_PER_TASK looks, the last of them in the last 1 % of the window', () => {
  holds(
    fc.property(unfinished, pollsPerTask, aTaskId, fc.boolean(), (fates, polls, taskId, named) => {
      const life = live({ fates, server: honest(fates), timing: timingOf(polls), taskId, named })
      expect(life.task).toMatchObject({ status: 'expired', reason: 'window_over: the 24 hours in which DingTalk answers have passed' })
      expect(life.endedAt).toEqual(life.task.deadlineAt)
      expect(life.requests.length).toBe(polls)
      expect(isInLastPercent(life.requests.at(-1)!)).toBe(true)
    }),
    300,
  )
})

test('with random faults between, every task ends by its deadline, and each failed look costs one look more at most', () => {
  holds(
    fc.property(someFates(), someFaults, pollsPerTask, aTaskId, fc.boolean(), (fates, faults, polls, taskId, named) => {
      const life = live({ fates, server: faulty(fates, faults), timing: timingOf(polls), taskId, named })
      const failures = life.requests.length - life.goodRequests.length
      expect(['complete', 'expired']).toContain(life.task.status)
      expect(life.endedAt.getTime()).toBeLessThanOrEqual(life.task.deadlineAt.getTime() + ANSWER_MS)
      expect(life.requests.every((at) => at < life.task.deadlineAt)).toBe(true)
      expect(life.requests.length).toBeLessThanOrEqual(polls + failures)
      expect(life.goodRequests.length).toBeLessThanOrEqual(polls)
    }),
    1_000,
  )
})

test('what the task ends with is what an honest server last said', () => {
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

test('a task whose people have all read is complete at the next good look, not before', () => {
  holds(
    fc.property(someFates(20 * 60), someFaults, aTaskId, (fates, faults, taskId) => {
      const everybodyReads: Fates = Object.fromEntries(Object.entries(fates).map(([userId, fate]) => [userId, { ...fate, end: 'reads' }]))
      const doneAt = minutesLater(Math.max(...Object.values(everybodyReads).map((fate) => fate.readAt)))
      const { task, goodRequests } = live({ fates: everybodyReads, server: faulty(everybodyReads, faults), taskId })
      const lookedAfter = goodRequests.filter((at) => at >= doneAt)
      expect([task.status, lookedAfter.length]).toEqual(lookedAfter.length === 0 ? ['expired', 0] : ['complete', 1])
    }),
    500,
  )
})

test('an outage that ends a minute before the deadline does not cost the last look', () => {
  const outage = fc.record({
    fromMinute: fc.integer({ min: 0, max: 1_438 }),
    untilMinute: fc.integer({ min: 0, max: 1_438 }),
    code: fc.constantFrom('-1', '500', '12345678', 'HTTP_502', 'TIMEOUT'),
  })
  holds(
    fc.property(unfinished, outage, pollsPerTask, aTaskId, (fates, { fromMinute, untilMinute, code }, polls, taskId) => {
      const isDown = (at: Date): boolean => at >= minutesLater(fromMinute) && at < minutesLater(untilMinute)
      const server: Server = (at, n) => (isDown(at) ? refused(code, '', at) : honest(fates)(at, n))
      const life = live({ fates, server, timing: timingOf(polls), taskId })
      expect(isInLastPercent(life.goodRequests.at(-1)!)).toBe(true)
      expect(life.task.reason).toMatch(/^window_over/)
    }),
    500,
  )
})

test('when any look of the last phase succeeds, it is the last good look that the row names', () => {
  holds(
    fc.property(unfinished, someFaults, aTaskId, (fates, faults, taskId) => {
      const { task, goodRequests } = live({ fates, server: faulty(fates, faults), taskId })
      const last = goodRequests.at(-1)
      expect(task.lastGoodRequestedAt).toEqual(last ?? null)
      if (last !== undefined && isInLastPercent(last)) expect(task.reason).toMatch(/^window_over/)
      else expect(task.reason).toMatch(/^(blind_before_deadline|never_observed)/)
    }),
    500,
  )
})

test('a task for which every call fails all day ends at its deadline, after the planned looks, six quick retries and those of the last minutes', () => {
  const fates: Fates = { ann: { listedAt: 0, end: 'reads', readAt: 5 } }
  const life = live({ fates, server: (at) => refused('HTTP_502', '', at) })
  expect(life.task).toMatchObject({ status: 'expired', reason: 'never_observed: no look brought a result before the deadline' })
  expect(life.endedAt.getTime()).toBeLessThanOrEqual(hoursLater(24).getTime() + ANSWER_MS)
  expect(life.requests.filter((at) => !isInLastPercent(at)).length).toBeLessThanOrEqual(23 + 6)
  expect(life.requests.filter(isInLastPercent).length).toBeLessThan(50)
})

test('an app that is throttled all day is asked once a minute and no look is counted as a failure', () => {
  const fates: Fates = { ann: { listedAt: 0, end: 'reads', readAt: 5 } }
  const life = live({ fates, server: (at) => refused(90018, '', at) })
  expect(life.task).toMatchObject({ status: 'expired', failuresInRow: 0 })
  expect(life.requests.length).toBeLessThanOrEqual(24 * 60)
})

test('a used-up quota ends the calls of the day', () => {
  const fates: Fates = { ann: { listedAt: 0, end: 'reads', readAt: 5 } }
  const life = live({ fates, server: (at) => refused(90020, '', at) })
  expect([life.task.status, life.requests.length]).toEqual(['expired', 1])
})

test('a task of more than 100 unknown recipients is stopped after three calls', () => {
  const life = live({ fates: {}, named: false, server: (at) => refused(15, 'Call timeout', at) })
  expect([life.task.status, life.requests.length]).toEqual(['stopped', 3])
})

test('however late each look is made, the calls stay within the plan and the end at the deadline', () => {
  const lateness = fc.array(fc.integer({ min: 0, max: 6 * 3_600_000 }), { maxLength: 30 })
  holds(
    fc.property(unfinished, lateness, fc.integer({ min: 0, max: 30 * 60 }), aTaskId, (fates, late, fromMinute, taskId) => {
      const life = live({ fates, server: honest(fates), from: minutesLater(fromMinute), taskId, lateMs: (n) => late[n] ?? 0 })
      expect(life.task.status).toBe('expired')
      expect(life.requests.length).toBeLessThanOrEqual(24)
      expect(life.endedAt).toEqual(minutesLater(Math.max(24 * 60, fromMinute)))
    }),
    500,
  )
})

test('tracked 3 h late: one look at once, the rest of the plan, and reads from before it lie after the send', () => {
  const fates: Fates = { ann: { listedAt: 0, end: 'reads', readAt: 60 }, bob: { listedAt: 0, end: 'never reads', readAt: 0 } }
  const life = live({ fates, server: honest(fates), from: hoursLater(3) })
  expect(life.requests[0]).toEqual(hoursLater(3))
  expect(life.requests.length).toBeLessThan(24)
  expect(life.task.recipients.find(({ userId }) => userId === 'ann')?.state).toEqual({
    kind: 'read',
    lastUnreadAt: null,
    firstReadAt: after(hoursLater(3), 1_000),
  })
})

test('tracked after 24 h: no call, and the reason is given', () => {
  const life = live({ fates: { ann: { listedAt: 0, end: 'reads', readAt: 1 } }, server: honest({}), from: hoursLater(25) })
  expect(life.requests).toEqual([])
  expect(life.task).toMatchObject({ status: 'expired', reason: expect.stringMatching(/^sent_too_long_ago/) })
})
