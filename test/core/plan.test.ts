import { describe, expect, test } from 'vitest'
import type { Answer, RecipientState, Task, TaskProblem, TaskScopes, TaskStatus } from '../../src/core/delivery.ts'
import {
  countsOf,
  isLastLook,
  isOver,
  type LookPlan,
  planExpiry,
  planLook,
  planStart,
  planUncalled,
  unchanged,
} from '../../src/core/plan.ts'
import type { Problem } from '../../src/core/problems.ts'
import type { Because, DelayReason, EndReason } from '../../src/core/reasons.ts'
import { jitterOf, lastLookAt, nextPlannedLook, plannedLooks, timingOf } from '../../src/core/schedule.ts'
import {
  after,
  afterLooks,
  afterwards,
  anOpenTask,
  answer,
  aProblem,
  arrivalOf,
  aTask,
  empty,
  failed,
  forbidden,
  hoursLater,
  invalid,
  KEY,
  kindsOf,
  look,
  minutesLater,
  pending,
  read,
  refused,
  SENT,
  type StoredTask,
  someScopes,
  stateOf,
  TIMING,
  unread,
} from './support.ts'

const LAST_LOOK = lastLookAt(hoursLater(24), TIMING, jitterOf(KEY))
const plannedAfter = (task: Task, requestedAt: Date) => nextPlannedLook(task, arrivalOf(requestedAt), TIMING)
const START = { key: KEY, sentAt: SENT, sentAtGiven: true }

describe('beginning', () => {
  test('a task begins with its deadline 24 h after the send and the first planned look', () => {
    const looks = plannedLooks({ ...START, deadlineAt: hoursLater(24) }, TIMING)
    expect(planStart(START, SENT, TIMING)).toEqual({ deadlineAt: hoursLater(24), first: looks[0] })
  })

  test('enqueued 3 h after the send: looked at once', () => {
    expect(planStart(START, hoursLater(3), TIMING).first).toEqual({ at: hoursLater(3), last: false })
  })

  test('enqueued after 24 h: ended at once, no call made, reason given', () => {
    const { deadlineAt, first } = planStart(START, hoursLater(30), TIMING)
    const task = aTask({ ann: pending }, { deadlineAt, nextPollAt: first.at })
    expect(isOver(task, first.at)).toBe(true)
    expect(planExpiry(task, TIMING)).toMatchObject({
      status: 'expired',
      reason: { code: 'sent_too_long_ago', detail: null },
      counts: { pending: 1 },
    })
  })

  test('a task is over from its deadline on, and its last look is due from the time in the plan on', () => {
    const task = aTask()
    expect([isOver(task, after(hoursLater(24), -1)), isOver(task, hoursLater(24))]).toEqual([false, true])
    expect([isLastLook(task, after(LAST_LOOK, -1), TIMING), isLastLook(task, LAST_LOOK, TIMING)]).toEqual([false, true])
  })
})

