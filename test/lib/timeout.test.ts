import { expect, test } from 'vitest'
import { singleFlight } from '../../src/lib/single-flight.ts'
import { TimeoutError, withTimeout } from '../../src/lib/timeout.ts'

const NEVER = new Promise<never>(() => {})

test('what answers in time is passed on, a failure too', async () => {
  expect(await withTimeout(60_000, Promise.resolve('done'))).toBe('done')
  await expect(withTimeout(60_000, Promise.reject(new Error('refused')))).rejects.toThrow('refused')
})

test('what does not answer in time is rejected with the time, or with the error of the caller', async () => {
  await expect(withTimeout(1.6, NEVER)).rejects.toThrow(new TimeoutError('no answer within 2 ms'))
  await expect(withTimeout(-5, NEVER)).rejects.toThrow('no answer within 0 ms')
  await expect(withTimeout(1, NEVER, () => new RangeError('too late'))).rejects.toThrow(RangeError)
})

test('calls during a run share it, and the next call after a failure runs again', async () => {
  const runs: Array<PromiseWithResolvers<string>> = []
  const flight = singleFlight(() => {
    const run = resolvers<string>()
    runs.push(run)
    return run.promise
  })
  const [first, second] = [flight(), flight()]
  expect(runs).toHaveLength(1)
  runs[0]?.reject(new Error('away'))
  await expect(first).rejects.toThrow('away')
  await expect(second).rejects.toThrow('away')
  const third = flight()
  runs[1]?.resolve('here')
  expect(await third).toBe('here')
})

/** `Promise.withResolvers` came with Node 22. */
function resolvers<T>(): PromiseWithResolvers<T> {
  let resolve: (value: T | PromiseLike<T>) => void = () => {}
  let reject: (reason?: unknown) => void = () => {}
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}
