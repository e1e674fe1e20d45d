import { getEventListeners, setMaxListeners } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createPermits, type Permit, type PermitsOptions } from '../../src/polling/permits.ts'
import type { AppLimits, WantedCalls } from '../../src/polling/ports.ts'
import { aLimiter, aProblem, grantAll, granted } from './support.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const TEN_A_SECOND: AppLimits = { callsPerSecond: 10, monthlyBudget: null }
const NEVER = new AbortController().signal
// As the worker does with its own: every poll that runs listens.
setMaxListeners(0, NEVER)
const deadline = (minute: number): Date => new Date(minute * 60_000)
const ordinary = { app: 'default', deadlineAt: deadline(0), urgent: false, reserved: false, forced: false }
/** The first call of a final poll. */
const final = (minute = 0) => ({ ...ordinary, deadlineAt: deadline(minute), urgent: true, reserved: true })
/** A retry of a final poll: it goes first, and is an ordinary call. */
const retry = (minute = 0) => ({ ...final(minute), reserved: false })
const forced = (minute = 0) => ({ ...final(minute), forced: true })

function permitsWith(limiter: PermitsOptions['limiter'], options: Partial<PermitsOptions> = {}) {
  const onRefundFailed = (error: unknown): void => expect.fail(`a refund failed: ${String(error)}`)
  return createPermits({ limiter, limitsOf: () => TEN_A_SECOND, now: () => new Date(), maxWaiting: 25, onRefundFailed, ...options })
}

/** Who was granted when: `name@milliseconds`. */
function grants() {
  const from = Date.now()
  const order: string[] = []
  return {
    order,
    note: (name: string, permit: Promise<Permit>) => permit.then((given) => order.push(`${name}@${Date.now() - from} ${given.kind}`)),
  }
}

test('calls are as far apart as the limiter says, and polls of one tick share a reservation', async () => {
  const limiter = aLimiter(grantAll)
  const permits = permitsWith(limiter)
  const { order, note } = grants()
  for (const name of ['a', 'b', 'c']) void note(name, permits.take(ordinary, NEVER))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(order).toEqual(['a@0 granted', 'b@100 granted', 'c@200 granted'])
  expect(limiter.asked).toEqual([{ app: 'default', reserved: 0, ordinary: 3, forced: 0 }])
})

test('the first call waits for as long as the limiter says', async () => {
  const permits = permitsWith(aLimiter(granted({ ordinary: 1, firstInMs: 350 })))
  const { order, note } = grants()
  void note('a', permits.take(ordinary, NEVER))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(order).toEqual(['a@350 granted'])
})

test('a busy app is asked for again after the time that the limiter names', async () => {
  const limiter = aLimiter({ kind: 'busy', forMs: 400 }, grantAll)
  const { order, note } = grants()
  void note('a', permitsWith(limiter).take(ordinary, NEVER))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(order).toEqual(['a@400 granted'])
})

test('final polls go first, nearest deadline first, and then the others in the order of their coming', async () => {
  const permits = permitsWith(aLimiter(grantAll))
  const { order, note } = grants()
  void note('first', permits.take(ordinary, NEVER))
  void note('second', permits.take(ordinary, NEVER))
  void note('later deadline', permits.take(final(9), NEVER))
  void note('nearer deadline', permits.take(final(3), NEVER))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(order.map((each) => each.split('@')[0])).toEqual(['nearer deadline', 'later deadline', 'first', 'second'])
})

test('a final poll that comes late takes the next free call of those that wait', async () => {
  const permits = permitsWith(aLimiter(grantAll, granted({ ordinary: 1, firstInMs: 100 })))
  const { order, note } = grants()
  for (const name of ['a', 'b']) void note(name, permits.take(ordinary, NEVER))
  await vi.advanceTimersByTimeAsync(50)
  void note('last', permits.take(final(), NEVER))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(order).toEqual(['a@0 granted', 'last@100 granted', 'b@200 granted'])
})

test('a second of ordinary polls may wait; the others are sent away to times one call apart', async () => {
  const permits = permitsWith(aLimiter({ kind: 'busy', forMs: 60_000 }))
  const from = Date.now()
  const taken = Array.from({ length: 14 }, () => permits.take(ordinary, NEVER))
  const sentAway = await Promise.all(taken.slice(10))
  expect(sentAway.map((permit) => (permit.kind === 'backlog' ? permit.until.getTime() - from : permit.kind))).toEqual([
    1_000, 1_100, 1_200, 1_300,
  ])
})