describe('what a good look changes', () => {
  test('read followed by unread from the server: nothing changes, and the contradiction is counted', () => {
    const plan = look(aTask({ ann: read, bob: unread }), answer({ unread: ['ann', 'bob'] }))
    expect([plan.changed, plan.transitions, plan.poll.anomalies]).toEqual([[], [], 1])
    expect(plan.task.counts).toMatchObject({ read: 1, unread: 1 })
  })

  test('a read closes the bracket that the last good look opened', () => {
    const plan = look(aTask({ ann: unread }), answer({ read: ['ann'] }))
    expect(plan.changed.map((recipient) => recipient.state)).toEqual([
      { kind: 'read', lastUnreadAt: minutesLater(3), firstReadAt: arrivalOf(minutesLater(4)) },
    ])
    expect(plan.transitions).toEqual([
      { userId: 'ann', from: 'unread', to: 'read', afterAt: minutesLater(3), at: arrivalOf(minutesLater(4)) },
    ])
  })

  test('a read first seen at the first look of a late-tracked task lies somewhere after the send', () => {
    const plan = look(aTask({ ann: pending }), answer({ read: ['ann'] }, hoursLater(3)))
    expect(plan.changed[0]?.state).toEqual({ kind: 'read', lastUnreadAt: null, firstReadAt: arrivalOf(hoursLater(3)) })
    expect(plan.transitions[0]).toMatchObject({ from: 'pending', to: 'read', afterAt: SENT })
  })

  test('an unchanged look touches no person and says as of when they are unread', () => {
    const plan = look(aTask({ ann: unread, bob: forbidden, cy: pending }), answer({ unread: ['ann'], forbidden: ['bob'] }))
    expect([plan.changed, plan.transitions]).toEqual([[], []])
    expect(plan.task).toMatchObject({ goodPolls: 2, lastGoodRequestedAt: minutesLater(4), lastObservedAt: arrivalOf(minutesLater(4)) })
  })

  test('a person who is not listed any more stays as of the last answer that did list them', () => {
    const task = afterLooks(aTask({ ann: unread, bob: unread }), [
      answer({ unread: ['bob'] }, minutesLater(9)),
      answer({ unread: ['bob'] }, minutesLater(20)),
    ])
    expect(stateOf(task, 'ann')).toEqual({ kind: 'unread', lastUnreadAt: minutesLater(3), listed: false })
    expect(stateOf(task, 'bob')).toEqual({ kind: 'unread', lastUnreadAt: minutesLater(20), listed: true })
    const reads = afterLooks(task, [answer({ read: ['ann', 'bob'] }, minutesLater(30))])
    expect(stateOf(reads, 'ann')).toMatchObject({ lastUnreadAt: minutesLater(3) })
    expect(stateOf(reads, 'bob')).toMatchObject({ lastUnreadAt: minutesLater(20) })
  })

  test('a person of whom nothing was said for some looks is written when their time moves', () => {
    const unlisted: RecipientState = { kind: 'unread', lastUnreadAt: minutesLater(1), listed: false }
    const late = look(aTask({ ann: unlisted }), answer({ unread: ['ann'] }, minutesLater(2)))
    expect(late.changed.map((recipient) => recipient.state)).toEqual([{ ...unlisted, lastUnreadAt: minutesLater(2) }])
    const newer = look(aTask({ ann: unlisted }), answer({ unread: ['ann'] }))
    expect(newer.changed.map((recipient) => recipient.state)).toEqual([{ kind: 'unread', lastUnreadAt: minutesLater(4), listed: true }])
  })

  test('a reason that comes later is written to the forbidden person, without a transition', () => {
    const plan = look(aTask({ ann: { kind: 'forbidden', code: null, count: null } }), answer({ forbidden: ['ann'] }))
    expect([plan.changed.map((recipient) => recipient.state), plan.transitions]).toEqual([[forbidden], []])
  })

  test('people whom the sender did not name are added; changes are sorted by user id, by code unit', () => {
    const plan = look(aTask({ bob: pending }), answer({ unread: ['李雷', 'bob', 'Zoe', 'ann', '036'] }))
    expect(plan.changed.map((recipient) => recipient.userId)).toEqual(['036', 'Zoe', 'ann', 'bob', '李雷'])
    expect(plan.transitions.every(({ from, to }) => from === 'pending' && to === 'unread')).toBe(true)
    expect(plan.task.counts).toMatchObject({ unread: 5, pending: 0 })
  })

  test('the bracket of any other change begins with the last good look', () => {
    const plan = look(aTask({ ann: unread, bob: pending }), answer({ unread: ['ann'], failed: ['bob'] }))
    expect(plan.transitions).toEqual([
      { userId: 'bob', from: 'pending', to: 'failed', afterAt: minutesLater(3), at: arrivalOf(minutesLater(4)) },
    ])
  })

  test('the look is recorded with what it believes, when it was due and what it cost', () => {
    const plan = look(aTask({ ann: unread }), answer({ unread: ['ann'] }))
    expect(plan.believes).toEqual({ pollNo: 1, erasureNo: 0 })
    expect(plan.poll).toEqual({
      pollNo: 2,
      dueAt: minutesLater(9),
      requestedAt: minutesLater(4),
      respondedAt: arrivalOf(minutesLater(4)),
      outcome: 'observed',
      code: '0',
      message: null,
      requestId: '6pcvwp6jcows',
      anomalies: 0,
      problemCode: null,
      scope: null,
      calls: 1,
    })
    expect(plan.report).toEqual({ kind: 'good', requestedAt: minutesLater(4) })
  })

  test('a look in the same millisecond as the last good one is not a late one', () => {
    const plan = look(aTask({ ann: unread }), answer({ unread: ['ann', 'bob'] }, minutesLater(3)))
    expect(plan.changed.map((recipient) => recipient.state)).toEqual([unread])
  })

  test('a good look ends a row of failures, the problem and what delayed the task', () => {
    const task = aTask({ ann: unread }, { failuresInRow: 5, problem: aProblem(40035), delay: { code: 'call_rate', detail: null } })
    expect(look(task, answer({ unread: ['ann'] })).task).toMatchObject({ failuresInRow: 0, problem: null, delay: null })
  })

  test('calls are counted, those of a repeated call and of a failed poll too', () => {
    expect(look(aTask({ ann: unread }), answer({ unread: ['ann'] }), TIMING, 2)).toMatchObject({
      poll: { calls: 2 },
      task: { calls: 3, finalCalls: 0 },
    })
    expect(look(aTask({ ann: unread }), refused(500)).task).toMatchObject({ calls: 2, finalCalls: 0 })
    expect(look(aTask({ ann: unread }), answer({ unread: ['ann'] }, LAST_LOOK), TIMING, 2).task).toMatchObject({ calls: 3, finalCalls: 2 })
  })

  test('"unread as of" does not move on with an answer that lists nobody while somebody is unread', () => {
    const plan = look(aTask({ ann: unread, bob: read }), answer({}, minutesLater(9)))
    expect(plan.task).toMatchObject({
      goodPolls: 2,
      lastGoodRequestedAt: minutesLater(3),
      lastObservedAt: arrivalOf(minutesLater(3)),
      problem: null,
    })
    expect(plan.report).toEqual({ kind: 'good', requestedAt: minutesLater(9) })
    const next = afterwards(aTask({ ann: unread, bob: read }), plan)
    expect(stateOf(next, 'ann')).toMatchObject({ kind: 'unread', lastUnreadAt: minutesLater(3) })
    // Whoever is read next was last seen unread three minutes after the send.
    expect(stateOf(afterLooks(next, [answer({ read: ['ann'] }, minutesLater(20))]), 'ann')).toMatchObject({ lastUnreadAt: minutesLater(3) })
  })

  test('with nobody unread an answer that lists nobody says as of when', () => {
    for (const people of [{}, { ann: pending }, { ann: read, bob: failed }]) {
      expect(look(aTask(people), answer({}, minutesLater(9))).task).toMatchObject({ lastObservedAt: arrivalOf(minutesLater(9)) })
    }
  })

  test('an answer that comes late improves brackets and moves nothing else', () => {
    const before = afterLooks(anOpenTask({}), [
      answer({ unread: ['ann', 'bob'] }, minutesLater(9)),
      answer({ read: ['ann'], unread: ['bob'] }, minutesLater(20)),
    ])
    const plan = look(before, answer({ read: ['ann'], failed: ['cy'] }, minutesLater(15)))
    expect(plan.task).toMatchObject({
      lastGoodRequestedAt: minutesLater(20),
      lastObservedAt: arrivalOf(minutesLater(20)),
      listedFingerprint: before.listedFingerprint,
      listedSince: before.listedSince,
    })
    expect(stateOf(afterwards(before, plan), 'ann')).toMatchObject({
      lastUnreadAt: minutesLater(9),
      firstReadAt: arrivalOf(minutesLater(15)),
    })
    expect(plan.transitions).toEqual([{ userId: 'cy', from: 'pending', to: 'failed', afterAt: SENT, at: arrivalOf(minutesLater(15)) }])
  })
})

