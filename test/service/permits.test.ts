import { getEventListeners, setMaxListeners } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { AppLimits } from '../../src/core/ports.ts'
import { createPermits, type Permit, type PermitsOptions } from '../../src/service/permits.ts'
import { aGate, grantAll } from './support.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const TEN_A_SECOND: AppLimits = { callsPerSecond: 10, monthlyBudget: null }
const NEVER = new AbortController().signal
// As the worker does with its own: every look that runs listens.
setMaxListeners(0, NEVER)
const deadline = (minute: number): Date => new Date(minute * 60_000)
const ordinary = { app: 'default', deadlineAt: deadline(0), last: false }
const last = (minute = 0) => ({ app: 'default', deadlineAt: deadline(minute), last: true })

function permitsWith(gate: PermitsOptions['gate'], options: Partial<PermitsOptions> = {}) {
  return createPermits({ gate, limitsOf: () => TEN_A_SECOND, now: () => new Date(), maxWaiting: 25, ...options })
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

test('calls are as far apart as the gate says, and looks of one tick share a reservation', async () => {
  const gate = aGate(grantAll)
  const permits = permitsWith(gate)
  const { order, note } = grants()
  for (const name of ['a', 'b', 'c']) void note(name, permits.take(ordinary, NEVER))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(order).toEqual(['a@0 granted', 'b@100 granted', 'c@200 granted'])
  expect(gate.asked).toEqual([{ app: 'default', last: 0, ordinary: 3 }])
})

test('the first call waits for as long as the gate says', async () => {
  const permits = permitsWith(aGate({ kind: 'granted', last: 0, ordinary: 1, firstInMs: 350, everyMs: 100 }))
  const { order, note } = grants()
  void note('a', permits.take(ordinary, NEVER))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(order).toEqual(['a@350 granted'])
})

test('a busy app is asked for again after the time that the gate names', async () => {
  const gate = aGate({ kind: 'busy', forMs: 400 }, grantAll)
  const { order, note } = grants()
  void note('a', permitsWith(gate).take(ordinary, NEVER))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(order).toEqual(['a@400 granted'])
})

test('last looks go first, nearest deadline first, and then the others in the order of their coming', async () => {
  const permits = permitsWith(aGate(grantAll))
  const { order, note } = grants()
  void note('first', permits.take(ordinary, NEVER))
  void note('second', permits.take(ordinary, NEVER))
  void note('later deadline', permits.take(last(9), NEVER))
  void note('nearer deadline', permits.take(last(3), NEVER))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(order.map((each) => each.split('@')[0])).toEqual(['nearer deadline', 'later deadline', 'first', 'second'])
})

test('a last look that comes late takes the next free call of those that wait', async () => {
  const permits = permitsWith(aGate(grantAll, { kind: 'granted', last: 0, ordinary: 1, firstInMs: 100, everyMs: 100 }))
  const { order, note } = grants()
  for (const name of ['a', 'b']) void note(name, permits.take(ordinary, NEVER))
  await vi.advanceTimersByTimeAsync(50)
  void note('last', permits.take(last(), NEVER))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(order).toEqual(['a@0 granted', 'last@100 granted', 'b@200 granted'])
})

test('a second of ordinary looks may wait; the others are sent away to times one call apart', async () => {
  const permits = permitsWith(aGate({ kind: 'busy', forMs: 60_000 }))
  const from = Date.now()
  const taken = Array.from({ length: 14 }, () => permits.take(ordinary, NEVER))
  const sentAway = await Promise.all(taken.slice(10))
  expect(sentAway.map((permit) => (permit.kind === 'backlog' ? permit.until.getTime() - from : permit.kind))).toEqual([
    1_000, 1_100, 1_200, 1_300,
  ])
})

test('times of the backlog begin anew once it is over', async () => {
  const permits = permitsWith(aGate({ kind: 'busy', forMs: 600_000 }))
  for (let i = 0; i < 10; i++) void permits.take(ordinary, NEVER)
  await permits.take(ordinary, NEVER)
  await vi.advanceTimersByTimeAsync(60_000)
  const permit = await permits.take(ordinary, NEVER)
  expect(permit).toEqual({ kind: 'backlog', until: new Date(Date.now() + 1_000) })
})

test('a last look is not sent away while ordinary ones fill the line: one of those makes room', async () => {
  const permits = permitsWith(aGate({ kind: 'busy', forMs: 500 }, grantAll), { maxWaiting: 3 })
  const { order, note } = grants()
  for (const name of ['a', 'b', 'c']) void note(name, permits.take(ordinary, NEVER))
  void note('last', permits.take(last(), NEVER))
  await vi.advanceTimersByTimeAsync(2_000)
  expect(order).toEqual(['c@0 backlog', 'last@500 granted', 'a@600 granted', 'b@700 granted'])
})

test('last looks beyond the share of the worker do not queue up behind the ordinary ones that were sent away', async () => {
  const permits = permitsWith(aGate({ kind: 'busy', forMs: 600_000 }), { maxWaiting: 2 })
  const from = Date.now()
  for (let i = 0; i < 1_000; i++) void permits.take(ordinary, NEVER)
  for (let i = 0; i < 2; i++) void permits.take(last(1), NEVER)
  const permit = await permits.take(last(2), NEVER)
  expect(permit).toEqual({ kind: 'backlog', until: new Date(from + 200) })
})

test('of too many last looks the one with the farthest deadline is sent away', async () => {
  const permits = permitsWith(aGate({ kind: 'busy', forMs: 600_000 }), { maxWaiting: 1 })
  const far = permits.take(last(9), NEVER)
  void permits.take(last(1), NEVER)
  expect((await far).kind).toBe('backlog')
})

test.each([
  { kind: 'paused', until: new Date(1), reason: 'check the app key' },
  { kind: 'budget', until: new Date(2), reason: 'the month is used up' },
] as const)('$kind reaches everybody who waits', async (refusal) => {
  const permits = permitsWith(aGate(refusal))
  const permitsTaken = [permits.take(ordinary, NEVER), permits.take(last(), NEVER), permits.take(ordinary, NEVER)]
  expect(await Promise.all(permitsTaken)).toEqual([refusal, refusal, refusal])
})

test('budget that is granted for last looks is not handed to ordinary ones', async () => {
  const until = new Date(2)
  const gate = aGate({ kind: 'granted', last: 1, ordinary: 0, firstInMs: 0, everyMs: 100 }, { kind: 'budget', until, reason: 'used up' })
  const permits = permitsWith(gate)
  const { order, note } = grants()
  void note('ordinary', permits.take(ordinary, NEVER))
  void note('last', permits.take(last(), NEVER))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(order).toEqual(['last@0 granted', 'ordinary@10 budget'])
  expect(gate.asked).toEqual([
    { app: 'default', last: 1, ordinary: 1 },
    { app: 'default', last: 0, ordinary: 1 },
  ])
})

test('a last look that comes while ordinary ones are refused for the budget is not refused with them', async () => {
  const gate = aGate(({ last: wanted }) =>
    wanted > 0 ? grantAll({ last: wanted, ordinary: 0 }) : { kind: 'budget', until: new Date(2), reason: 'kept back' },
  )
  const reserve = gate.reserve
  // The answer is under way when the last look comes.
  gate.reserve = async (...args) => {
    const answer = await reserve(...args)
    await new Promise((resolve) => setTimeout(resolve, 50))
    return answer
  }
  const permits = permitsWith(gate)
  const { order, note } = grants()
  void note('ordinary', permits.take(ordinary, NEVER))
  await vi.advanceTimersByTimeAsync(10)
  void note('last', permits.take(last(), NEVER))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(order).toEqual(['ordinary@50 budget', 'last@100 granted'])
})

test('whoever is aborted leaves the line, and the others move up', async () => {
  const permits = permitsWith(aGate(grantAll))
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
  const gate = aGate(grantAll)
  await expect(permitsWith(gate).take(ordinary, AbortSignal.abort(new Error('over')))).rejects.toThrow('over')
  expect(gate.asked).toEqual([])
})

test('no listener stays on the signal, however a look left the line', async () => {
  const stop = new AbortController()
  const gate = aGate(grantAll, new Error('away'), { kind: 'paused', until: new Date(1), reason: 'r' })
  const permits = permitsWith(gate, { maxWaiting: 2 })
  const outcomes = Promise.allSettled([1, 2, 3].map(() => permits.take(ordinary, stop.signal)))
  expect(getEventListeners(stop.signal, 'abort')).toHaveLength(2)
  await vi.advanceTimersByTimeAsync(1_000)
  await outcomes
  for (let i = 0; i < 2; i++) {
    const next = Promise.allSettled([permits.take(ordinary, stop.signal)])
    await vi.advanceTimersByTimeAsync(1_000)
    await next
  }
  expect(gate.asked).toHaveLength(3)
  expect(getEventListeners(stop.signal, 'abort')).toEqual([])
})

test('no timer is left when the last one in the line is aborted', async () => {
  const stop = new AbortController()
  const waits = permitsWith(aGate({ kind: 'busy', forMs: 600_000 })).take(ordinary, stop.signal)
  const rejected = expect(waits).rejects.toThrow()
  await vi.advanceTimersByTimeAsync(10)
  expect(vi.getTimerCount()).toBe(1)
  stop.abort()
  await rejected
  expect(vi.getTimerCount()).toBe(0)
})

test('after an abort of everybody the line serves the next one', async () => {
  const stop = new AbortController()
  const permits = permitsWith(aGate({ kind: 'busy', forMs: 600_000 }, grantAll))
  const rejected = expect(permits.take(ordinary, stop.signal)).rejects.toThrow()
  await vi.advanceTimersByTimeAsync(10)
  stop.abort()
  await rejected
  const { order, note } = grants()
  void note('next', permits.take(ordinary, NEVER))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(order).toEqual(['next@0 granted'])
})

test('a gate that fails rejects everybody who waits, and the line works again afterwards', async () => {
  const permits = permitsWith(aGate(new Error('database away'), grantAll))
  const outcomes = await Promise.allSettled([permits.take(ordinary, NEVER), permits.take(last(), NEVER)])
  expect(outcomes.map((each) => (each.status === 'rejected' ? String(each.reason) : each.value))).toEqual([
    'Error: database away',
    'Error: database away',
  ])
  const next = permits.take(ordinary, NEVER)
  await vi.advanceTimersByTimeAsync(1_000)
  expect((await next).kind).toBe('granted')
})

test("one app's line does not hold up another's", async () => {
  const gate = {
    reserve: async (app: string, wanted: { last: number; ordinary: number }) =>
      app === 'slow' ? ({ kind: 'busy', forMs: 600_000 } as const) : grantAll(wanted),
  }
  const permits = permitsWith(gate)
  const { order, note } = grants()
  for (let i = 0; i < 5; i++) void note('slow', permits.take({ ...ordinary, app: 'slow' }, NEVER))
  void note('quick', permits.take({ ...ordinary, app: 'quick' }, NEVER))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(order).toEqual(['quick@0 granted'])
})
