import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HOUR_MS, type TaskKey } from '../../src/domain/delivery.ts'
import { planExpiry } from '../../src/domain/plan.ts'
import type { DelayReason } from '../../src/domain/reasons.ts'
import type { DeliveryStore, Timer } from '../../src/polling/ports.ts'
import { deferred } from '../support/deferred.ts'
import {
  aDelay,
  adoptAll,
  answeredAt,
  aRequest,
  aTask,
  aTaskProblem,
  loaded,
  lookAt,
  minutesLater,
  planBody,
  planFor,
  SENT,
  TIMING,
} from './support/polls.ts'

const PAUSED = { said: '41011', message: 'wrong agent id', requestId: 'r', agentId: '836390886', ip: null } as const

/** Each reason for which a poll can be delayed. */
const DELAYS: readonly DelayReason[] = [
  { code: 'call_rate', detail: null },
  { code: 'call_budget', detail: { budget: 5_000, used: 4_990, reserved: 10, month: '2026-11' } },
  { code: 'paused', detail: { ...PAUSED, scope: 'pair', problem: 'agent_id', until: '2026-11-30T08:15:00.000Z' } },
  { code: 'paused', detail: { ...PAUSED, scope: 'app', problem: 'quota', until: '2026-11-30T08:15:00.000Z' } },
  { code: 'paused', detail: { ...PAUSED, scope: 'worker', problem: 'credentials', until: '2026-11-30T08:15:00.000Z' } },
  { code: 'calls_used_up', detail: { calls: 27 } },
  { code: 'write_refused', detail: null },
  { code: 'earlier_version', detail: { text: 'the app is paused: grant qyapi_base' } },
]

type Store = DeliveryStore & { cancel(key: TaskKey): Promise<boolean> }

