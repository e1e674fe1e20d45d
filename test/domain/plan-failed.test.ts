import { describe, expect, test } from 'vitest'
import type { Answer, Task, TaskScopes } from '../../src/domain/delivery.ts'
import { countStates, planPoll, planUncalled, type WritePlan } from '../../src/domain/plan.ts'
import { buildTiming, finalPollTime, jitterOf, nextPlannedPoll } from '../../src/domain/poll-times.ts'
import {
  after,
  afterPolls,
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
  read,
  refused,
  SENT,
  someScopes,
  TIMING,
  unread,
} from './support.ts'

const FINAL_POLL_AT = finalPollTime(hoursLater(24), TIMING, jitterOf(KEY))
const plannedAfter = (task: Task, requestedAt: Date) => nextPlannedPoll(task, arrivalOf(requestedAt), TIMING)

describe('what a failed poll changes', () => {
  const untouched = aTask({ ann: unread, bob: pending, cy: read })

  test('send_result null or {}: no person, no bracket; asked again soon', () => {
    const plan = poll(untouched, empty())
    expect([plan.changed, plan.transitions, plan.poll.outcome]).toEqual([[], [], 'empty'])
    expect(plan.task).toMatchObject({
      goodPolls: 1,
      lastGoodRequestedAt: minutesLater(3),
      failuresInRow: 1,
      problem: { code: 'no_result' },
    })
    expect(plan.evidence).toEqual({ kind: 'none' })
    expect(delaySecondsOf(plan)).toBeLessThan(40)
  })

  test('each kind of refusal changes no person and no bracket, ends nothing, and is recorded with its problem and scope', () => {
    for (const [code, problemCode, scope, outcome] of A_REFUSAL_OF_EACH_KIND) {
      const plan = poll(untouched, refused(code, 'a message'))
      expect([plan.changed, plan.transitions]).toEqual([[], []])
      expect(plan.poll).toMatchObject({ outcome, code, message: 'a message', pollNo: 2, problemCode, scope, calls: 1 })
      expect(plan.task).toMatchObject({ counts: countStates(untouched.recipients), lastObservedAt: untouched.lastObservedAt, goodPolls: 1 })
      expect(plan.task).toMatchObject({ status: 'tracking', reason: null, delay: null })
      expect(plan.task.problem).toMatchObject({
        code: problemCode,
        since: arrivalOf(minutesLater(4)),
        detail: { said: code, scope, agentId: '836390886' },
      })
    }
  })

  test('a poll that brought no answer at all is recorded without an arrival', () => {
    const silence: Answer = { ...refused('TIMEOUT', 'no answer within 10 s'), respondedAt: null }
    expect(planPoll(untouched, silence, 1, minutesLater(5), TIMING).poll).toMatchObject({
      respondedAt: null,
      code: 'TIMEOUT',
      outcome: 'transient',
    })
  })

  test('a problem that stays keeps its beginning; another one has its own', () => {
    const task = afterPolls(aTask({ ann: unread }), [
      refused(40035),
      refused(40035, '', minutesLater(6)),
      refused(400002, '', minutesLater(70)),
    ])
    expect(task.problem).toMatchObject({ code: 'parameters', since: arrivalOf(minutesLater(4)), detail: { said: '400002' }, polls: 3 })
    expect(afterPolls(task, [refused(500, '', minutesLater(140))]).problem).toMatchObject({
      code: 'outage',
      since: arrivalOf(minutesLater(140)),
    })
  })
})

/** One code of each problem that an answer can show: what it means, for which scope, and what the poll is called. */
const A_REFUSAL_OF_EACH_KIND = [
  ['12345678', 'unknown_code', 'answer', 'transient'],
  ['0', 'no_result', 'answer', 'empty'],
  ['40035', 'parameters', 'task', 'task'],
  ['400002', 'parameters', 'task', 'task'],
  ['41011', 'agent_id', 'pair', 'configuration'],
  ['40014', 'token_refused', 'worker', 'configuration'],
  ['40096', 'credentials', 'worker', 'configuration'],
  ['40078', 'third_party', 'worker', 'configuration'],
  ['60020', 'ip_not_allowed', 'worker', 'configuration'],
  ['60011', 'permission', 'app', 'configuration'],
  ['88/40000', 'permission', 'app', 'configuration'],
  ['HTTP_404', 'wrong_path', 'app', 'configuration'],
  ['90018', 'rate_limit', 'app', 'throttled'],
  ['90020', 'quota', 'app', 'quota'],
  ['-1', 'outage', 'dingtalk', 'transient'],
  ['HTTP_502', 'outage', 'dingtalk', 'transient'],
] as const

function delaySecondsOf(plan: WritePlan): number {
  if (plan.next.kind === 'done' || plan.poll.respondedAt === null) throw new Error('no poll follows')
  return (plan.next.until.at.getTime() - plan.poll.respondedAt.getTime()) / 1_000
}

