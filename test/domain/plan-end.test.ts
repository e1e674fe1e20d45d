import { describe, expect, test } from 'vitest'
import type { Answer, Task, TaskProblem } from '../../src/domain/delivery.ts'
import { planExpiry, unchanged } from '../../src/domain/plan.ts'
import { finalPollTime, jitterOf } from '../../src/domain/poll-times.ts'
import type { Problem } from '../../src/domain/problems.ts'
import type { Because, DelayReason, EndReason } from '../../src/domain/reasons.ts'
import {
  after,
  afterPolls,
  afterwards,
  anOpenTask,
  answer,
  aProblem,
  arrivalOf,
  aTask,
  empty,
  hoursLater,
  KEY,
  minutesLater,
  pending,
  poll,
  refused,
  someScopes,
  TIMING,
  unread,
} from './support.ts'

const FINAL_POLL_AT = finalPollTime(hoursLater(24), TIMING, jitterOf(KEY))

describe('the end of the window', () => {
  const deadline = hoursLater(24)

  test('after a good final poll only the deadline is left', () => {
    const plan = poll(aTask({ ann: unread }), answer({ unread: ['ann'] }, FINAL_POLL_AT))
    expect(plan.next).toEqual({ kind: 'snooze', until: { at: deadline, last: true } })
  })

  /** When the polls from the final one on are made, in seconds before the deadline, if all of them fail. */
  function finalPolls(start: Task, said: (at: Date) => Answer): number[] {
    const times: number[] = []
    for (let task = start, at = FINAL_POLL_AT; at < deadline; ) {
      times.push((deadline.getTime() - at.getTime()) / 1_000)
      const plan = poll(task, said(at))
      task = afterwards(task, plan)
      at = plan.task.nextPollAt ?? deadline
    }
    return times
  }

  test('a failed final poll of a task that gave answers is retried twice, spread over the time left, whatever the refusal', () => {
    const leftSeconds = (deadline.getTime() - FINAL_POLL_AT.getTime()) / 1_000
    for (const code of ['-1', 'HTTP_502', '12345678', '40035', '41011', '60011', '90018', '90020']) {
      const times = finalPolls(aTask({ ann: unread }), (at) => refused(code, '', at))
      expect([code, times.length]).toEqual([code, TIMING.finalCalls])
      expect(times[1]).toBeCloseTo((leftSeconds * 2) / 3, -1)
      expect(times[2]).toBeCloseTo(leftSeconds / 3, -1)
    }
    expect(finalPolls(aTask({ ann: unread }), empty)).toHaveLength(TIMING.finalCalls)
  })

  test('the final poll keeps its three calls also when all others are used up, and no task makes more than its cap', () => {
    const used = aTask({ ann: unread }, { calls: TIMING.maxCalls - TIMING.finalCalls })
    expect(finalPolls(used, (at) => refused(500, '', at))).toHaveLength(3)
    expect(finalPolls({ ...used, calls: TIMING.maxCalls - 1 }, (at) => refused(500, '', at))).toHaveLength(1)
  })

  test('for a task that DingTalk refused all day the final poll is its last call', () => {
    for (const code of ['40035', '41011', '60011', '12345678']) {
      expect(
        finalPolls(anOpenTask({}, { problem: aProblem(code, '', { polls: 4 }), calls: 4 }), (at) => refused(code, '', at)),
      ).toHaveLength(1)
    }
  })

  test('a limit whose end lies before the deadline is waited for', () => {
    const plan = poll(aTask(), refused(90018, '限制将在 2026-11-24 08:57:30 结束.', FINAL_POLL_AT))
    expect(plan.next).toEqual({ kind: 'snooze', until: { at: minutesLater(24 * 60 - 2.5), last: true } })
  })

  test('no poll is planned past the deadline, whatever the hint says', () => {
    const plan = poll(aTask({}, { finalCalls: 2, calls: 2 }), refused(90018, '限制将在 2026-11-24 12:00:00 结束.', FINAL_POLL_AT))
    expect(plan.next).toEqual({ kind: 'snooze', until: { at: deadline, last: true } })
  })

  test('an answer that arrives after the deadline counts, and the task is ended next', () => {
    const plan = poll(aTask({ ann: unread, bob: unread }), answer({ read: ['ann'], unread: ['bob'] }, after(deadline, -100)))
    expect(plan.transitions.map(({ userId }) => userId)).toEqual(['ann'])
    expect(plan.next).toEqual({ kind: 'snooze', until: { at: deadline, last: true } })
  })

  test('unread recipients stay unread as of the last successful poll, recipients that were never listed stay pending', () => {
    const task = aTask({ ann: unread, bob: pending })
    expect(planExpiry(task, TIMING)).toEqual({ ...unchanged(task), status: 'expired', reason: expect.any(Object), nextPollAt: null })
  })

  const endOf = (columns: Partial<Task>) => {
    const { status, reason } = planExpiry(aTask({ ann: unread }, columns), TIMING)
    return { status, reason }
  }
  const expired = (reason: EndReason) => ({ status: 'expired', reason })
  const PAUSED: DelayReason = {
    code: 'paused',
    detail: { ...aProblem(60011).detail, scope: 'app', problem: 'permission', until: hoursLater(25).toISOString() },
  }
  const withoutTimes = ({ code, detail }: TaskProblem): Problem => ({ code, detail })

  test('expired after a poll in the last minutes: the window is over, whatever came afterwards', () => {
    const over = expired({ code: 'window_over', detail: null })
    expect(endOf({ lastObservedAt: FINAL_POLL_AT })).toEqual(over)
    expect(endOf({ lastObservedAt: minutesLater(24 * 60 - 12), delay: PAUSED })).toEqual(over)
    // A repeated poll may reach DingTalk after its own deadline.
    expect(endOf({ lastObservedAt: FINAL_POLL_AT, problem: aProblem(40035) })).toEqual(over)
  })

  test('a gap of blindness before the deadline is visible, with what caused it', () => {
    const blind = (because: Because | null) =>
      expired({ code: 'blind_before_deadline', detail: { lastObservedAt: '2026-11-23T21:00:00.000Z', because } })
    expect(endOf({ lastObservedAt: hoursLater(20) })).toEqual(blind(null))
    expect(endOf({ lastObservedAt: hoursLater(20), delay: PAUSED })).toEqual(blind({ delay: PAUSED }))
    for (const code of ['HTTP_502', '90018', '60011', '40096']) {
      const problem = aProblem(code)
      expect(endOf({ lastObservedAt: hoursLater(20), problem, delay: PAUSED })).toEqual(blind({ problem: withoutTimes(problem) }))
    }
  })

  test('refused for itself after answers: DingTalk no longer has the task, which bounds when it was sent', () => {
    for (const code of ['40035', '400002', '41011', '12345678']) {
      const problem = aProblem(code, '', { since: hoursLater(9.5), polls: 2 })
      expect(endOf({ goodPolls: 9, lastGoodRequestedAt: hoursLater(9), lastObservedAt: arrivalOf(hoursLater(9)), problem })).toEqual(
        expired({
          code: 'window_closed_early',
          detail: {
            lastObservedAt: arrivalOf(hoursLater(9)).toISOString(),
            refusedSince: hoursLater(9.5).toISOString(),
            said: code,
            sentAfter: hoursLater(9 - 24).toISOString(),
            sentBefore: hoursLater(9.5 - 24).toISOString(),
          },
        }),
      )
    }
    expect(endOf({ goodPolls: 9, lastObservedAt: hoursLater(9), problem: aProblem(15, 'Call timeout', { polls: 2 }) }).reason?.code).toBe(
      'window_closed_early',
    )
  })

  test('one refusal after answers may be a stray one, and bounds nothing', () => {
    const problem = aProblem('40035', '', { since: hoursLater(23.9), polls: 1 })
    expect(endOf({ goodPolls: 9, lastObservedAt: hoursLater(20), problem }).reason?.code).toBe('blind_before_deadline')
  })

  const never = { lastObservedAt: null, lastGoodRequestedAt: null, goodPolls: 0 }

  test('stopped, with the refusal: DingTalk answered every poll with it until the deadline', () => {
    for (const code of ['40035', '400002', '41011', '60011', '40096', '40014', '60020', '90020', '12345678', 'HTTP_404']) {
      const problem = aProblem(code, 'no')
      expect(endOf({ ...never, pollNo: 5, problem })).toEqual({ status: 'stopped', reason: withoutTimes(problem) })
    }
  })

  test('never observed: DingTalk was not reached, or not asked', () => {
    for (const code of ['HTTP_502', '-1', '90018', 'NO_AGENT_ID', 'UNKNOWN_APP', 'PRIVATE_ADDRESS']) {
      const problem = aProblem(code)
      expect(endOf({ ...never, pollNo: 30, problem })).toEqual(
        expired({ code: 'never_observed', detail: { because: { problem: withoutTimes(problem) } } }),
      )
    }
    expect(endOf({ ...never, pollNo: 30, delay: PAUSED })).toEqual(
      expired({ code: 'never_observed', detail: { because: { delay: PAUSED } } }),
    )
  })

  test("never observed: a poll was due inside the window and everything was down, which is not the sender's delay", () => {
    const bare = expired({ code: 'never_observed', detail: { because: null } })
    expect(endOf({ ...never, pollNo: 0, nextPollAt: minutesLater(3) })).toEqual(bare)
    expect(endOf({ ...never, pollNo: 30, nextPollAt: deadline })).toEqual(bare)
    expect(endOf({ ...never, pollNo: 0, nextPollAt: deadline, delay: PAUSED }).reason?.code).toBe('never_observed')
    // Successful polls that listed nobody say nothing about when anybody was unread.
    expect(endOf({ ...never, goodPolls: 3, pollNo: 3 })).toEqual(bare)
  })

  test('sent too long ago: no poll was ever due inside the window', () => {
    const late = expired({ code: 'sent_too_long_ago', detail: null })
    expect(endOf({ ...never, pollNo: 0, nextPollAt: null })).toEqual(late)
    expect(endOf({ ...never, pollNo: 0, nextPollAt: deadline })).toEqual(late)
  })
})

