import { describe, expect, test } from 'vitest'
import type { Answer, RecipientState, Task, TaskStatus } from '../../src/core/delivery.ts'
import { countsOf, isLastLook, isOver, planExpiry, planLook, planStart, unchanged } from '../../src/core/plan.ts'
import { jitterOf, lastLookAt, nextPlannedLook, plannedLooks } from '../../src/core/schedule.ts'
import {
  after,
  afterLooks,
  afterwards,
  anOpenTask,
  answer,
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
  stateOf,
  TIMING,
  unread,
} from './support.ts'

const LAST_LOOK = lastLookAt(hoursLater(24), TIMING, jitterOf(KEY))
const plannedAfter = (task: Task, requestedAt: Date) => nextPlannedLook(task, arrivalOf(requestedAt), TIMING, jitterOf(KEY))

describe('beginning', () => {
  test('a task begins with its deadline 24 h after the send and the first planned look', () => {
    const looks = plannedLooks(SENT, hoursLater(24), TIMING, jitterOf(KEY))
    expect(planStart({ key: KEY, sentAt: SENT }, SENT, TIMING)).toEqual({ deadlineAt: hoursLater(24), first: looks[0] })
  })

  test('enqueued 3 h after the send: looked at once', () => {
    expect(planStart({ key: KEY, sentAt: SENT }, hoursLater(3), TIMING).first).toEqual({ at: hoursLater(3), last: false })
  })

  test('enqueued after 24 h: ended at once, no call made, reason given', () => {
    const { deadlineAt, first } = planStart({ key: KEY, sentAt: SENT }, hoursLater(30), TIMING)
    const task = aTask({ ann: pending }, { deadlineAt, nextPollAt: first.at })
    expect(isOver(task, first.at)).toBe(true)
    expect(planExpiry(task, TIMING, null)).toMatchObject({
      status: 'expired',
      reason: 'sent_too_long_ago: tracking began after the 24 hours in which DingTalk answers; no call was made',
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
    })
    expect(plan.app).toEqual({ kind: 'healthy' })
  })

  test('a look in the same millisecond as the last good one is not a late one', () => {
    const plan = look(aTask({ ann: unread }), answer({ unread: ['ann', 'bob'] }, minutesLater(3)))
    expect(plan.changed.map((recipient) => recipient.state)).toEqual([unread])
  })

  test('a good look ends a row of failures', () => {
    const task = aTask({ ann: unread }, { failuresInRow: 5, timeoutsInRow: 2 })
    expect(look(task, answer({ unread: ['ann'] })).task).toMatchObject({ failuresInRow: 0, timeoutsInRow: 0 })
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
    expect(plan.task).toMatchObject({ status: 'complete', reason: 'all_read: every recipient has read', nextPollAt: null })
    expect(plan.next).toEqual({ kind: 'done' })
  })

  test('everybody is accounted for, some were not reached', () => {
    const plan = look(aTask({ ann: pending, bob: invalid, cy: failed, dee: forbidden }), answer({ read: ['ann'] }))
    expect(plan.task).toMatchObject({ status: 'complete', reason: 'all_accounted_for: 1 read, 3 could not be reached' })
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
    expect(plan.task).toMatchObject({ goodPolls: 1, lastGoodRequestedAt: minutesLater(3), failuresInRow: 1 })
    expect(plan.app).toEqual({ kind: 'healthy' })
    expect(delaySecondsOf(plan)).toBeLessThan(40)
  })

  test('each kind of refusal changes no person and no bracket, and is recorded', () => {
    const refusals = {
      90018: 'throttled',
      90020: 'quota',
      60011: 'configuration',
      40014: 'configuration',
      '-1': 'transient',
      40035: 'task',
      0: 'transient',
    }
    for (const [code, outcome] of Object.entries(refusals)) {
      const plan = look(untouched, refused(code, 'a message'))
      expect([plan.changed, plan.transitions]).toEqual([[], []])
      expect(plan.poll).toMatchObject({ outcome, code, message: 'a message', pollNo: 2 })
      expect(plan.task).toMatchObject({ counts: countsOf(untouched.recipients), lastObservedAt: untouched.lastObservedAt, goodPolls: 1 })
    }
  })

  test('a look that brought no answer at all is recorded without an arrival', () => {
    const silence: Answer = { ...refused('TIMEOUT', 'no answer within 10 s'), respondedAt: null }
    expect(planLook(untouched, silence, minutesLater(5), TIMING).poll).toMatchObject({
      respondedAt: null,
      code: 'TIMEOUT',
      outcome: 'transient',
    })
  })

  test("a rate limit slows the whole app and is not this task's fault: it counts as no attempt", () => {
    const plan = look(aTask({}, { failuresInRow: 2, timeoutsInRow: 2 }), refused(90018, '限制将在 2026-11-23 09:30:00 结束.'))
    expect(plan.app).toEqual({ kind: 'throttle', until: minutesLater(30), reason: '90018 限制将在 2026-11-23 09:30:00 结束.' })
    expect(plan.next).toEqual({ kind: 'again', look: { at: minutesLater(30), last: false } })
    expect(plan.task).toMatchObject({ failuresInRow: 2, timeoutsInRow: 2 })
  })

  test('a rate limit that names no end, or one that is past, lasts a minute', () => {
    for (const message of ['', '限制将在 2026-11-23 09:00:00 结束.']) {
      expect(look(aTask(), refused(90018, message)).app).toMatchObject({ until: after(arrivalOf(minutesLater(4)), 60_000) })
    }
  })

  test('a rate limit that names an end in years does not silence the app for more than a day', () => {
    expect(look(aTask(), refused(90018, '限制将在 2999-01-01 00:00:00 结束.')).app).toMatchObject({
      until: arrivalOf(after(minutesLater(4), 86_400_000)),
    })
  })

  test('a used-up monthly quota pauses the app until the month ends in China and burns no retries', () => {
    const plan = look(aTask({}, { failuresInRow: 2 }), refused('ApiCountLimitForOrg', 'over'))
    expect(plan.app).toEqual({
      kind: 'quota',
      until: new Date('2026-11-30T16:00:00Z'),
      reason: "the organisation's monthly quota is used up (ApiCountLimitForOrg over)",
    })
    expect(plan.task).toMatchObject({ status: 'tracking', failuresInRow: 2, nextPollAt: hoursLater(24) })
  })

  test('a misconfigured app pauses as a whole, says what to fix, and the task is asked for again', () => {
    const plan = look(aTask(), refused('88/40000', '没有调用该接口的权限'))
    expect(plan.app).toEqual({
      kind: 'pause',
      reason:
        'grant the app the permission qyapi_base (basic permission to call enterprise APIs) in the developer console (DingTalk said: 88/40000 没有调用该接口的权限)',
    })
    expect(plan.task.status).toBe('tracking')
    expect(delaySecondsOf(plan)).toBe(60)
  })

  test('a token that was refused even when it was fresh is a configuration error', () => {
    expect(look(aTask(), refused(40014, '不合法的access_token')).app).toEqual({
      kind: 'pause',
      reason: 'check the app key and app secret (DingTalk said: 40014 不合法的access_token)',
    })
  })

  test("this task's parameters: stopped with the reason; the app is not touched", () => {
    const plan = look(untouched, refused(400002, '参数错误'))
    expect([plan.app, plan.next]).toEqual([{ kind: 'none' }, { kind: 'done' }])
    expect(plan.task).toMatchObject({
      status: 'stopped',
      reason:
        'refused: DingTalk refused the parameters: check that task id and agent id belong together and that the task was sent by this app (DingTalk said: 400002 参数错误)',
      nextPollAt: null,
    })
  })

  function delaySecondsOf(plan: ReturnType<typeof look>): number {
    if (plan.next.kind === 'done' || plan.poll.respondedAt === null) throw new Error('no look follows')
    return (plan.next.look.at.getTime() - plan.poll.respondedAt.getTime()) / 1_000
  }

  test('retries wait twice as long each time, give or take a quarter, and no longer than until the next planned look', () => {
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

  test('-1 is retried quickly three times at most, other faults six times; then only the planned looks are made', () => {
    const requestedAt = hoursLater(12)
    const planned = plannedAfter(aTask(), requestedAt)
    const isQuick = (code: number, failuresInRow: number): boolean => {
      const { nextPollAt } = look(aTask({}, { failuresInRow }), refused(code, '', requestedAt)).task
      return nextPollAt !== null && planned !== null && nextPollAt < planned.at
    }
    expect([0, 1, 2, 3, 4].map((failures) => isQuick(-1, failures))).toEqual([true, true, true, false, false])
    expect([0, 1, 2, 3, 4].map((failures) => isQuick(12345678, failures))).toEqual([true, true, true, false, false])
    expect([4, 5, 6, 7].map((failures) => isQuick(500, failures))).toEqual([true, true, false, false])
  })
})

describe('more than 100 recipients, unknown', () => {
  const timeout = (minute: number): Answer => refused(15, 'Call timeout', minutesLater(minute))

  test('stopped after three call timeouts in a row, with the reason', () => {
    const task = afterLooks(anOpenTask(), [timeout(3), timeout(4), timeout(5)])
    expect(task.status).toBe('stopped')
    expect(task.reason).toBe(
      'probably_too_many_recipients: DingTalk answered "Call timeout" 3 times and never gave a result; it reports at most 100 recipients a task. Send in batches of 100',
    )
  })

  test('two are a slow backend', () => {
    expect(afterLooks(anOpenTask(), [timeout(3), timeout(4)])).toMatchObject({ status: 'tracking', timeoutsInRow: 2 })
  })

  test('any other failure between them ends the row; a rate limit does not', () => {
    expect(afterLooks(anOpenTask(), [timeout(3), timeout(4), refused(500, '', minutesLater(5)), timeout(6)]).status).toBe('tracking')
    expect(afterLooks(anOpenTask(), [timeout(3), timeout(4), empty(minutesLater(5)), timeout(6)]).status).toBe('tracking')
    expect(afterLooks(anOpenTask(), [timeout(3), timeout(4), refused(90018, '', minutesLater(5)), timeout(6)]).status).toBe('stopped')
  })

  test('a task that gave a good answer once is not too large, however many follow', () => {
    const task = afterLooks(anOpenTask(), [answer({ unread: ['ann'] }, minutesLater(3)), ...[4, 5, 6, 7].map(timeout)])
    expect(task).toMatchObject({ status: 'tracking', timeoutsInRow: 4 })
  })
})

describe('the end of the window', () => {
  const deadline = hoursLater(24)

  test('after a good last look only the deadline is left', () => {
    const plan = look(aTask({ ann: unread }), answer({ unread: ['ann'] }, LAST_LOOK))
    expect(plan.next).toEqual({ kind: 'again', look: { at: deadline, last: true } })
  })

  test('a failed last look is retried ever faster until the deadline', () => {
    const delays: number[] = []
    let task = aTask({ ann: unread })
    let at = LAST_LOOK
    while (at < deadline) {
      const plan = look(task, refused(-1, '', at))
      task = afterwards(task, plan)
      delays.push(plan.task.nextPollAt!.getTime() - arrivalOf(at).getTime())
      at = plan.task.nextPollAt!
    }
    expect(at).toEqual(deadline)
    expect(delays.length).toBeGreaterThan(10)
    expect(delays.length).toBeLessThan(60)
    expect(delays[0]).toBeGreaterThan(delays.at(-2)!)
    expect(Math.max(...delays)).toBeLessThanOrEqual(72_000)
  })

  test('no look is planned past the deadline, whatever the hint says', () => {
    const plan = look(aTask(), refused(90018, '限制将在 2026-11-24 12:00:00 结束.', LAST_LOOK))
    expect(plan.next).toEqual({ kind: 'again', look: { at: deadline, last: true } })
  })

  test('an answer that arrives after the deadline counts, and the task is ended next', () => {
    const plan = look(aTask({ ann: unread, bob: unread }), answer({ read: ['ann'], unread: ['bob'] }, after(deadline, -100)))
    expect(plan.transitions.map(({ userId }) => userId)).toEqual(['ann'])
    expect(plan.next).toEqual({ kind: 'again', look: { at: deadline, last: true } })
  })

  test('whoever is unread stays unread as of the last good look, whoever was never listed stays pending', () => {
    const task = aTask({ ann: unread, bob: pending })
    expect(planExpiry(task, TIMING, null)).toEqual({ ...unchanged(task), status: 'expired', reason: expect.any(String), nextPollAt: null })
  })

  const reasonOf = (columns: Partial<Task>, hindrance: string | null = null): string | null =>
    planExpiry(aTask({ ann: unread }, columns), TIMING, hindrance).reason

  test('expired after a look in the last minutes: the window is over', () => {
    const reason = 'window_over: the 24 hours in which DingTalk answers have passed'
    expect(reasonOf({ lastObservedAt: LAST_LOOK })).toBe(reason)
    expect(reasonOf({ lastObservedAt: minutesLater(24 * 60 - 12) }, 'an old pause')).toBe(reason)
  })

  test('a gap of blindness before the deadline is visible, with what hindered', () => {
    expect(reasonOf({ lastObservedAt: hoursLater(20) })).toBe('blind_before_deadline: nothing is known after 2026-11-23T21:00:00.000Z')
    expect(reasonOf({ lastObservedAt: hoursLater(20) }, 'grant the permission')).toBe(
      'blind_before_deadline: nothing is known after 2026-11-23T21:00:00.000Z; grant the permission',
    )
  })

  test('never observed: looks were made and none brought a result', () => {
    expect(reasonOf({ lastObservedAt: null, pollNo: 30 }, 'budget used up')).toBe(
      'never_observed: no look brought a result before the deadline; budget used up',
    )
  })

  test("never observed: a look was due inside the window and everything was down, which is not the sender's delay", () => {
    const reason = 'never_observed: no look brought a result before the deadline'
    expect(reasonOf({ lastObservedAt: null, pollNo: 0, nextPollAt: minutesLater(3) })).toBe(reason)
    expect(reasonOf({ lastObservedAt: null, pollNo: 0, nextPollAt: deadline }, 'paused')).toBe(`${reason}; paused`)
  })

  test('sent too long ago: no look was ever due inside the window', () => {
    expect(reasonOf({ lastObservedAt: null, pollNo: 0, nextPollAt: null })).toMatch(/^sent_too_long_ago: /)
    expect(reasonOf({ lastObservedAt: null, pollNo: 0, nextPollAt: deadline })).toMatch(/^sent_too_long_ago: /)
  })
})

describe('a task ends once, for one reason', () => {
  const ends: readonly TaskStatus[] = ['complete', 'expired', 'stopped', 'cancelled']
  const ended = (status: TaskStatus): Task => aTask({ ann: unread }, { status, reason: 'the first reason', nextPollAt: null })

  test('an answer that comes afterwards changes neither status nor reason, and no look follows', () => {
    const answers = [answer({ read: ['ann'] }), answer({ unread: ['ann'] }), empty(), refused(40035), refused(60011), refused(-1)]
    for (const status of ends) {
      for (const said of answers) {
        const plan = look(ended(status), said)
        expect(plan.task).toMatchObject({ status, reason: 'the first reason', nextPollAt: null })
        expect(plan.next).toEqual({ kind: 'done' })
      }
    }
  })

  test('the deadline changes nothing either', () => {
    for (const status of ends) expect(planExpiry(ended(status), TIMING, null)).toEqual(unchanged(ended(status)))
  })
})