const delayMinutesOf = (plan: WritePlan): number => delaySecondsOf(plan) / 60

describe('what a failed poll says about the scopes around its task', () => {
  const evidenceOf = (code: string | number, scopes: TaskScopes = someScopes(), message = '') =>
    poll(aTask({ ann: unread }, { scopes }), refused(code, message)).evidence
  const neverGood = someScopes({ app: null, pair: null })

  test('nothing beyond the task: its parameters where the pair has worked, a call timeout, a code that stands nowhere', () => {
    expect([evidenceOf(40035), evidenceOf(400002), evidenceOf(12345678), evidenceOf('NO_AGENT_ID')]).toEqual(
      Array.from({ length: 4 }, () => ({ kind: 'none' })),
    )
    expect(evidenceOf(15, neverGood, 'Call timeout')).toEqual({ kind: 'none' })
  })

  test('parameters may be the agent id while no poll has succeeded with it: two tasks must agree, and its probes are far apart', () => {
    expect(evidenceOf(400002, someScopes({ pair: null }))).toMatchObject({
      kind: 'pair',
      problem: { code: 'parameters' },
      requestedAt: minutesLater(4),
      agreement: { polls: 2, tasks: 2 },
      probeDelaysMs: [1, 15, 60, 240].map((minutes) => minutes * 60_000),
      until: null,
    })
  })

  test('the agent id: the pair, by two tasks; probed soon where it has worked', () => {
    expect(evidenceOf(41011)).toMatchObject({
      kind: 'pair',
      agreement: { polls: 2, tasks: 2 },
      probeDelaysMs: [1, 5, 15].map((minutes) => minutes * 60_000),
    })
    expect(evidenceOf(41011, neverGood)).toMatchObject({ kind: 'pair', probeDelaysMs: [1, 15, 60, 240].map((minutes) => minutes * 60_000) })
  })

  test('without an agent id there is no pair', () => {
    for (const code of [41011, 400002]) expect(evidenceOf(code, { ...neverGood, agentId: null })).toEqual({ kind: 'none' })
  })

  test('this worker: credentials, tokens, its address, an app that it does not know', () => {
    for (const code of ['40096', '40014', '60020', '40078', 'UNKNOWN_APP', 'PRIVATE_ADDRESS']) {
      expect(evidenceOf(code)).toMatchObject({ kind: 'worker', problem: { detail: { said: code } } })
    }
  })

  test('the app: a permission or a path by two tasks, a limit by one answer, an outage by five polls of two tasks', () => {
    for (const code of [60011, 'HTTP_404'])
      expect(evidenceOf(code)).toMatchObject({ kind: 'app', agreement: { polls: 2, tasks: 2 }, until: null })
    for (const code of [90018, 90020]) expect(evidenceOf(code)).toMatchObject({ kind: 'app', agreement: { polls: 1, tasks: 1 } })
    expect(evidenceOf('HTTP_502')).toMatchObject({ kind: 'app', agreement: { polls: 5, tasks: 2 }, until: null })
  })

  test('the time scale divides the waits of probes', () => {
    const plan = poll(aTask({ ann: unread }), refused(60011), buildTiming(24, 60))
    expect(plan.evidence).toMatchObject({ probeDelaysMs: [1_000, 5_000, 15_000] })
  })

  test('a used-up quota is probed after a minute, and then once an hour: it can be bought', () => {
    expect(evidenceOf('ApiCountLimitForOrg')).toMatchObject({ problem: { code: 'quota' }, probeDelaysMs: [60_000, 3_600_000], until: null })
  })

  describe('a rate limit', () => {
    const untilOf = (message: string, code: string | number = 90018): unknown => evidenceOf(code, someScopes(), message)
    const arrived = arrivalOf(minutesLater(4))

    test('lasts until the end that it names, China time', () => {
      expect(untilOf('限制将在 2026-11-23 09:12:00 结束.')).toMatchObject({ until: minutesLater(12) })
    })

    const MINUTES = [1, 2, 5, 10].map((minutes) => minutes * 60_000)

    test('that names no end, or one that is past, is probed after 1, 2, 5 and 10 minutes', () => {
      for (const message of ['', '限制将在 2026-11-23 09:00:00 结束.']) {
        expect(untilOf(message)).toMatchObject({ until: null, probeDelaysMs: MINUTES })
      }
    })

    test('that names an end in hours or in years is expected for ten minutes, and then probed', () => {
      for (const message of ['限制将在 2026-11-23 19:00:00 结束.', '限制将在 2999-01-01 00:00:00 结束.']) {
        expect(untilOf(message)).toMatchObject({ until: after(arrived, 600_000) })
      }
    })

    test('of a QPS limit is probed after two seconds, one more than DingTalk says; if it stays, ever later', () => {
      for (const name of ['QpsLimitForApi', 'QpsLimitForAppkeyAndApi']) {
        expect(untilOf('', `Forbidden.AccessDenied.${name}`)).toMatchObject({ until: null, probeDelaysMs: [2_000, 10_000, ...MINUTES] })
        expect(poll(aTask(), refused(`Forbidden.AccessDenied.${name}`)).next).toMatchObject({ until: { at: after(arrived, 2_000) } })
      }
    })
  })
})