describe('complete', () => {
  test('everybody whom the sender named has read', () => {
    const plan = look(aTask({ ann: read, bob: unread }), answer({ read: ['ann', 'bob'] }))
    expect(plan.task).toMatchObject({ status: 'complete', reason: { code: 'all_read', detail: null }, nextPollAt: null })
    expect(plan.next).toEqual({ kind: 'done' })
  })

  test('everybody is accounted for, some were not reached', () => {
    const plan = look(aTask({ ann: pending, bob: invalid, cy: failed, dee: forbidden }), answer({ read: ['ann'] }))
    expect(plan.task).toMatchObject({ status: 'complete', reason: { code: 'all_accounted_for', detail: { read: 1, unreachable: 3 } } })
  })

  test('not while somebody is unread', () => {
    expect(look(aTask({ ann: read, bob: pending }), answer({ unread: ['bob'] })).task.status).toBe('tracking')
  })

  test('not while somebody whom the sender named was never listed, however long', () => {
    const looks = [4, 60, 600, 1_430].map((minute) => answer({ read: ['ann'] }, minutesLater(minute)))
    const task = afterLooks(aTask({ ann: pending, bob: pending }), looks)
    expect([task.status, kindsOf(task)]).toEqual(['tracking', { ann: 'read', bob: 'pending' }])
  })

  test('not while somebody whom the sender did not name, but DingTalk did, is unread', () => {
    const task = afterLooks(aTask({ ann: pending }), [answer({ read: ['ann'], unread: ['guest'] })])
    expect(task.status).toBe('tracking')
    expect(afterLooks(task, [answer({ read: ['ann', 'guest'] }, minutesLater(9))]).status).toBe('complete')
  })

  test('the first answers after a send list only some people, or nobody: with unknown recipients a task does not complete on them', () => {
    const statuses = [[], ['ann'], ['ann', 'bob'], ['ann', 'bob', 'cy']].map(
      (names) => look(anOpenTask(), answer({ read: names })).task.status,
    )
    expect(statuses).toEqual(['tracking', 'tracking', 'tracking', 'tracking'])
  })

  test('with unknown recipients two good looks two minutes apart must list the same people', () => {
    const task = afterLooks(anOpenTask(), [answer({ read: ['ann', 'bob'] }, minutesLater(3))])
    expect(look(task, answer({ read: ['bob', 'ann'] }, after(minutesLater(5), -1))).task.status).toBe('tracking')
    expect(look(task, answer({ read: ['bob', 'ann'] }, minutesLater(5))).task.status).toBe('complete')
  })

  test('a list that grew must stay the same anew', () => {
    const grown = afterLooks(anOpenTask(), [answer({ read: ['ann'] }, minutesLater(3)), answer({ read: ['ann', 'bob'] }, minutesLater(30))])
    expect(grown).toMatchObject({ status: 'tracking', listedSince: minutesLater(30) })
    expect(look(grown, answer({ read: ['ann', 'bob'] }, minutesLater(60))).task.status).toBe('complete')
  })

  test('a failed look between the two does not matter', () => {
    const task = afterLooks(anOpenTask(), [
      answer({ read: ['ann'] }, minutesLater(3)),
      refused(-1, '', minutesLater(4)),
      empty(minutesLater(5)),
    ])
    expect(look(task, answer({ read: ['ann'] }, minutesLater(6))).task.status).toBe('complete')
  })

  test('an answer that lists nobody begins the wait anew', () => {
    const task = afterLooks(anOpenTask(), [answer({ read: ['ann'] }, minutesLater(3)), answer({}, minutesLater(10))])
    expect(task.listedSince).toBeNull()
    expect(look(task, answer({ read: ['ann'] }, minutesLater(20))).task.status).toBe('tracking')
  })

  test('never on an empty list', () => {
    const looks = [3, 60, 600].map((minute) => answer({}, minutesLater(minute)))
    expect(afterLooks(anOpenTask(), looks)).toMatchObject({ status: 'tracking', goodPolls: 3 })
    expect(afterLooks(aTask(), looks).status).toBe('tracking')
  })

  test('an older answer does not count as one that lists the same people', () => {
    const task = afterLooks(anOpenTask(), [answer({ read: ['ann', 'bob'] }, minutesLater(10)), answer({ read: ['ann'] }, minutesLater(5))])
    expect(look(task, answer({ read: ['ann'] }, minutesLater(11))).task).toMatchObject({
      status: 'tracking',
      listedSince: minutesLater(11),
    })
  })
})