test('times of the backlog begin anew once it is over', async () => {
  const permits = permitsWith(aLimiter({ kind: 'busy', forMs: 600_000 }))
  for (let i = 0; i < 10; i++) void permits.take(ordinary, NEVER)
  await permits.take(ordinary, NEVER)
  await vi.advanceTimersByTimeAsync(60_000)
  const permit = await permits.take(ordinary, NEVER)
  expect(permit).toEqual({ kind: 'backlog', until: new Date(Date.now() + 1_000) })
})

test('a final poll is not sent away while ordinary ones fill the line: one of those makes room', async () => {
  const permits = permitsWith(aLimiter({ kind: 'busy', forMs: 500 }, grantAll), { maxWaiting: 3 })
  const { order, note } = grants()
  for (const name of ['a', 'b', 'c']) void note(name, permits.take(ordinary, NEVER))
  void note('last', permits.take(final(), NEVER))
  await vi.advanceTimersByTimeAsync(2_000)
  expect(order).toEqual(['c@0 backlog', 'last@500 granted', 'a@600 granted', 'b@700 granted'])
})

test('final polls beyond the share of the worker do not queue up behind the ordinary ones that were sent away', async () => {
  const permits = permitsWith(aLimiter({ kind: 'busy', forMs: 600_000 }), { maxWaiting: 2 })
  const from = Date.now()
  for (let i = 0; i < 1_000; i++) void permits.take(ordinary, NEVER)
  for (let i = 0; i < 2; i++) void permits.take(final(1), NEVER)
  const permit = await permits.take(final(2), NEVER)
  expect(permit).toEqual({ kind: 'backlog', until: new Date(from + 200) })
})

test('of too many final polls the one with the farthest deadline is sent away', async () => {
  const permits = permitsWith(aLimiter({ kind: 'busy', forMs: 600_000 }), { maxWaiting: 1 })
  const far = permits.take(final(9), NEVER)
  void permits.take(final(1), NEVER)
  expect((await far).kind).toBe('backlog')
})

const PAUSED = { kind: 'paused', until: new Date(1), problem: aProblem('60011') } as const
const BUDGET = { kind: 'budget', until: new Date(2), used: 100, reserved: 7, month: '2026-11' } as const

test('a pause reaches everybody who waits', async () => {
  const permits = permitsWith(aLimiter(PAUSED))
  const permitsTaken = [permits.take(ordinary, NEVER), permits.take(final(), NEVER), permits.take(retry(), NEVER)]
  expect(await Promise.all(permitsTaken)).toEqual([PAUSED, PAUSED, PAUSED])
})

test('a used-up budget reaches everybody who waits, with what was used and kept', async () => {
  const permits = permitsWith(aLimiter(BUDGET), { limitsOf: () => ({ callsPerSecond: 10, monthlyBudget: 107 }) })
  const refusal = { ...BUDGET, budget: 107 }
  expect(await Promise.all([permits.take(ordinary, NEVER), permits.take(final(), NEVER)])).toEqual([refusal, refusal])
})

test('the granted call says in which month it counts', async () => {
  const permits = permitsWith(aLimiter(granted({ ordinary: 1, month: '2026-12' })))
  const permit = permits.take(ordinary, NEVER)
  await vi.advanceTimersByTimeAsync(10)
  expect(await permit).toEqual({ kind: 'granted', month: '2026-12' })
})

test('only the first call of a final poll is asked for as a reserved one: its retries, and a repeated call, are ordinary', async () => {
  const limiter = aLimiter(grantAll)
  const permits = permitsWith(limiter)
  const { order, note } = grants()
  void note('ordinary', permits.take(ordinary, NEVER))
  void note('retry', permits.take(retry(3), NEVER))
  void note('final', permits.take(final(9), NEVER))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(limiter.asked[0]).toEqual({ app: 'default', reserved: 1, ordinary: 2, forced: 0 })
  expect(order.map((each) => each.split('@')[0])).toEqual(['retry', 'final', 'ordinary'])
})