describe('when a task is polled again after a failed poll', () => {
  test('retries of an outage wait twice as long each time, give or take a quarter, and no longer than until the next planned poll', () => {
    const delays = [0, 1, 2, 3].map((failuresInRow) => delaySecondsOf(poll(aTask({}, { failuresInRow }), refused(500, '', hoursLater(12)))))
    for (const [i, delay] of delays.entries()) {
      expect(delay).toBeGreaterThanOrEqual(30 * 2 ** i * 0.75)
      expect(delay).toBeLessThanOrEqual(30 * 2 ** i * 1.25)
    }
  })

  test('a retry that would come after the next planned poll is not made: the plan goes on', () => {
    const requestedAt = minutesLater(4)
    const plan = poll(aTask({}, { failuresInRow: 5 }), refused(500, '', requestedAt))
    expect(plan.next).toEqual({ kind: 'snooze', until: plannedAfter(aTask(), requestedAt) })
  })

  test('an outage and an answer without lists are retried quickly six times; then only the planned polls are made', () => {
    const requestedAt = hoursLater(12)
    const planned = plannedAfter(aTask(), requestedAt)
    const isQuick = (said: Answer, failuresInRow: number): boolean => {
      const { nextPollAt } = poll(aTask({}, { failuresInRow }), said).task
      return nextPollAt !== null && planned !== null && nextPollAt < planned.at
    }
    for (const said of [refused(500, '', requestedAt), refused('HTTP_502', '', requestedAt), refused(-1, '', requestedAt)]) {
      expect([4, 5, 6, 7].map((failures) => isQuick(said, failures))).toEqual([true, true, false, false])
    }
    expect([0, 3, 6].map((failures) => isQuick(empty(requestedAt), failures))).toEqual([true, true, false])
  })

  test("what DingTalk's own limits refuse is not this task's fault: it counts as no failure and no probe, and the end is waited for", () => {
    const task = aTask({}, { failuresInRow: 2, problem: aProblem(40035, '', { polls: 2 }) })
    for (const code of [90018, 90020]) {
      const plan = poll(task, refused(code))
      expect(plan.task).toMatchObject({ failuresInRow: 2, problem: { polls: 2 } })
      expect(delayMinutesOf(plan)).toBe(1)
    }
    expect(poll(task, refused(90018, '限制将在 2026-11-23 09:12:00 结束.')).next).toEqual({
      kind: 'snooze',
      until: { at: minutesLater(12), last: false },
    })
  })

  test('what only this worker cannot do is tried again at once, where another worker may take it', () => {
    for (const code of [40096, 60020, 40014]) expect(delaySecondsOf(poll(aTask({ ann: unread }), refused(code)))).toBe(1)
  })

  test('a task that gave an answer before is asked again after a minute: one stray refusal must not cost hours', () => {
    for (const code of ['40035', '400002', '41011', '60011', 'HTTP_404']) {
      const task = aTask({ ann: unread })
      expect([code, delayMinutesOf(poll(task, refused(code, '', hoursLater(3))))]).toEqual([code, 1])
      const later = [15, 60, 240, 240].map((_, i) => {
        const again = { ...task, problem: aProblem(code, '', { polls: i + 1 }) }
        return delayMinutesOf(poll(again, refused(code, '', hoursLater(3))))
      })
      expect([code, later]).toEqual([code, [15, 60, 240, 240]])
    }
  })

  test('a code that stands nowhere gets three quick retries first', () => {
    const delayAfter = (polls: number): number => {
      const problem = polls === 0 ? null : aProblem(12345678, '', { polls })
      return delayMinutesOf(poll(aTask({ ann: unread }, { problem }), refused(12345678, '', hoursLater(3))))
    }
    expect([0, 1, 2].map(delayAfter).every((minutes, i) => minutes > 0.3 * 2 ** i && minutes < 0.7 * 2 ** i)).toBe(true)
    expect([3, 4, 5, 6, 9].map(delayAfter)).toEqual([1, 15, 60, 240, 240])
  })

  test('a task that never gave an answer is probed after 15 minutes, one hour and four hours, and by its final poll', () => {
    const delayAfter = (polls: number) =>
      poll(anOpenTask({}, { problem: polls === 0 ? null : aProblem(40035, '', { polls }) }), refused(400002))
    expect([0, 1, 2].map((polls) => delayMinutesOf(delayAfter(polls)))).toEqual([15, 60, 240])
    expect(delayAfter(3).next).toEqual({ kind: 'snooze', until: { at: FINAL_POLL_AT, last: true } })
    expect(delayAfter(99).next).toEqual({ kind: 'snooze', until: { at: FINAL_POLL_AT, last: true } })
  })

  test('nothing delays a task past its final poll', () => {
    const shortly = after(FINAL_POLL_AT, -2_000)
    for (const [code] of A_REFUSAL_OF_EACH_KIND) {
      for (const task of [aTask({ ann: unread }), anOpenTask({}, { problem: aProblem(code) })]) {
        expect([code, poll(task, refused(code, '限制将在 2026-11-24 12:00:00 结束.', shortly)).next]).toEqual([
          code,
          { kind: 'snooze', until: { at: FINAL_POLL_AT, last: true } },
        ])
      }
    }
  })

  test('a task that has used up its calls keeps three for its final poll, and says so', () => {
    const used = aTask({ ann: unread }, { calls: TIMING.maxCalls - TIMING.finalCalls - 1 })
    for (const said of [answer({ unread: ['ann'] }), refused(500), refused(40035), refused(90018)]) {
      const plan = poll(used, said)
      expect(plan.task).toMatchObject({ calls: 27, nextPollAt: FINAL_POLL_AT, delay: { code: 'calls_used_up', detail: { calls: 27 } } })
    }
    expect(poll({ ...used, calls: used.calls - 1 }, answer({ unread: ['ann'] })).task.delay).toBeNull()
  })
})

