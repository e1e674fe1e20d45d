import { describe, expect, test } from 'vitest'
import type { RecipientState, TaskStatus } from '../../src/domain/delivery.ts'
import { isOver, planExpiry, planStart, unchanged } from '../../src/domain/plan.ts'
import { finalPollTime, isFinalPoll, jitterOf, pollTimes } from '../../src/domain/poll-times.ts'
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
  failed,
  forbidden,
  hoursLater,
  invalid,
  KEY,
  kindsOf,
  minutesLater,
  pending,
  poll,
  read,
  refused,
  SENT,
  type StoredTask,
  stateOf,
  TIMING,
  unread,
} from './support.ts'

const FINAL_POLL_AT = finalPollTime(hoursLater(24), TIMING, jitterOf(KEY))
const START = { key: KEY, sentAt: SENT, sentAtGiven: true }

describe('beginning', () => {
  test('a task begins with its deadline 24 h after the send and the first planned poll', () => {
    const polls = pollTimes({ ...START, deadlineAt: hoursLater(24), pollOffsetsMs: null }, TIMING)
    const { deadlineAt, first, pollOffsetsMs } = planStart(START, SENT, TIMING)
    expect(deadlineAt).toEqual(hoursLater(24))
    expect(first).toEqual({ at: after(SENT, Number(pollOffsetsMs[0])), last: false })
    // Stored times are whole milliseconds.
    for (const [i, { at }] of polls.entries())
      expect(Math.abs(at.getTime() - SENT.getTime() - Number(pollOffsetsMs[i]))).toBeLessThanOrEqual(1)
  })

  test('enqueued 3 h after the send: polled at once', () => {
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

  test('a task is over from its deadline on, and its final poll is due from the time in the plan on', () => {
    const task = aTask()
    expect([isOver(task, after(hoursLater(24), -1)), isOver(task, hoursLater(24))]).toEqual([false, true])
    expect([isFinalPoll(task, after(FINAL_POLL_AT, -1), TIMING), isFinalPoll(task, FINAL_POLL_AT, TIMING)]).toEqual([false, true])
  })
})

describe('what a successful poll changes', () => {
  test('read followed by unread from the server: nothing changes, and the contradiction is counted', () => {
    const plan = poll(aTask({ ann: read, bob: unread }), answer({ unread: ['ann', 'bob'] }))
    expect([plan.changed, plan.transitions, plan.poll.anomalies]).toEqual([[], [], 1])
    expect(plan.task.counts).toMatchObject({ read: 1, unread: 1 })
  })

  test('a read closes the bracket that the last successful poll opened', () => {
    const plan = poll(aTask({ ann: unread }), answer({ read: ['ann'] }))
    expect(plan.changed.map((recipient) => recipient.state)).toEqual([
      { kind: 'read', lastUnreadAt: minutesLater(3), firstReadAt: arrivalOf(minutesLater(4)) },
    ])
    expect(plan.transitions).toEqual([
      { userId: 'ann', from: 'unread', to: 'read', afterAt: minutesLater(3), at: arrivalOf(minutesLater(4)) },
    ])
  })

  test('a read first seen at the first poll of a late-tracked task lies somewhere after the send', () => {
    const plan = poll(aTask({ ann: pending }), answer({ read: ['ann'] }, hoursLater(3)))
    expect(plan.changed[0]?.state).toEqual({ kind: 'read', lastUnreadAt: null, firstReadAt: arrivalOf(hoursLater(3)) })
    expect(plan.transitions[0]).toMatchObject({ from: 'pending', to: 'read', afterAt: SENT })
  })

  test('an unchanged poll touches no person and says as of when they are unread', () => {
    const plan = poll(aTask({ ann: unread, bob: forbidden, cy: pending }), answer({ unread: ['ann'], forbidden: ['bob'] }))
    expect([plan.changed, plan.transitions]).toEqual([[], []])
    expect(plan.task).toMatchObject({ goodPolls: 2, lastGoodRequestedAt: minutesLater(4), lastObservedAt: arrivalOf(minutesLater(4)) })
  })

  test('a person who is not listed any more stays as of the last answer that did list them', () => {
    const task = afterPolls(aTask({ ann: unread, bob: unread }), [
      answer({ unread: ['bob'] }, minutesLater(9)),
      answer({ unread: ['bob'] }, minutesLater(20)),
    ])
    expect(stateOf(task, 'ann')).toEqual({ kind: 'unread', lastUnreadAt: minutesLater(3), listed: false })
    expect(stateOf(task, 'bob')).toEqual({ kind: 'unread', lastUnreadAt: minutesLater(20), listed: true })
    const reads = afterPolls(task, [answer({ read: ['ann', 'bob'] }, minutesLater(30))])
    expect(stateOf(reads, 'ann')).toMatchObject({ lastUnreadAt: minutesLater(3) })
    expect(stateOf(reads, 'bob')).toMatchObject({ lastUnreadAt: minutesLater(20) })
  })

  test('a person of whom nothing was said for some polls is written when their time moves', () => {
    const unlisted: RecipientState = { kind: 'unread', lastUnreadAt: minutesLater(1), listed: false }
    const late = poll(aTask({ ann: unlisted }), answer({ unread: ['ann'] }, minutesLater(2)))
    expect(late.changed.map((recipient) => recipient.state)).toEqual([{ ...unlisted, lastUnreadAt: minutesLater(2) }])
    const newer = poll(aTask({ ann: unlisted }), answer({ unread: ['ann'] }))
    expect(newer.changed.map((recipient) => recipient.state)).toEqual([{ kind: 'unread', lastUnreadAt: minutesLater(4), listed: true }])
  })

  test('a reason that comes later is written to the forbidden person, without a transition', () => {
    const plan = poll(aTask({ ann: { kind: 'forbidden', code: null, count: null } }), answer({ forbidden: ['ann'] }))
    expect([plan.changed.map((recipient) => recipient.state), plan.transitions]).toEqual([[forbidden], []])
  })

  test('people whom the sender did not name are added; changes are sorted by user id, by code unit', () => {
    const plan = poll(aTask({ bob: pending }), answer({ unread: ['李雷', 'bob', 'Zoe', 'ann', '036'] }))
    expect(plan.changed.map((recipient) => recipient.userId)).toEqual(['036', 'Zoe', 'ann', 'bob', '李雷'])
    expect(plan.transitions.every(({ from, to }) => from === 'pending' && to === 'unread')).toBe(true)
    expect(plan.task.counts).toMatchObject({ unread: 5, pending: 0 })
  })

  test('the bracket of any other change begins with the last successful poll', () => {
    const plan = poll(aTask({ ann: unread, bob: pending }), answer({ unread: ['ann'], failed: ['bob'] }))
    expect(plan.transitions).toEqual([
      { userId: 'bob', from: 'pending', to: 'failed', afterAt: minutesLater(3), at: arrivalOf(minutesLater(4)) },
    ])
  })

  test('the poll is recorded with what it expected, when it was due and what it cost', () => {
    const plan = poll(aTask({ ann: unread }), answer({ unread: ['ann'] }))
    expect(plan.expected).toEqual({ pollNo: 1, erasureNo: 0 })
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
    expect(plan.evidence).toEqual({ kind: 'success', requestedAt: minutesLater(4) })
  })

  test('a poll in the same millisecond as the last good one is not a late one', () => {
    const plan = poll(aTask({ ann: unread }), answer({ unread: ['ann', 'bob'] }, minutesLater(3)))
    expect(plan.changed.map((recipient) => recipient.state)).toEqual([unread])
  })

  test('a successful poll ends a row of failures, the problem and what delayed the task', () => {
    const task = aTask({ ann: unread }, { failuresInRow: 5, problem: aProblem(40035), delay: { code: 'call_rate', detail: null } })
    expect(poll(task, answer({ unread: ['ann'] })).task).toMatchObject({ failuresInRow: 0, problem: null, delay: null })
  })

  test('calls are counted, those of a repeated call and of a failed poll too', () => {
    expect(poll(aTask({ ann: unread }), answer({ unread: ['ann'] }), TIMING, 2)).toMatchObject({
      poll: { calls: 2 },
      task: { calls: 3, finalCalls: 0 },
    })
    expect(poll(aTask({ ann: unread }), refused(500)).task).toMatchObject({ calls: 2, finalCalls: 0 })
    expect(poll(aTask({ ann: unread }), answer({ unread: ['ann'] }, FINAL_POLL_AT), TIMING, 2).task).toMatchObject({
      calls: 3,
      finalCalls: 2,
    })
  })

  test('"unread as of" does not move on with an answer that lists no recipient while a recipient is unread', () => {
    const plan = poll(aTask({ ann: unread, bob: read }), answer({}, minutesLater(9)))
    expect(plan.task).toMatchObject({
      goodPolls: 2,
      lastGoodRequestedAt: minutesLater(3),
      lastObservedAt: arrivalOf(minutesLater(3)),
      problem: null,
    })
    expect(plan.evidence).toEqual({ kind: 'success', requestedAt: minutesLater(9) })
    const next = afterwards(aTask({ ann: unread, bob: read }), plan)
    expect(stateOf(next, 'ann')).toMatchObject({ kind: 'unread', lastUnreadAt: minutesLater(3) })
    // A recipient that reads next was last listed as unread three minutes after the send.
    expect(stateOf(afterPolls(next, [answer({ read: ['ann'] }, minutesLater(20))]), 'ann')).toMatchObject({ lastUnreadAt: minutesLater(3) })
  })

  test('with no unread recipient an answer without recipients moves the time of the observation', () => {
    for (const people of [{}, { ann: pending }, { ann: read, bob: failed }]) {
      expect(poll(aTask(people), answer({}, minutesLater(9))).task).toMatchObject({ lastObservedAt: arrivalOf(minutesLater(9)) })
    }
  })

  test('an answer that comes late improves brackets and moves nothing else', () => {
    const before = afterPolls(anOpenTask({}), [
      answer({ unread: ['ann', 'bob'] }, minutesLater(9)),
      answer({ read: ['ann'], unread: ['bob'] }, minutesLater(20)),
    ])
    const plan = poll(before, answer({ read: ['ann'], failed: ['cy'] }, minutesLater(15)))
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
  test('all recipients that the sender named have read', () => {
    const plan = poll(aTask({ ann: read, bob: unread }), answer({ read: ['ann', 'bob'] }))
    expect(plan.task).toMatchObject({ status: 'complete', reason: { code: 'all_read', detail: null }, nextPollAt: null })
    expect(plan.next).toEqual({ kind: 'done' })
  })

  test('all recipients are accounted for, some were not reached', () => {
    const plan = poll(aTask({ ann: pending, bob: invalid, cy: failed, dee: forbidden }), answer({ read: ['ann'] }))
    expect(plan.task).toMatchObject({ status: 'complete', reason: { code: 'all_accounted_for', detail: { read: 1, unreachable: 3 } } })
  })

  test('not while a recipient is unread', () => {
    expect(poll(aTask({ ann: read, bob: pending }), answer({ unread: ['bob'] })).task.status).toBe('tracking')
  })

  test('not while a recipient that the sender named was never listed, however long', () => {
    const polls = [4, 60, 600, 1_430].map((minute) => answer({ read: ['ann'] }, minutesLater(minute)))
    const task = afterPolls(aTask({ ann: pending, bob: pending }), polls)
    expect([task.status, kindsOf(task)]).toEqual(['tracking', { ann: 'read', bob: 'pending' }])
  })

  test('not while a recipient is unread that only DingTalk named', () => {
    const task = afterPolls(aTask({ ann: pending }), [answer({ read: ['ann'], unread: ['guest'] })])
    expect(task.status).toBe('tracking')
    expect(afterPolls(task, [answer({ read: ['ann', 'guest'] }, minutesLater(9))]).status).toBe('complete')
  })

  test('the first answers after a send list only some recipients, or none: with unknown recipients a task does not complete on them', () => {
    const statuses = [[], ['ann'], ['ann', 'bob'], ['ann', 'bob', 'cy']].map(
      (names) => poll(anOpenTask(), answer({ read: names })).task.status,
    )
    expect(statuses).toEqual(['tracking', 'tracking', 'tracking', 'tracking'])
  })

  test('with unknown recipients two successful polls two minutes apart must list the same people', () => {
    const task = afterPolls(anOpenTask(), [answer({ read: ['ann', 'bob'] }, minutesLater(3))])
    expect(poll(task, answer({ read: ['bob', 'ann'] }, after(minutesLater(5), -1))).task.status).toBe('tracking')
    expect(poll(task, answer({ read: ['bob', 'ann'] }, minutesLater(5))).task.status).toBe('complete')
  })

  test('a list that grew must stay the same anew', () => {
    const grown = afterPolls(anOpenTask(), [answer({ read: ['ann'] }, minutesLater(3)), answer({ read: ['ann', 'bob'] }, minutesLater(30))])
    expect(grown).toMatchObject({ status: 'tracking', listedSince: minutesLater(30) })
    expect(poll(grown, answer({ read: ['ann', 'bob'] }, minutesLater(60))).task.status).toBe('complete')
  })

  test('a failed poll between the two does not matter', () => {
    const task = afterPolls(anOpenTask(), [
      answer({ read: ['ann'] }, minutesLater(3)),
      refused(-1, '', minutesLater(4)),
      empty(minutesLater(5)),
    ])
    expect(poll(task, answer({ read: ['ann'] }, minutesLater(6))).task.status).toBe('complete')
  })

  test('an answer that lists no recipient begins the wait anew', () => {
    const task = afterPolls(anOpenTask(), [answer({ read: ['ann'] }, minutesLater(3)), answer({}, minutesLater(10))])
    expect(task.listedSince).toBeNull()
    expect(poll(task, answer({ read: ['ann'] }, minutesLater(20))).task.status).toBe('tracking')
  })

  test('never on an empty list', () => {
    const polls = [3, 60, 600].map((minute) => answer({}, minutesLater(minute)))
    expect(afterPolls(anOpenTask(), polls)).toMatchObject({ status: 'tracking', goodPolls: 3 })
    expect(afterPolls(aTask(), polls).status).toBe('tracking')
  })

  test('an older answer does not count as one that lists the same people', () => {
    const task = afterPolls(anOpenTask(), [answer({ read: ['ann', 'bob'] }, minutesLater(10)), answer({ read: ['ann'] }, minutesLater(5))])
    expect(poll(task, answer({ read: ['ann'] }, minutesLater(11))).task).toMatchObject({
      status: 'tracking',
      listedSince: minutesLater(11),
    })
  })
})

describe('an assumed send time bounds nothing', () => {
  const assumed = (people: Readonly<Record<string, RecipientState>>) => aTask(people, { sentAtGiven: false })

  test('what the first answers show happened after a time that is not known', () => {
    const plan = poll(assumed({ ann: pending, bob: pending, cy: pending }), answer({ read: ['ann'], unread: ['bob'], failed: ['cy'] }))
    expect(plan.transitions.map(({ userId, afterAt }) => [userId, afterAt])).toEqual([
      ['ann', null],
      ['bob', null],
      ['cy', null],
    ])
    expect(plan.changed.find(({ userId }) => userId === 'ann')?.state).toMatchObject({ lastUnreadAt: null })
  })

  test('a poll that listed the person as unread bounds as ever, and so does a successful one', () => {
    const plan = poll(assumed({ ann: unread, bob: pending }), answer({ read: ['ann'], failed: ['bob'] }))
    expect(plan.transitions.map(({ afterAt }) => afterAt)).toEqual([minutesLater(3), minutesLater(3)])
  })

  test('a late answer to an earlier request has no bound', () => {
    const plan = poll(assumed({ ann: unread, bob: pending }), answer({ unread: ['ann'], failed: ['bob'] }, minutesLater(2)))
    expect(plan.transitions.map(({ afterAt }) => afterAt)).toEqual([null])
  })
})

describe('a task ends once, for one reason', () => {
  const ends: readonly TaskStatus[] = ['complete', 'expired', 'stopped', 'cancelled']
  const ended = (status: TaskStatus): StoredTask => aTask({ ann: unread }, { status, nextPollAt: null })

  test('an answer that comes afterwards changes the status no more, and no poll follows', () => {
    const answers = [answer({ read: ['ann'] }), answer({ unread: ['ann'] }), empty(), refused(40035), refused(60011), refused(-1)]
    for (const status of ends) {
      for (const said of answers) {
        const plan = poll(ended(status), said)
        expect(plan.task).toMatchObject({ status, reason: null, nextPollAt: null })
        expect(plan.next).toEqual({ kind: 'done' })
      }
    }
  })

  test('the deadline changes nothing either', () => {
    for (const status of ends) expect(planExpiry(ended(status), TIMING)).toEqual(unchanged(ended(status)))
  })
})