test('budget that is granted for reserved calls is handed neither to ordinary ones nor to retries', async () => {
  const limiter = aLimiter(granted({ reserved: 1 }), BUDGET)
  const permits = permitsWith(limiter)
  const { order, note } = grants()
  void note('ordinary', permits.take(ordinary, NEVER))
  void note('retry', permits.take(retry(), NEVER))
  void note('final', permits.take(final(5), NEVER))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(order).toEqual(['final@0 granted', 'retry@10 budget', 'ordinary@10 budget'])
  expect(limiter.asked).toEqual([
    { app: 'default', reserved: 1, ordinary: 2, forced: 0 },
    { app: 'default', reserved: 0, ordinary: 2, forced: 0 },
  ])
})

test('the first call of a final poll passes a pause: the others are told of it', async () => {
  const limiter = aLimiter((wanted) => (wanted.forced > 0 ? granted({ reserved: wanted.forced }) : PAUSED))
  const permits = permitsWith(limiter)
  const { order, note } = grants()
  void note('ordinary', permits.take(ordinary, NEVER))
  void note('forced', permits.take(forced(), NEVER))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(limiter.asked[0]).toEqual({ app: 'default', reserved: 1, ordinary: 1, forced: 1 })
  expect(order).toEqual(['forced@0 granted', 'ordinary@10 paused'])
})

test('one that passes the pause and comes while the others are refused is not refused with them', async () => {
  const limiter = aLimiter((wanted) => (wanted.forced > 0 ? granted({ reserved: wanted.forced }) : PAUSED))
  const permits = permitsWith(slow(limiter))
  const { order, note } = grants()
  void note('ordinary', permits.take(ordinary, NEVER))
  await vi.advanceTimersByTimeAsync(10)
  void note('forced', permits.take(forced(), NEVER))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(order).toEqual(['ordinary@50 paused', 'forced@100 granted'])
})

test('a busy app is asked again after a second at most: the row, or the clock that it was written by, may be put right meanwhile', async () => {
  const limiter = aLimiter({ kind: 'busy', forMs: 600_000 }, { kind: 'busy', forMs: 600_000 }, grantAll)
  const { order, note } = grants()
  void note('a', permitsWith(limiter).take(ordinary, NEVER))
  await vi.advanceTimersByTimeAsync(10_000)
  expect(order).toEqual(['a@2000 granted'])
})

