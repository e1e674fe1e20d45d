import { expect, test } from 'vitest'
import { createWorkerScope, type PollWish } from '../../src/polling/worker-scope.ts'
import { aBook, aProblem, minutesLater, notes, SENT, TIMING } from './support.ts'

const ORDINARY: PollWish = { resumedAt: null, isFinal: false }
const FINAL: PollWish = { resumedAt: null, isFinal: true }
const REFUSED = aProblem('60020', 'request ip=203.0.113.7')

function aWorker({ served = false } = {}) {
  const clock = { now: SENT }
  const book = aBook({ served })
  const events = notes()
  const worker = createWorkerScope({
    ...{ workerId: 'w1', apps: ['default', 'other'], book, timing: TIMING, now: () => clock.now, events },
    ...{ beatEveryMs: 10_000, probeLeaseMs: 60_000 },
  })
  const at = (minutes: number): void => {
    clock.now = minutesLater(minutes)
  }
  return { worker, book, events, at }
}

test('a worker polls every app until a poll shows that it cannot', async () => {
  const { worker } = aWorker()
  expect([worker.hold('default', ORDINARY), worker.claimProbe('default', ORDINARY)]).toEqual([null, true])
  await worker.failed('default', REFUSED)
  expect(worker.hold('default', ORDINARY)).toEqual({ problem: REFUSED, until: minutesLater(1), isDue: false })
  expect(worker.hold('other', ORDINARY)).toBeNull()
})

test('it is probed after 1, 5 and 15 minutes, and then every quarter of an hour; one poll makes the probe', async () => {
  const { worker, at } = aWorker()
  let minute = 0
  for (const wait of [1, 5, 15, 15]) {
    await worker.failed('default', REFUSED)
    at(minute + wait - 0.01)
    expect([worker.hold('default', ORDINARY)?.isDue, worker.claimProbe('default', ORDINARY)]).toEqual([false, false])
    minute += wait
    at(minute)
    expect(worker.hold('default', ORDINARY)?.isDue).toBe(true)
    expect([worker.claimProbe('default', ORDINARY), worker.claimProbe('default', ORDINARY)]).toEqual([true, false])
    expect(worker.hold('default', ORDINARY)?.isDue).toBe(false)
  }
})

test('that a probe is due is not claimed by looking', async () => {
  const { worker, at } = aWorker()
  await worker.failed('default', REFUSED)
  at(1)
  for (let i = 0; i < 3; i++) expect(worker.hold('default', ORDINARY)?.isDue).toBe(true)
})

test('a probe whose answer never comes keeps the others out for its lease', async () => {
  const { worker, at } = aWorker()
  await worker.failed('default', REFUSED)
  at(1)
  worker.claimProbe('default', ORDINARY)
  expect(worker.hold('default', ORDINARY)).toMatchObject({ isDue: false, until: minutesLater(2) })
  at(2)
  expect(worker.claimProbe('default', ORDINARY)).toBe(true)
})

test('a final poll does not wait for a probe that is far away, but no more than one a minute does so', async () => {
  const { worker, at } = aWorker()
  for (let i = 0; i < 3; i++) await worker.failed('default', REFUSED)
  expect(worker.hold('default', FINAL)).toMatchObject({ isDue: false, until: minutesLater(15) })
  at(1)
  expect([worker.hold('default', ORDINARY)?.isDue, worker.hold('default', FINAL)?.isDue]).toEqual([false, true])
  expect([worker.claimProbe('default', ORDINARY), worker.claimProbe('default', FINAL), worker.claimProbe('default', FINAL)]).toEqual([
    false,
    true,
    false,
  ])
})

test('after somebody has lifted the pauses of the app it is probed at once, once', async () => {
  const { worker, at } = aWorker()
  await worker.failed('default', REFUSED)
  at(0.5)
  const resumed: PollWish = { resumedAt: minutesLater(0.5), isFinal: false }
  expect(worker.claimProbe('default', { resumedAt: minutesLater(-10), isFinal: false })).toBe(false)
  at(0.6)
  expect([worker.claimProbe('default', resumed), worker.claimProbe('default', resumed)]).toEqual([true, false])
  await worker.failed('default', REFUSED)
  expect(worker.hold('default', resumed)?.isDue).toBe(false)
})

test('a success lifts it, brings the waiting tasks of the app forward, and is said once', async () => {
  const { worker, book, events } = aWorker()
  await worker.failed('default', REFUSED)
  await worker.succeeded('default')
  await worker.succeeded('default')
  expect(worker.hold('default', ORDINARY)).toBeNull()
  expect(book.calls).toEqual(['seen default for 30000', 'seen  for 30000', 'recovered default'])
  expect(events.lines).toEqual(['paused default: ip_not_allowed', 'recovered default'])
})

test('where nothing was wrong a success costs no statement', async () => {
  const { worker, book } = aWorker()
  await worker.succeeded('default')
  expect(book.calls).toEqual([])
})

test('the same problem is said once, another one again; it counts from the first', async () => {
  const { worker, events, at } = aWorker()
  await worker.failed('default', REFUSED)
  at(1)
  await worker.failed('default', REFUSED)
  at(6)
  await worker.failed('default', aProblem('40096'))
  expect(events.lines).toEqual(['paused default: ip_not_allowed', 'paused default: credentials'])
  expect(worker.problems()).toEqual({ default: { ...aProblem('40096'), since: SENT.toISOString() } })
})

test('other workers are told of the problem with the next sign of life, and of the end', async () => {
  const { worker, book } = aWorker()
  await worker.beat()
  await worker.failed('other', REFUSED)
  await worker.leave()
  expect(book.calls).toEqual(['seen  for 30000', 'seen other for 30000', 'gone w1'])
})

test('whether others poll the app is asked once for all tasks that wait, for each app', async () => {
  const { worker, book } = aWorker({ served: true })
  expect(await Promise.all(['default', 'default', 'other'].map((app) => worker.isServedByOthers(app)))).toEqual([true, true, true])
  expect(book.calls).toEqual(['served default?', 'served other?'])
})