describe('"Call timeout" until the deadline', () => {
  const problem = aProblem(15, 'Call timeout', { polls: 5 })
  const endOf = (columns: Partial<Task>) => {
    const task = anOpenTask({}, { pollNo: 5, problem, scopes: someScopes({ app: hoursLater(3) }), ...columns })
    return planExpiry(task, TIMING)
  }

  test('inside the window it stops nothing, however often it comes', () => {
    for (const start of [anOpenTask(), aTask({ ann: pending })]) {
      const answers = [3, 4, 5, 20, 80, 330].map((minute) => refused(50, '调用超时', minutesLater(minute)))
      expect(afterPolls(start, answers)).toMatchObject({ status: 'tracking', problem: { code: 'call_timeout', polls: 6 } })
    }
  })

  test('recipients that the sender did not name, while other tasks of the app succeeded: probably too many', () => {
    expect(endOf({})).toMatchObject({
      status: 'stopped',
      reason: { code: 'probably_too_many_recipients', detail: { said: '15', message: 'Call timeout' } },
    })
  })

  test('a hundred named recipients, or one, are never too many', () => {
    expect(endOf({ recipientsKnown: true })).toMatchObject({
      status: 'expired',
      reason: { code: 'never_observed', detail: { because: { problem: { code: 'call_timeout' } } } },
    })
  })

  test('with no success in the app since the send the backend may be slow for all', () => {
    for (const app of [null, minutesLater(-1)]) {
      expect(endOf({ scopes: someScopes({ app }) })).toMatchObject({ status: 'expired', reason: { code: 'never_observed' } })
    }
  })

  test('any answer between shows that the task is not too large', () => {
    const task = afterPolls(anOpenTask(), [
      answer({ unread: ['ann'] }, minutesLater(3)),
      ...[4, 5, 6].map((m) => refused(15, 'Call timeout', minutesLater(m))),
    ])
    expect(planExpiry(task, TIMING)).toMatchObject({ status: 'expired', reason: { code: 'window_closed_early' } })
  })
})