test('calls that nobody takes any more are given back, in the month in which they were reserved', async () => {
  const limiter = aLimiter(granted({ ordinary: 3, month: '2026-12' }))
  const permits = permitsWith(limiter)
  const stop = new AbortController()
  const taken = Promise.allSettled([permits.take(ordinary, NEVER), ...[1, 2].map(() => permits.take(ordinary, stop.signal))])
  await vi.advanceTimersByTimeAsync(50)
  stop.abort(new Error('shutting down'))
  await vi.advanceTimersByTimeAsync(1_000)
  expect((await taken).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
  expect(limiter.refunds).toEqual(['default 2026-12 2'])
})

test('calls that are all taken are not given back', async () => {
  const limiter = aLimiter(grantAll)
  const permits = permitsWith(limiter)
  const taken = Promise.all([ordinary, final(), forced()].map((request) => permits.take(request, NEVER)))
  await vi.advanceTimersByTimeAsync(1_000)
  await taken
  expect(limiter.refunds).toEqual([])
})

test('a refund that fails is told, and the line goes on', async () => {
  const failures: unknown[] = []
  const limiter = { ...aLimiter(granted({ ordinary: 2 }), grantAll), refund: () => Promise.reject(new Error('database away')) }
  const permits = permitsWith(limiter, { onRefundFailed: (error) => failures.push(error) })
  const first = permits.take(ordinary, NEVER)
  await vi.advanceTimersByTimeAsync(1_000)
  const second = permits.take(ordinary, NEVER)
  await vi.advanceTimersByTimeAsync(1_000)
  expect([(await first).kind, (await second).kind]).toEqual(['granted', 'granted'])
  expect(failures.map(String)).toEqual(['Error: database away'])
})

/** The answer is under way for a while. */
function slow<Gate extends PermitsOptions['limiter']>(limiter: Gate): Gate {
  const { reserve } = limiter
  return {
    ...limiter,
    async reserve(...args: Parameters<typeof reserve>) {
      const answer = await reserve(...args)
      await new Promise((resolve) => setTimeout(resolve, 50))
      return answer
    },
  }
}

test('a final poll that comes while ordinary ones are refused for the budget is not refused with them', async () => {
  const limiter = aLimiter((wanted) => (wanted.reserved > 0 ? granted({ reserved: wanted.reserved }) : BUDGET))
  const permits = permitsWith(slow(limiter))
  const { order, note } = grants()
  void note('ordinary', permits.take(ordinary, NEVER))
  await vi.advanceTimersByTimeAsync(10)
  void note('last', permits.take(final(), NEVER))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(order).toEqual(['ordinary@50 budget', 'last@100 granted'])
})

test('whoever is aborted leaves the line, and the others move up', async () => {
  const permits = permitsWith(aLimiter(grantAll))
  const { order, note } = grants()
  const stop = new AbortController()
  void note('a', permits.take(ordinary, NEVER))
  const leaves = permits.take(ordinary, stop.signal)
  void note('c', permits.take(ordinary, NEVER))
  const rejected = expect(leaves).rejects.toThrow('shutting down')
  await vi.advanceTimersByTimeAsync(50)
  stop.abort(new Error('shutting down'))
  await rejected
  await vi.advanceTimersByTimeAsync(1_000)
  expect(order).toEqual(['a@0 granted', 'c@100 granted'])
})

test('an aborted signal takes nothing', async () => {
  const limiter = aLimiter(grantAll)
  await expect(permitsWith(limiter).take(ordinary, AbortSignal.abort(new Error('over')))).rejects.toThrow('over')
  expect(limiter.asked).toEqual([])
})

test('no listener stays on the signal, however a poll left the line', async () => {
  const stop = new AbortController()
  const limiter = aLimiter(grantAll, new Error('away'), PAUSED)
  const permits = permitsWith(limiter, { maxWaiting: 2 })
  const outcomes = Promise.allSettled([1, 2, 3].map(() => permits.take(ordinary, stop.signal)))
  expect(getEventListeners(stop.signal, 'abort')).toHaveLength(2)
  await vi.advanceTimersByTimeAsync(1_000)
  await outcomes
  for (let i = 0; i < 2; i++) {
    const next = Promise.allSettled([permits.take(ordinary, stop.signal)])
    await vi.advanceTimersByTimeAsync(1_000)
    await next
  }
  expect(limiter.asked).toHaveLength(3)
  expect(getEventListeners(stop.signal, 'abort')).toEqual([])
})

test('no timer is left when the last one in the line is aborted', async () => {
  const stop = new AbortController()
  const waits = permitsWith(aLimiter({ kind: 'busy', forMs: 600_000 })).take(ordinary, stop.signal)
  const rejected = expect(waits).rejects.toThrow()
  await vi.advanceTimersByTimeAsync(10)
  expect(vi.getTimerCount()).toBe(1)
  stop.abort()
  await rejected
  expect(vi.getTimerCount()).toBe(0)
})

test('after an abort of everybody the line serves the next one', async () => {
  const stop = new AbortController()
  const permits = permitsWith(aLimiter({ kind: 'busy', forMs: 600_000 }, grantAll))
  const rejected = expect(permits.take(ordinary, stop.signal)).rejects.toThrow()
  await vi.advanceTimersByTimeAsync(10)
  stop.abort()
  await rejected
  const { order, note } = grants()
  void note('next', permits.take(ordinary, NEVER))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(order).toEqual(['next@0 granted'])
})

test('a limiter that fails rejects everybody who waits, and the line works again afterwards', async () => {
  const permits = permitsWith(aLimiter(new Error('database away'), grantAll))
  const outcomes = await Promise.allSettled([permits.take(ordinary, NEVER), permits.take(final(), NEVER)])
  expect(outcomes.map((each) => (each.status === 'rejected' ? String(each.reason) : each.value))).toEqual([
    'Error: database away',
    'Error: database away',
  ])
  const next = permits.take(ordinary, NEVER)
  await vi.advanceTimersByTimeAsync(1_000)
  expect((await next).kind).toBe('granted')
})

test("one app's line does not hold up another's", async () => {
  const limiter = {
    ...aLimiter(grantAll),
    reserve: async (app: string, wanted: WantedCalls) => (app === 'slow' ? ({ kind: 'busy', forMs: 600_000 } as const) : grantAll(wanted)),
  }
  const permits = permitsWith(limiter)
  const { order, note } = grants()
  for (let i = 0; i < 5; i++) void note('slow', permits.take({ ...ordinary, app: 'slow' }, NEVER))
  void note('quick', permits.take({ ...ordinary, app: 'quick' }, NEVER))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(order).toEqual(['quick@0 granted'])
})