describe('an attempt that made no call', () => {
  const uncalled = (code: string, task: Task = aTask({ ann: unread }), at = minutesLater(4), message = '') =>
    planUncalled(task, refused(code, message, at), arrivalOf(at), TIMING)

  test('leaves no poll and counts no call, but the problem', () => {
    const { update, poll: next } = uncalled('invalidClientIdOrSecret')
    expect(update).toMatchObject({ calls: 1, finalCalls: 0, goodPolls: 1, failuresInRow: 1, status: 'tracking', delay: null })
    expect(update.problem).toMatchObject({ code: 'credentials', polls: 0, since: arrivalOf(minutesLater(4)) })
    expect(next).toEqual({ at: after(arrivalOf(minutesLater(4)), 1_000), last: false })
    expect(update.nextPollAt).toEqual(next.at)
  })

  test('reports as a poll would: this worker, the app, nothing', () => {
    expect(uncalled('Forbidden.AccessDenied.IpNotInWhiteList', aTask(), SENT, 'request ip=203.0.113.7').evidence).toMatchObject({
      kind: 'worker',
      problem: { code: 'ip_not_allowed', detail: { ip: '203.0.113.7' } },
    })
    expect(uncalled('Forbidden.AccessDenied.QpsLimitForApi').evidence).toMatchObject({ kind: 'app', problem: { code: 'rate_limit' } })
    expect(uncalled('Forbidden.AccessDenied.ApiCountLimitForOrg').evidence).toMatchObject({ kind: 'app', problem: { code: 'quota' } })
    expect(uncalled('InvalidAction.NotFound').evidence).toMatchObject({ kind: 'app', problem: { code: 'wrong_path' } })
    expect(uncalled('HTTP_401').evidence).toMatchObject({ kind: 'worker', problem: { code: 'token_refused' } })
    expect(uncalled('HTTP_503').evidence).toMatchObject({ kind: 'app', problem: { code: 'outage' } })
    expect(uncalled('NO_AGENT_ID').evidence).toEqual({ kind: 'none' })
  })

  test('a task without an agent id is tried again like a refused one', () => {
    const task = anOpenTask()
    expect(uncalled('NO_AGENT_ID', task).poll.at).toEqual(after(arrivalOf(minutesLater(4)), 15 * 60_000))
  })

  test('in the last minutes it is tried again until the deadline, in a number of attempts that can be counted', () => {
    for (const code of ['HTTP_503', 'NETWORK', 'Forbidden.AccessDenied.ApiCountLimitForOrg']) {
      const task: Task = aTask({ ann: unread })
      let at = FINAL_POLL_AT
      let attempts = 0
      while (at < hoursLater(24)) {
        const { update, poll: next } = planUncalled(task, refused(code, '', at), at, TIMING)
        Object.assign(task, update)
        expect(next.at.getTime() - at.getTime()).toBeGreaterThanOrEqual(Math.min(1_000, hoursLater(24).getTime() - at.getTime()))
        at = next.at
        attempts++
      }
      expect(at).toEqual(hoursLater(24))
      expect(attempts).toBeGreaterThan(4)
      expect(attempts).toBeLessThan(40)
    }
  })
})