describe('what a failed look changes', () => {
  const untouched = aTask({ ann: unread, bob: pending, cy: read })

  test('send_result null or {}: no person, no bracket; asked again soon', () => {
    const plan = look(untouched, empty())
    expect([plan.changed, plan.transitions, plan.poll.outcome]).toEqual([[], [], 'empty'])
    expect(plan.task).toMatchObject({
      goodPolls: 1,
      lastGoodRequestedAt: minutesLater(3),
      failuresInRow: 1,
      problem: { code: 'no_result' },
    })
    expect(plan.report).toEqual({ kind: 'none' })
    expect(delaySecondsOf(plan)).toBeLessThan(40)
  })

  test('each kind of refusal changes no person and no bracket, ends nothing, and is recorded with its problem and scope', () => {
    for (const [code, problemCode, scope, outcome] of A_REFUSAL_OF_EACH_KIND) {
      const plan = look(untouched, refused(code, 'a message'))
      expect([plan.changed, plan.transitions]).toEqual([[], []])
      expect(plan.poll).toMatchObject({ outcome, code, message: 'a message', pollNo: 2, problemCode, scope, calls: 1 })
      expect(plan.task).toMatchObject({ counts: countsOf(untouched.recipients), lastObservedAt: untouched.lastObservedAt, goodPolls: 1 })
      expect(plan.task).toMatchObject({ status: 'tracking', reason: null, delay: null })
      expect(plan.task.problem).toMatchObject({
        code: problemCode,
        since: minutesLater(4),
        detail: { said: code, scope, agentId: '836390886' },
      })
    }
  })

  test('a look that brought no answer at all is recorded without an arrival', () => {
    const silence: Answer = { ...refused('TIMEOUT', 'no answer within 10 s'), respondedAt: null }
    expect(planLook(untouched, silence, 1, minutesLater(5), TIMING).poll).toMatchObject({
      respondedAt: null,
      code: 'TIMEOUT',
      outcome: 'transient',
    })
  })

  test('a problem that stays keeps its beginning; another one has its own', () => {
    const task = afterLooks(aTask({ ann: unread }), [
      refused(40035),
      refused(40035, '', minutesLater(6)),
      refused(400002, '', minutesLater(70)),
    ])
    expect(task.problem).toMatchObject({ code: 'parameters', since: minutesLater(4), detail: { said: '400002' }, polls: 3 })
    expect(afterLooks(task, [refused(500, '', minutesLater(140))]).problem).toMatchObject({ code: 'outage', since: minutesLater(140) })
  })
})

