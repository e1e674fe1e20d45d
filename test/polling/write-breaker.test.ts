import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { TrackerError } from '../../src/domain/errors.ts'
import { createWriteBreaker } from '../../src/polling/write-breaker.ts'
import { SENT } from './support.ts'

const NEVER = new AbortController().signal
const away = (message = 'the disk is full'): TrackerError => new TrackerError('DATABASE_UNAVAILABLE', message)
const MAX_PAUSE_MS = 4

function aBreaker() {
  const clock = { now: SENT }
  const failures: string[] = []
  const breaker = createWriteBreaker({
    ...{ now: () => clock.now, pauseMs: 1, maxPauseMs: MAX_PAUSE_MS },
    onFailed: (error) => failures.push(error instanceof Error ? error.message : String(error)),
  })
  const wait = (ms: number): void => {
    clock.now = new Date(clock.now.getTime() + ms)
  }
  return { breaker, failures, clock, wait }
}

/** A write that the test lets fail and succeed. */
function aWrite() {
  let settle: { resolve(value: string): void; reject(error: unknown): void } | null = null
  let waiting: (() => void) | null = null
  return {
    write: () =>
      new Promise<string>((resolve, reject) => {
        settle = { resolve, reject }
        waiting?.()
      }),
    /** Resolves when the write is tried (again). */
    async tried() {
      if (settle !== null) return
      await new Promise<void>((resolve) => {
        waiting = resolve
      })
    },
    succeed() {
      const { resolve } = settle ?? expect.fail('no write is under way')
      settle = null
      resolve('stored')
    },
    fail(error: unknown = away()) {
      const { reject } = settle ?? expect.fail('no write is under way')
      settle = null
      reject(error)
    },
  }
}

const stored = async (): Promise<string> => 'stored'

/** A breaker of a worker that has stored an answer. */
async function aProvedBreaker() {
  const scene = aBreaker()
  await scene.breaker.answer(stored, NEVER)
  return scene
}

test('before the first answer of a worker was stored, one poll at a time may call', async () => {
  const { breaker } = aBreaker()
  const leave = breaker.enter()
  expect([leave === null, breaker.enter(), breaker.failing()]).toEqual([false, null, null])
  leave?.()
  const next = breaker.enter()
  expect([next === null, breaker.enter()]).toEqual([false, null])
  await breaker.answer(stored, NEVER)
  expect([breaker.enter(), breaker.enter()].every((each) => each !== null)).toBe(true)
})

test('a poll that ends without having called lets the next one try', () => {
  const { breaker } = aBreaker()
  breaker.enter()?.()
  expect(breaker.enter()).not.toBeNull()
})

test('that a delay or an end was stored does not prove that answers can be', async () => {
  const { breaker } = aBreaker()
  breaker.enter()
  await breaker.other(stored, NEVER)
  expect(breaker.enter()).toBeNull()
})

test('a refused write is retried until it succeeds, its answer is kept, and no call is made meanwhile', async () => {
  const { breaker, failures } = await aProvedBreaker()
  const { write, tried, fail, succeed } = aWrite()
  const result = breaker.answer(write, NEVER)
  for (let i = 0; i < 6; i++) {
    await tried()
    expect(breaker.failing() === null).toBe(i === 0)
    fail(away(`attempt ${i}`))
  }
  await tried()
  expect(breaker.failing()).toMatchObject({ since: SENT, error: { message: 'attempt 5' } })
  expect(breaker.enter()).toBeNull()
  succeed()
  expect(await result).toBe('stored')
  expect(failures).toHaveLength(6)
  expect([breaker.failing(), breaker.enter() === null, breaker.enter() === null]).toEqual([null, false, false])
})

test('"since" is when the first write failed', async () => {
  const { breaker, wait } = await aProvedBreaker()
  const { write, tried, fail } = aWrite()
  const stop = new AbortController()
  const result = expect(breaker.answer(write, stop.signal)).rejects.toThrow('closing')
  for (let i = 0; i < 3; i++) {
    await tried()
    wait(60_000)
    fail()
  }
  await tried()
  expect(breaker.failing()?.since).toEqual(new Date(SENT.getTime() + 60_000))
  stop.abort(new Error('closing'))
  fail()
  await result
})