/** What every store promises. Run on the one in memory, which other tests trust, and on PostgreSQL. */
export function describeDeliveryStore(name: string, open: () => Promise<{ store: Store; close(): Promise<void> }>): void {
  describe(`the delivery store: ${name}`, () => {
    let store: Store
    let close: () => Promise<void>
    beforeAll(async () => {
      ;({ store, close } = await open())
    })
    afterAll(() => close())

    describe('tracking', () => {
      test('a new task is loaded as it was given, with its named people pending', async () => {
        const request = aRequest({ agentId: '836390886', userIds: ['036632523163121146', 'ann'], campaign: 'payroll-11' })
        const outcome = { isNew: true, status: 'tracking', conflict: [], updated: [], stored: null }
        expect(await store.track([request])).toEqual([{ key: { app: 'default', taskId: request.taskId }, ...outcome }])
        expect(await store.load(request)).toMatchObject({
          ...{ key: { app: 'default', taskId: request.taskId }, agentId: '836390886', campaign: 'payroll-11', status: 'tracking' },
          ...{ sentAt: SENT, deadlineAt: minutesLater(24 * 60), recipientsKnown: true, pollNo: 0, calls: 0, finalCalls: 0 },
          ...{ problem: null, delay: null, sentAtGiven: true },
          recipients: [
            { userId: '036632523163121146', firstSeenAt: null, state: { kind: 'pending' } },
            { userId: 'ann', firstSeenAt: null, state: { kind: 'pending' } },
          ],
        })
      })

      test('a task that no poll has shown takes what is newer, and is to be polled at once', async () => {
        const request = aRequest({ userIds: ['ann'], campaign: 'first' })
        await store.track([request])
        expect(await store.track([request])).toMatchObject([{ isNew: false, conflict: [], updated: [] }])
        const again = { ...request, userIds: ['bob'], campaign: 'second', agentId: '2' }
        const updated = ['agentId', 'userIds', 'campaign']
        expect(await store.track([again])).toMatchObject([{ isNew: false, status: 'tracking', conflict: [], updated }])
        expect(await store.load(request)).toMatchObject({ campaign: 'second', agentId: '2', recipients: [{ userId: 'bob' }] })
      })

      test('a task that was polled with success keeps what it has, and says what differs', async () => {
        const task = await aTask(store, { userIds: ['ann'], campaign: 'first' })
        await lookAt(store, task.key, { unread: ['ann'] }, 5)
        const again = { ...aRequest({ userIds: ['ann', 'bob'], campaign: 'second' }), ...task.key }
        const conflict = ['userIds', 'campaign']
        expect(await store.track([again])).toMatchObject([{ isNew: false, status: 'tracking', conflict, updated: [] }])
        expect(await store.load(task.key)).toMatchObject({ campaign: 'first', recipients: [{ userId: 'ann' }] })
      })

      test('a send time that was not given is assumed', async () => {
        const [now, then] = [aRequest({ sentAt: null }), aRequest({ sentAt: null, assumedSentAt: SENT })]
        await store.track([now, then])
        expect(await store.load(now)).toMatchObject({ sentAtGiven: false })
        expect(await store.load(then)).toMatchObject({ sentAtGiven: false, sentAt: SENT })
      })

      test('a task that never had a successful poll takes the newer recipients', async () => {
        const request = aRequest({ userIds: ['ann'] })
        await store.track([request])
        expect(await store.track([{ ...request, userIds: ['bob'] }])).toMatchObject([{ isNew: false, conflict: [], updated: ['userIds'] }])
        expect(await store.load(request)).toMatchObject({ recipients: [{ userId: 'bob' }] })
      })

      test('of equal requests at once the first is new, the later one is as if it came later, and results keep their order', async () => {
        const [b, a] = [aRequest({ userIds: ['bob'] }), aRequest()]
        const twin = { ...b, userIds: ['other'] }
        const results = await store.track([b, a, twin])
        expect(results.map(({ key, isNew }) => [key.taskId, isNew])).toEqual([
          [b.taskId, true],
          [a.taskId, true],
          [b.taskId, false],
        ])
        expect(await store.load(b)).toMatchObject({ recipients: [{ userId: 'other' }] })
      })

      test('apps have their own task ids', async () => {
        const request = aRequest()
        expect(await store.track([request, { ...request, app: 'other' }])).toMatchObject([{ isNew: true }, { isNew: true }])
      })

      test('ids keep their digits', async () => {
        const task = await aTask(store, { taskId: '9007199254740993123', userIds: ['007', '\u{1F600}', 'ﬁ'] })
        expect(task.key.taskId).toBe('9007199254740993123')
        expect(new Set(task.recipients.map(({ userId }) => userId))).toEqual(new Set(['007', '\u{1F600}', 'ﬁ']))
      })

      test('nothing to track is no work', async () => {
        expect(await store.track([])).toEqual([])
      })

      test('a task that is not there is null, also beside one that is', async () => {
        const task = await aTask(store)
        expect(await Promise.all([store.load({ app: 'default', taskId: '1' }), store.load(task.key), store.load(task.key)])).toEqual([
          null,
          task,
          task,
        ])
      })
    })

    describe('scheduling', () => {
      test('every task is scheduled once, with the plan that it was given', async () => {
        await adoptAll(store)
        const task = await aTask(store)
        const [timer, ...others] = await adoptAll(store)
        expect(others).toEqual([])
        expect(timer).toMatchObject({ key: task.key, poll: { last: false } })
        expect((await loaded(store, task.key)).nextPollAt).toEqual(timer?.poll.at)
        expect(await adoptAll(store)).toEqual([])
      })

      test('the plan sets the deadline', async () => {
        const task = await aTask(store)
        const deadlineAt = minutesLater(7)
        await store.schedule(() => ({ deadlineAt, pollOffsetsMs: [60_000], first: { at: minutesLater(1), last: false } }), 1_000)
        expect(await store.load(task.key)).toMatchObject({ deadlineAt, nextPollAt: minutesLater(1) })
      })

      test('at most so many as asked for, oldest first', async () => {
        const requests = [aRequest(), aRequest(), aRequest()]
        await adoptAll(store)
        await store.track(requests)
        expect((await adoptAll(store, 2)).map((timer) => timer.key.taskId)).toEqual(requests.slice(0, 2).map((request) => request.taskId))
        expect((await adoptAll(store, 2)).map((timer) => timer.key.taskId)).toEqual(requests.slice(2).map((request) => request.taskId))
      })

      test('workers that schedule at once share the tasks', async () => {
        await adoptAll(store)
        const requests = Array.from({ length: 60 }, () => aRequest())
        await store.track(requests)
        const scheduled = (await Promise.all([1, 2, 3, 4].map(() => adoptAll(store)))).flat()
        const ids = [...scheduled, ...(await adoptAll(store))].map((timer) => timer.key.taskId)
        expect(ids.sort()).toEqual(requests.map((request) => request.taskId).sort())
      })

      test('what is given back is scheduled again, unless a poll was recorded', async () => {
        await adoptAll(store)
        const [idle, looked] = [await aTask(store), await aTask(store)]
        await adoptAll(store)
        await lookAt(store, looked.key, { unread: ['ann'] }, 5)
        await store.unschedule([idle.key, looked.key])
        expect((await adoptAll(store)).map((timer) => timer.key)).toEqual([idle.key])
      })

      test('a cancelled task is not scheduled', async () => {
        await adoptAll(store)
        const task = await aTask(store)
        await store.cancel(task.key)
        expect(await adoptAll(store)).toEqual([])
      })
    })

    describe('polls', () => {
      test('people climb from pending to unread to read, and the brackets come back as they were planned', async () => {
        const { key } = await aTask(store, { userIds: ['ann', 'bob', 'cid'] })
        await lookAt(store, key, { unread: ['ann', 'bob'] }, 5)
        await lookAt(store, key, { unread: ['ann', 'bob'] }, 9)
        const task = await lookAt(store, key, { unread: ['ann'], read: ['bob'] }, 14)
        expect(task).toMatchObject({
          ...{ pollNo: 3, goodPolls: 3, lastGoodRequestedAt: minutesLater(14), lastObservedAt: answeredAt(14) },
          recipients: [
            {
              userId: 'ann',
              firstSeenAt: answeredAt(5),
              state: { kind: 'unread', lastUnreadAt: minutesLater(14), listed: true },
            },
            {
              userId: 'bob',
              firstSeenAt: answeredAt(5),
              state: { kind: 'read', lastUnreadAt: minutesLater(9), firstReadAt: answeredAt(14) },
            },
            { userId: 'cid', firstSeenAt: null, state: { kind: 'pending' } },
          ],
        })
      })

      test('somebody who is left out keeps the time at which they were last listed as unread', async () => {
        const { key } = await aTask(store, { userIds: ['ann'] })
        await lookAt(store, key, { unread: ['ann'] }, 5)
        await lookAt(store, key, {}, 9)
        const task = await lookAt(store, key, {}, 14)
        expect(task.recipients[0]?.state).toEqual({ kind: 'unread', lastUnreadAt: minutesLater(5), listed: false })
        const back = await lookAt(store, key, { unread: ['ann'] }, 20)
        expect(back.recipients[0]?.state).toEqual({ kind: 'unread', lastUnreadAt: minutesLater(20), listed: true })
      })

      test('every kind of person comes back', async () => {
        const { key } = await aTask(store)
        const task = await lookAt(store, key, { read: ['a'], unread: ['b'], failed: ['c'], invalid: ['d'], forbidden: ['e'] }, 5)
        expect(task.recipients.map(({ userId, state }) => [userId, state])).toEqual([
          ['a', { kind: 'read', lastUnreadAt: null, firstReadAt: answeredAt(5) }],
          ['b', { kind: 'unread', lastUnreadAt: minutesLater(5), listed: true }],
          ['c', { kind: 'failed' }],
          ['d', { kind: 'invalid' }],
          ['e', { kind: 'forbidden', code: '143105', count: 500 }],
        ])
      })

      test('a poll of a worker that comes late changes nothing', async () => {
        const { key } = await aTask(store, { userIds: ['ann'] })
        const old = await loaded(store, key)
        const late = planFor(old, { read: ['ann'] }, 4)
        const now = await lookAt(store, key, { unread: ['ann'] }, 5)
        expect(await store.apply(late)).toBe('stale')
        expect(await store.load(key)).toEqual(now)
      })

      test('the same poll twice is stored once', async () => {
        const task = await aTask(store, { userIds: ['ann'] })
        const plan = planFor(task, { read: ['ann'] }, 5)
        expect(await store.apply(plan)).toBe('stored')
        expect(await store.apply(plan)).toBe('stale')
      })

      test('of two looks at one task at once one is stored', async () => {
        const task = await aTask(store, { userIds: ['ann', 'bob'] })
        const results = await Promise.all([
          store.apply(planFor(task, { read: ['ann'] }, 5)),
          store.apply(planFor(task, { read: ['bob'] }, 6)),
        ])
        expect(results.sort()).toEqual(['stale', 'stored'])
        expect((await loaded(store, task.key)).pollNo).toBe(1)
      })

      test('looks at many tasks at once are each stored with their own people', async () => {
        const requests = Array.from({ length: 300 }, (_, i) => aRequest({ userIds: [`u${i}`, 'all'] }))
        await store.track(requests)
        const tasks = await Promise.all(requests.map((request) => loaded(store, request)))
        const results = await Promise.all(tasks.map((task, i) => store.apply(planFor(task, { read: [`u${i}`], unread: ['all'] }, 5))))
        expect(new Set(results)).toEqual(new Set(['stored']))
        const after = await Promise.all(requests.map((request) => loaded(store, request)))
        expect(after.map((task) => task.recipients.map(({ userId, state }) => `${userId} ${state.kind}`))).toEqual(
          requests.map((_, i) => ['all unread', `u${i} read`]),
        )
      })

      test('a task for which nobody is left to read ends', async () => {
        const { key } = await aTask(store, { userIds: ['ann', 'bob'] })
        const task = await lookAt(store, key, { read: ['ann'], failed: ['bob'] }, 5)
        expect(task).toMatchObject({ status: 'complete', nextPollAt: null })
      })

      test('an ended task takes no poll', async () => {
        const task = await aTask(store, { userIds: ['ann'] })
        await lookAt(store, task.key, { read: ['ann'] }, 5)
        const again = { ...planFor(task, { unread: ['ann'] }, 6), expected: { pollNo: 1, erasureNo: 0 } }
        expect(await store.apply(again)).toBe('stale')
      })

      test('a failed poll moves no state and no bracket, but is counted', async () => {
        const { key } = await aTask(store, { userIds: ['ann'] })
        const before = await lookAt(store, key, { unread: ['ann'] }, 5)
        expect(await store.apply(planBody(before, { errcode: -1, errmsg: 'busy' }, 9))).toBe('stored')
        expect(await store.load(key)).toMatchObject({
          ...{ pollNo: 2, goodPolls: 1, failuresInRow: 1, lastGoodRequestedAt: minutesLater(5) },
          recipients: before.recipients,
        })
      })

      test('a failed poll leaves its problem, which the next one counts on and a successful one clears', async () => {
        const { key } = await aTask(store, { userIds: ['ann'] })
        const refusal = { errcode: 40035, errmsg: 'bad parameter, request ip=203.0.113.7', request_id: 'r-1' }
        for (const minutes of [5, 20]) await store.apply(planBody(await loaded(store, key), refusal, minutes))
        const failing = await loaded(store, key)
        expect(failing).toMatchObject({ pollNo: 2, goodPolls: 0, failuresInRow: 2, calls: 2, finalCalls: 0 })
        expect(failing.problem).toEqual(
          aTaskProblem('parameters', {
            ...{ said: '40035', message: refusal.errmsg, requestId: 'r-1', ip: '203.0.113.7', since: answeredAt(5), polls: 2 },
          }),
        )
        expect(await lookAt(store, key, { unread: ['ann'] }, 40)).toMatchObject({ problem: null, failuresInRow: 0, goodPolls: 1, calls: 3 })
      })

      test('calls are counted as many as a poll took, and those of the final poll apart', async () => {
        const { key } = await aTask(store, { userIds: ['ann'] })
        const twice = planFor(await loaded(store, key), { unread: ['ann'] }, 5, 2)
        await store.apply(twice)
        expect(await store.load(key)).toMatchObject({ pollNo: 1, calls: 2, finalCalls: 0 })
        const final = await lookAt(store, key, { unread: ['ann'] }, 24 * 60 - 4)
        expect(final).toMatchObject({ pollNo: 2, calls: 3, finalCalls: 1 })
      })

      test('one poll that cannot be stored does not take the others with it', async () => {
        const [good, bad, fine] = [await aTask(store), await aTask(store), await aTask(store)]
        const poison = planFor(bad, { read: ['ann'] }, 5)
        const results = await Promise.allSettled([
          store.apply(planFor(good, { read: ['ann'] }, 5)),
          // Text that PostgreSQL cannot hold. The core lets none through; a store must survive it all the same.
          store.apply({ ...poison, poll: { ...poison.poll, message: 'a\u0000b' } }),
          store.apply(planFor(fine, { read: ['ann'] }, 5)),
        ])
        expect([results[0], results[2]]).toEqual([
          { status: 'fulfilled', value: 'stored' },
          { status: 'fulfilled', value: 'stored' },
        ])
      })
    })

    describe('ending and delaying', () => {
      test('an expired task keeps its people as of the last successful poll', async () => {
        const { key } = await aTask(store, { userIds: ['ann', 'bob'] })
        const before = await lookAt(store, key, { unread: ['ann'] }, 5)
        const update = planExpiry(before, TIMING)
        expect(await store.end(key, { pollNo: before.pollNo }, update)).toBe('stored')
        expect(await store.load(key)).toMatchObject({
          ...{ status: 'expired', nextPollAt: null },
          recipients: before.recipients,
        })
        expect(await store.end(key, { pollNo: before.pollNo }, update)).toBe('stale')
      })

      test('an end that expected another number of polls is stale', async () => {
        const task = await aTask(store, { userIds: ['ann'] })
        await lookAt(store, task.key, { unread: ['ann'] }, 5)
        expect(await store.end(task.key, { pollNo: 0 }, planExpiry(task, TIMING))).toBe('stale')
        expect((await loaded(store, task.key)).status).toBe('tracking')
      })

      test.each(DELAYS)('a poll is delayed for $code, and the reason is gone with the next poll', async (reason) => {
        const task = await aTask(store, { userIds: ['ann'] })
        expect(await store.delay(task.key, { pollNo: 0 }, aDelay(minutesLater(30), { reason }))).toBe('stored')
        const delayed = await loaded(store, task.key)
        expect(delayed).toEqual({ ...task, nextPollAt: minutesLater(30), delay: reason })
        expect((await lookAt(store, task.key, { unread: ['ann'] }, 32)).delay).toBeNull()
        expect(await store.delay(task.key, { pollNo: 0 }, aDelay(minutesLater(40), { reason }))).toBe('stale')
      })

      test('a delay without a reason keeps the poll due as planned, and takes an earlier reason away', async () => {
        const { key } = await aTask(store)
        await store.delay(key, { pollNo: 0 }, aDelay(minutesLater(30)))
        await store.delay(key, { pollNo: 0 }, aDelay(minutesLater(31), { reason: null }))
        expect(await store.load(key)).toMatchObject({ nextPollAt: minutesLater(31), delay: null })
      })

      test('an attempt without a call leaves its problem, its failures and its calls, and no poll', async () => {
        const { key } = await aTask(store, { userIds: ['ann'] })
        const problem = aTaskProblem('credentials', { said: '40096', scope: 'worker', requestId: null, ip: '203.0.113.7' })
        await store.delay(key, { pollNo: 0 }, aDelay(minutesLater(2), { problem, reason: null, failuresInRow: 3, calls: 5, finalCalls: 1 }))
        expect(await store.load(key)).toMatchObject({ pollNo: 0, goodPolls: 0, problem, failuresInRow: 3, calls: 5, finalCalls: 1 })
      })

      test('many tasks are delayed at once, each until its own time', async () => {
        const requests = Array.from({ length: 250 }, () => aRequest())
        await store.track(requests)
        const results = await Promise.all(requests.map((request, i) => store.delay(request, { pollNo: 0 }, aDelay(minutesLater(i + 1)))))
        expect(new Set(results)).toEqual(new Set(['stored']))
        const after = await Promise.all(requests.map((request) => loaded(store, request)))
        expect(after.map(({ nextPollAt }) => nextPollAt)).toEqual(requests.map((_, i) => minutesLater(i + 1)))
      })

      test('a task that has ended is not delayed', async () => {
        const { key } = await aTask(store)
        await store.cancel(key)
        expect(await store.delay(key, { pollNo: 0 }, aDelay(minutesLater(30)))).toBe('stale')
        expect(await store.load(key)).toMatchObject({ status: 'cancelled', nextPollAt: null, delay: null })
      })

      test('a task is cancelled once, and takes no poll afterwards', async () => {
        const task = await aTask(store, { userIds: ['ann'] })
        expect(await store.cancel(task.key)).toBe(true)
        expect(await store.cancel(task.key)).toBe(false)
        expect(await store.cancel({ app: 'default', taskId: '1' })).toBe(false)
        expect(await store.load(task.key)).toMatchObject({ status: 'cancelled', nextPollAt: null })
        expect(await store.apply(planFor(task, { read: ['ann'] }, 5))).toBe('stale')
      })
    })

    describe('what is overdue', () => {
      test('open tasks whose poll was due, nearest deadline first, page by page', async () => {
        const far = minutesLater(-60 * 24 * 365)
        const requests = [3, 1, 2].map((hours) => aRequest({ sentAt: new Date(far.getTime() + hours * HOUR_MS) }))
        await adoptAll(store)
        await store.track(requests)
        const notYetAdopted = await store.overdue(minutesLater(-60 * 24 * 300), 10, null)
        expect(notYetAdopted).toEqual([])
        await store.schedule(({ sentAt }) => {
          const deadlineAt = new Date(sentAt.getTime() + 24 * HOUR_MS)
          return { deadlineAt, pollOffsetsMs: [], first: { at: new Date(deadlineAt.getTime() - 60_000), last: true } }
        }, 10)
        const before = minutesLater(-60 * 24 * 300)
        const first = await store.overdue(before, 2, null)
        const second = await store.overdue(before, 2, first.at(-1) ?? null)
        expect([...first, ...second].map((task: Timer) => task.key.taskId)).toEqual([1, 2, 0].map((i) => requests[i]?.taskId))
        expect(first[0]).toMatchObject({ poll: { last: true }, deadlineAt: new Date(far.getTime() + 25 * HOUR_MS) })
      })

      test('a poll long before the deadline is not a last one', async () => {
        await adoptAll(store)
        const sentAt = minutesLater(-60 * 24 * 500)
        await store.track([aRequest({ sentAt })])
        await store.schedule(() => {
          const first = { at: new Date(sentAt.getTime() + HOUR_MS), last: false }
          return { deadlineAt: new Date(sentAt.getTime() + 24 * HOUR_MS), pollOffsetsMs: [HOUR_MS, 23 * HOUR_MS], first }
        }, 10)
        const [task] = await store.overdue(new Date(sentAt.getTime() + 2 * HOUR_MS), 1, null)
        expect(task?.poll).toEqual({ at: new Date(sentAt.getTime() + HOUR_MS), last: false })
      })
    })

    test('of two workers one is alone, and the other is told', async () => {
      const [held, inside] = [deferred(), deferred()]
      const first = store.exclusively(async () => {
        inside.resolve()
        await held.promise
        return 'done'
      })
      await inside.promise
      expect(await store.exclusively(async () => 'never')).toBeNull()
      held.resolve()
      expect(await first).toBe('done')
      expect(await store.exclusively(async () => 'again')).toBe('again')
      await expect(store.exclusively(() => Promise.reject(new Error('work failed')))).rejects.toThrow('work failed')
      expect(await store.exclusively(async () => 'free')).toBe('free')
    })
  })
}