/** One code of each problem that an answer can show: what it means, for which scope, and what the poll is called. */
const A_REFUSAL_OF_EACH_KIND = [
  ['12345678', 'unknown_code', 'answer', 'transient'],
  ['0', 'unknown_code', 'answer', 'transient'],
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

function delaySecondsOf(plan: LookPlan): number {
  if (plan.next.kind === 'done' || plan.poll.respondedAt === null) throw new Error('no look follows')
  return (plan.next.look.at.getTime() - plan.poll.respondedAt.getTime()) / 1_000
}

const delayMinutesOf = (plan: LookPlan): number => delaySecondsOf(plan) / 60

describe('what a failed look says about the scopes around its task', () => {
  const reportOf = (code: string | number, scopes: TaskScopes = someScopes(), message = '') =>
    look(aTask({ ann: unread }, { scopes }), refused(code, message)).report
  const neverGood = someScopes({ app: null, pair: null })

  test('nothing beyond the task: its parameters where the pair has worked, a call timeout, a code that stands nowhere', () => {
    expect([reportOf(40035), reportOf(400002), reportOf(12345678), reportOf('NO_AGENT_ID')]).toEqual(Array(4).fill({ kind: 'none' }))
    expect(reportOf(15, neverGood, 'Call timeout')).toEqual({ kind: 'none' })
  })

  test('parameters may be the agent id while no poll has succeeded with it: two tasks must agree, and its probes are far apart', () => {
    expect(reportOf(400002, someScopes({ pair: null }))).toMatchObject({
      kind: 'pair',
      problem: { code: 'parameters' },
      requestedAt: minutesLater(4),
      agreement: { polls: 2, tasks: 2 },
      probeDelaysMs: [1, 15, 60, 240].map((minutes) => minutes * 60_000),
      until: null,
    })
  })

  test('the agent id: the pair, by two tasks; probed soon where it has worked', () => {
    expect(reportOf(41011)).toMatchObject({
      kind: 'pair',
      agreement: { polls: 2, tasks: 2 },
      probeDelaysMs: [1, 5, 15].map((minutes) => minutes * 60_000),
    })
    expect(reportOf(41011, neverGood)).toMatchObject({ kind: 'pair', probeDelaysMs: [1, 15, 60, 240].map((minutes) => minutes * 60_000) })
  })

  test('without an agent id there is no pair', () => {
    for (const code of [41011, 400002]) expect(reportOf(code, { ...neverGood, agentId: null })).toEqual({ kind: 'none' })
  })

  test('this worker: credentials, tokens, its address, an app that it does not know', () => {
    for (const code of ['40096', '40014', '60020', '40078', 'UNKNOWN_APP', 'PRIVATE_ADDRESS']) {
      expect(reportOf(code)).toMatchObject({ kind: 'worker', problem: { detail: { said: code } } })
    }
  })

  test('the app: a permission or a path by two tasks, a limit by one answer, an outage by five polls of two tasks', () => {
    for (const code of [60011, 'HTTP_404'])
      expect(reportOf(code)).toMatchObject({ kind: 'app', agreement: { polls: 2, tasks: 2 }, until: null })
    for (const code of [90018, 90020]) expect(reportOf(code)).toMatchObject({ kind: 'app', agreement: { polls: 1, tasks: 1 } })
    expect(reportOf('HTTP_502')).toMatchObject({ kind: 'app', agreement: { polls: 5, tasks: 2 }, until: null })
  })

  test('the time scale divides the waits of probes', () => {
    const plan = look(aTask({ ann: unread }), refused(60011), timingOf(24, 60))
    expect(plan.report).toMatchObject({ probeDelaysMs: [1_000, 5_000, 15_000] })
  })

  test('a used-up quota is probed after a minute, and then once an hour: it can be bought', () => {
    expect(reportOf('ApiCountLimitForOrg')).toMatchObject({ problem: { code: 'quota' }, probeDelaysMs: [60_000, 3_600_000], until: null })
  })

  describe('a rate limit', () => {
    const untilOf = (message: string, code: string | number = 90018): unknown => reportOf(code, someScopes(), message)
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

    test('that names an end in hours or in years is believed for ten minutes, and then probed', () => {
      for (const message of ['限制将在 2026-11-23 19:00:00 结束.', '限制将在 2999-01-01 00:00:00 结束.']) {
        expect(untilOf(message)).toMatchObject({ until: after(arrived, 600_000) })
      }
    })

    test('of a QPS limit is probed after two seconds, one more than DingTalk says; if it stays, ever later', () => {
      for (const name of ['QpsLimitForApi', 'QpsLimitForAppkeyAndApi']) {
        expect(untilOf('', `Forbidden.AccessDenied.${name}`)).toMatchObject({ until: null, probeDelaysMs: [2_000, 10_000, ...MINUTES] })
        expect(look(aTask(), refused(`Forbidden.AccessDenied.${name}`)).next).toMatchObject({ look: { at: after(arrived, 2_000) } })
      }
    })
  })
})

describe('when a task is polled again after a failed look', () => {
  test('retries of an outage wait twice as long each time, give or take a quarter, and no longer than until the next planned look', () => {
    const delays = [0, 1, 2, 3].map((failuresInRow) => delaySecondsOf(look(aTask({}, { failuresInRow }), refused(500, '', hoursLater(12)))))
    for (const [i, delay] of delays.entries()) {
      expect(delay).toBeGreaterThanOrEqual(30 * 2 ** i * 0.75)
      expect(delay).toBeLessThanOrEqual(30 * 2 ** i * 1.25)
    }
  })

  test('a retry that would come after the next planned look is not made: the plan goes on', () => {
    const requestedAt = minutesLater(4)
    const plan = look(aTask({}, { failuresInRow: 5 }), refused(500, '', requestedAt))
    expect(plan.next).toEqual({ kind: 'again', look: plannedAfter(aTask(), requestedAt) })
  })

  test('an outage and an answer without lists are retried quickly six times; then only the planned looks are made', () => {
    const requestedAt = hoursLater(12)
    const planned = plannedAfter(aTask(), requestedAt)
    const isQuick = (said: Answer, failuresInRow: number): boolean => {
      const { nextPollAt } = look(aTask({}, { failuresInRow }), said).task
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
      const plan = look(task, refused(code))
      expect(plan.task).toMatchObject({ failuresInRow: 2, problem: { polls: 2 } })
      expect(delayMinutesOf(plan)).toBe(1)
    }
    expect(look(task, refused(90018, '限制将在 2026-11-23 09:12:00 结束.')).next).toEqual({
      kind: 'again',
      look: { at: minutesLater(12), last: false },
    })
  })

  test('what only this worker cannot do is tried again at once, where another worker may take it', () => {
    for (const code of [40096, 60020, 40014]) expect(delaySecondsOf(look(aTask({ ann: unread }), refused(code)))).toBe(1)
  })

  test('a task that gave an answer before is asked again after a minute: one stray refusal must not cost hours', () => {
    for (const code of ['40035', '400002', '41011', '60011', 'HTTP_404']) {
      const task = aTask({ ann: unread })
      expect([code, delayMinutesOf(look(task, refused(code, '', hoursLater(3))))]).toEqual([code, 1])
      const later = [15, 60, 240, 240].map((_, i) => {
        const again = { ...task, problem: aProblem(code, '', { polls: i + 1 }) }
        return delayMinutesOf(look(again, refused(code, '', hoursLater(3))))
      })
      expect([code, later]).toEqual([code, [15, 60, 240, 240]])
    }
  })

  test('a code that stands nowhere gets three quick retries first', () => {
    const delayAfter = (polls: number): number => {
      const problem = polls === 0 ? null : aProblem(12345678, '', { polls })
      return delayMinutesOf(look(aTask({ ann: unread }, { problem }), refused(12345678, '', hoursLater(3))))
    }
    expect([0, 1, 2].map(delayAfter).every((minutes, i) => minutes > 0.3 * 2 ** i && minutes < 0.7 * 2 ** i)).toBe(true)
    expect([3, 4, 5, 6, 9].map(delayAfter)).toEqual([1, 15, 60, 240, 240])
  })

  test('a task that never gave an answer is probed after 15 minutes, one hour and four hours, and by its final poll', () => {
    const delayAfter = (polls: number) =>
      look(anOpenTask({}, { problem: polls === 0 ? null : aProblem(40035, '', { polls }) }), refused(400002))
    expect([0, 1, 2].map((polls) => delayMinutesOf(delayAfter(polls)))).toEqual([15, 60, 240])
    expect(delayAfter(3).next).toEqual({ kind: 'again', look: { at: LAST_LOOK, last: true } })
    expect(delayAfter(99).next).toEqual({ kind: 'again', look: { at: LAST_LOOK, last: true } })
  })

  test('nothing delays a task past its final poll', () => {
    const shortly = after(LAST_LOOK, -2_000)
    for (const [code] of A_REFUSAL_OF_EACH_KIND) {
      for (const task of [aTask({ ann: unread }), anOpenTask({}, { problem: aProblem(code) })]) {
        expect([code, look(task, refused(code, '限制将在 2026-11-24 12:00:00 结束.', shortly)).next]).toEqual([
          code,
          { kind: 'again', look: { at: LAST_LOOK, last: true } },
        ])
      }
    }
  })

  test('a task that has used up its calls keeps three for its final poll, and says so', () => {
    const used = aTask({ ann: unread }, { calls: TIMING.maxCalls - TIMING.finalCalls - 1 })
    for (const said of [answer({ unread: ['ann'] }), refused(500), refused(40035), refused(90018)]) {
      const plan = look(used, said)
      expect(plan.task).toMatchObject({ calls: 27, nextPollAt: LAST_LOOK, delay: { code: 'calls_used_up', detail: { calls: 27 } } })
    }
    expect(look({ ...used, calls: used.calls - 1 }, answer({ unread: ['ann'] })).task.delay).toBeNull()
  })
})

describe('an attempt that made no call', () => {
  const uncalled = (code: string, task: Task = aTask({ ann: unread }), at = minutesLater(4), message = '') =>
    planUncalled(task, refused(code, message, at), arrivalOf(at), TIMING)

  test('leaves no poll and counts no call, but the problem', () => {
    const { update, look: next } = uncalled('invalidClientIdOrSecret')
    expect(update).toMatchObject({ calls: 1, finalCalls: 0, goodPolls: 1, failuresInRow: 1, status: 'tracking', delay: null })
    expect(update.problem).toMatchObject({ code: 'credentials', polls: 0, since: minutesLater(4) })
    expect(next).toEqual({ at: after(arrivalOf(minutesLater(4)), 1_000), last: false })
    expect(update.nextPollAt).toEqual(next.at)
  })

  test('reports as a poll would: this worker, the app, nothing', () => {
    expect(uncalled('Forbidden.AccessDenied.IpNotInWhiteList', aTask(), SENT, 'request ip=203.0.113.7').report).toMatchObject({
      kind: 'worker',
      problem: { code: 'ip_not_allowed', detail: { ip: '203.0.113.7' } },
    })
    expect(uncalled('Forbidden.AccessDenied.QpsLimitForApi').report).toMatchObject({ kind: 'app', problem: { code: 'rate_limit' } })
    expect(uncalled('Forbidden.AccessDenied.ApiCountLimitForOrg').report).toMatchObject({ kind: 'app', problem: { code: 'quota' } })
    expect(uncalled('InvalidAction.NotFound').report).toMatchObject({ kind: 'app', problem: { code: 'wrong_path' } })
    expect(uncalled('HTTP_401').report).toMatchObject({ kind: 'worker', problem: { code: 'token_refused' } })
    expect(uncalled('HTTP_503').report).toMatchObject({ kind: 'app', problem: { code: 'outage' } })
    expect(uncalled('NO_AGENT_ID').report).toEqual({ kind: 'none' })
  })

  test('a task without an agent id is tried again like a refused one', () => {
    const task = anOpenTask()
    expect(uncalled('NO_AGENT_ID', task).look.at).toEqual(after(arrivalOf(minutesLater(4)), 15 * 60_000))
  })

  test('in the last minutes it is tried again until the deadline, in a number of attempts that can be counted', () => {
    for (const code of ['HTTP_503', 'NETWORK', 'Forbidden.AccessDenied.ApiCountLimitForOrg']) {
      let task: Task = aTask({ ann: unread })
      let at = LAST_LOOK
      let attempts = 0
      while (at < hoursLater(24)) {
        const { update, look: next } = planUncalled(task, refused(code, '', at), at, TIMING)
        task = { ...task, ...update }
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

describe('an assumed send time bounds nothing', () => {
  const assumed = (people: Readonly<Record<string, RecipientState>>) => aTask(people, { sentAtGiven: false })

  test('what the first answers show happened after a time that is not known', () => {
    const plan = look(assumed({ ann: pending, bob: pending, cy: pending }), answer({ read: ['ann'], unread: ['bob'], failed: ['cy'] }))
    expect(plan.transitions.map(({ userId, afterAt }) => [userId, afterAt])).toEqual([
      ['ann', null],
      ['bob', null],
      ['cy', null],
    ])
    expect(plan.changed.find(({ userId }) => userId === 'ann')?.state).toMatchObject({ lastUnreadAt: null })
  })

  test('a poll that listed the person as unread bounds as ever, and so does a successful one', () => {
    const plan = look(assumed({ ann: unread, bob: pending }), answer({ read: ['ann'], failed: ['bob'] }))
    expect(plan.transitions.map(({ afterAt }) => afterAt)).toEqual([minutesLater(3), minutesLater(3)])
  })

  test('a late answer to an earlier request has no bound', () => {
    const plan = look(assumed({ ann: unread, bob: pending }), answer({ unread: ['ann'], failed: ['bob'] }, minutesLater(2)))
    expect(plan.transitions.map(({ afterAt }) => afterAt)).toEqual([null])
  })
})

describe('the end of the window', () => {
  const deadline = hoursLater(24)

  test('after a good last look only the deadline is left', () => {
    const plan = look(aTask({ ann: unread }), answer({ unread: ['ann'] }, LAST_LOOK))
    expect(plan.next).toEqual({ kind: 'again', look: { at: deadline, last: true } })
  })

  /** When the polls from the final one on are made, in seconds before the deadline, if all of them fail. */
  function finalPolls(start: Task, said: (at: Date) => Answer): number[] {
    const times: number[] = []
    for (let task = start, at = LAST_LOOK; at < deadline; ) {
      times.push((deadline.getTime() - at.getTime()) / 1_000)
      const plan = look(task, said(at))
      task = afterwards(task, plan)
      at = plan.task.nextPollAt ?? deadline
    }
    return times
  }

  test('a failed final poll of a task that gave answers is retried twice, spread over the time left, whatever the refusal', () => {
    const leftSeconds = (deadline.getTime() - LAST_LOOK.getTime()) / 1_000
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
    const plan = look(aTask(), refused(90018, '限制将在 2026-11-24 08:57:30 结束.', LAST_LOOK))
    expect(plan.next).toEqual({ kind: 'again', look: { at: minutesLater(24 * 60 - 2.5), last: true } })
  })

  test('no look is planned past the deadline, whatever the hint says', () => {
    const plan = look(aTask({}, { finalCalls: 2, calls: 2 }), refused(90018, '限制将在 2026-11-24 12:00:00 结束.', LAST_LOOK))
    expect(plan.next).toEqual({ kind: 'again', look: { at: deadline, last: true } })
  })

  test('an answer that arrives after the deadline counts, and the task is ended next', () => {
    const plan = look(aTask({ ann: unread, bob: unread }), answer({ read: ['ann'], unread: ['bob'] }, after(deadline, -100)))
    expect(plan.transitions.map(({ userId }) => userId)).toEqual(['ann'])
    expect(plan.next).toEqual({ kind: 'again', look: { at: deadline, last: true } })
  })

  test('whoever is unread stays unread as of the last good look, whoever was never listed stays pending', () => {
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

  test('expired after a look in the last minutes: the window is over, whatever came afterwards', () => {
    const over = expired({ code: 'window_over', detail: null })
    expect(endOf({ lastObservedAt: LAST_LOOK })).toEqual(over)
    expect(endOf({ lastObservedAt: minutesLater(24 * 60 - 12), delay: PAUSED })).toEqual(over)
    // A repeated poll may reach DingTalk after its own deadline.
    expect(endOf({ lastObservedAt: LAST_LOOK, problem: aProblem(40035) })).toEqual(over)
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

  test('refused for itself after answers: DingTalk has forgotten the task, which bounds when it was sent', () => {
    for (const code of ['40035', '400002', '41011', '12345678']) {
      const problem = aProblem(code, '', { since: hoursLater(9.5) })
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
    expect(endOf({ goodPolls: 9, lastObservedAt: hoursLater(9), problem: aProblem(15, 'Call timeout') }).reason?.code).toBe(
      'window_closed_early',
    )
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

  test("never observed: a look was due inside the window and everything was down, which is not the sender's delay", () => {
    const bare = expired({ code: 'never_observed', detail: { because: null } })
    expect(endOf({ ...never, pollNo: 0, nextPollAt: minutesLater(3) })).toEqual(bare)
    expect(endOf({ ...never, pollNo: 30, nextPollAt: deadline })).toEqual(bare)
    expect(endOf({ ...never, pollNo: 0, nextPollAt: deadline, delay: PAUSED }).reason?.code).toBe('never_observed')
    // Successful polls that listed nobody say nothing about when anybody was unread.
    expect(endOf({ ...never, goodPolls: 3, pollNo: 3 })).toEqual(bare)
  })

  test('sent too long ago: no look was ever due inside the window', () => {
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
      expect(afterLooks(start, answers)).toMatchObject({ status: 'tracking', problem: { code: 'call_timeout', polls: 6 } })
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
    const task = afterLooks(anOpenTask(), [
      answer({ unread: ['ann'] }, minutesLater(3)),
      ...[4, 5, 6].map((m) => refused(15, 'Call timeout', minutesLater(m))),
    ])
    expect(planExpiry(task, TIMING)).toMatchObject({ status: 'expired', reason: { code: 'window_closed_early' } })
  })
})

describe('a task ends once, for one reason', () => {
  const ends: readonly TaskStatus[] = ['complete', 'expired', 'stopped', 'cancelled']
  const ended = (status: TaskStatus): StoredTask => aTask({ ann: unread }, { status, nextPollAt: null })

  test('an answer that comes afterwards changes the status no more, and no look follows', () => {
    const answers = [answer({ read: ['ann'] }), answer({ unread: ['ann'] }), empty(), refused(40035), refused(60011), refused(-1)]
    for (const status of ends) {
      for (const said of answers) {
        const plan = look(ended(status), said)
        expect(plan.task).toMatchObject({ status, reason: null, nextPollAt: null })
        expect(plan.next).toEqual({ kind: 'done' })
      }
    }
  })

  test('the deadline changes nothing either', () => {
    for (const status of ends) expect(planExpiry(ended(status), TIMING)).toEqual(unchanged(ended(status)))
  })
})