test('while an answer waits to be stored, an end that is stored allows no call', async () => {
  const { breaker } = await aProvedBreaker()
  const { write, tried, fail, succeed } = aWrite()
  const result = breaker.answer(write, NEVER)
  await tried()
  fail(new TrackerError('NOT_PERMITTED', 'no right to insert into delivery_poll'))
  await tried()
  await breaker.other(stored, NEVER)
  expect([breaker.failing() === null, breaker.enter()]).toEqual([false, null])
  succeed()
  await result
  expect(breaker.enter()).not.toBeNull()
})

test('an end that cannot be stored is retried too, and allows no call; once it is stored all go on', async () => {
  const { breaker } = await aProvedBreaker()
  const { write, tried, fail, succeed } = aWrite()
  const result = breaker.other(write, NEVER)
  await tried()
  fail()
  await tried()
  expect([breaker.failing() === null, breaker.enter()]).toEqual([false, null])
  succeed()
  expect(await result).toBe('stored')
  expect([breaker.failing(), breaker.enter() === null]).toEqual([null, false])
})

test("an error that is the row's own is thrown at once; the database works, and the next poll finds out", async () => {
  const { breaker, failures } = await aProvedBreaker()
  await expect(breaker.answer(() => Promise.reject(new RangeError('value out of range')), NEVER)).rejects.toThrow('value out of range')
  expect([failures, breaker.failing()]).toEqual([[], null])
  const leave = breaker.enter()
  expect([leave === null, breaker.enter()]).toEqual([false, null])
  await breaker.answer(stored, NEVER)
  leave?.()
  expect([breaker.enter() === null, breaker.enter() === null]).toEqual([false, false])
})

test('a row error after another failure does not leave the breaker open for ever', async () => {
  const { breaker } = await aProvedBreaker()
  const { write, tried, fail } = aWrite()
  const result = expect(breaker.answer(write, NEVER)).rejects.toThrow('value out of range')
  await tried()
  fail()
  await tried()
  fail(new RangeError('value out of range'))
  await result
  expect([breaker.failing(), breaker.enter() === null]).toEqual([null, false])
})

test('three answers in a row that are refused for themselves are no longer the fault of a row: calls wait, ever longer, for one to be stored', async () => {
  const { breaker, wait } = await aProvedBreaker()
  const refuse = () =>
    expect(breaker.answer(() => Promise.reject(new Error('a trigger refuses')), NEVER)).rejects.toThrow('a trigger refuses')
  for (let i = 0; i < 3; i++) await refuse()
  expect(breaker.failing()).toMatchObject({ since: SENT, error: { message: 'a trigger refuses' } })
  for (const pauseMs of [1, 2, 4, 8, 16, 32, 64, 64].map((times) => times * MAX_PAUSE_MS)) {
    wait(pauseMs - 1)
    expect(breaker.enter()).toBeNull()
    wait(1)
    const leave = breaker.enter()
    expect([leave === null, breaker.enter()]).toEqual([false, null])
    await refuse()
    leave?.()
  }
  wait(64 * MAX_PAUSE_MS)
  breaker.enter()
  await breaker.answer(stored, NEVER)
  expect([breaker.failing(), breaker.enter() === null]).toEqual([null, false])
})

test('an aborted wait throws the reason of the signal, and leaves no listener', async () => {
  const { breaker } = aBreaker()
  const stop = new AbortController()
  const { write, tried, fail } = aWrite()
  const result = expect(breaker.answer(write, stop.signal)).rejects.toThrow('closing')
  for (let i = 0; i < 4; i++) {
    await tried()
    fail()
  }
  await tried()
  stop.abort(new Error('closing'))
  fail()
  await result
  expect(getEventListeners(stop.signal, 'abort')).toEqual([])
})

test('an abort ends a wait that is under way', async () => {
  const stop = new AbortController()
  const breaker = createWriteBreaker({
    ...{ now: () => SENT, pauseMs: 3_600_000 },
    onFailed: () => queueMicrotask(() => queueMicrotask(() => stop.abort(new Error('closing')))),
  })
  await expect(breaker.answer(() => Promise.reject(away()), stop.signal)).rejects.toThrow('closing')
  expect(getEventListeners(stop.signal, 'abort')).toEqual([])
})
