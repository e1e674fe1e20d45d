import { expect, test } from 'vitest'
import { createWorkerScope, type ProbeRequest } from '../../src/polling/worker-scope.ts'
import { aProblem, aRegistry, minutesLater, notes, SENT, TIMING } from './support.ts'

const ORDINARY: ProbeRequest = { resumedAt: null, isFinal: false }
const FINAL: ProbeRequest = { resumedAt: null, isFinal: true }
const REFUSED = aProblem('60020', 'request ip=203.0.113.7')

function aWorker({ served = false } = {}) {
  const clock = { now: SENT }
  const registry = aRegistry({ served })
  const events = notes()
  const worker = createWorkerScope({
    ...{ workerId: 'w1', apps: ['default', 'other'], registry, timing: TIMING, now: () => clock.now, events },
    ...{ heartbeatMs: 10_000, probeLeaseMs: 60_000 },
  })
  const at = (minutes: number): void => {
    clock.now = minutesLater(minutes)
  }
  return { worker, registry, events, at }
}

test('a worker polls every app until a poll shows that it cannot', async () => {
  const { worker } = aWorker()
  expect([worker.findBlock('default', ORDINARY), worker.claimProbe('default', ORDINARY)]).toEqual([null, true])
  await worker.recordFailure('default', REFUSED)
  expect(worker.findBlock('default', ORDINARY)).toEqual({ problem: REFUSED, until: minutesLater(1), isDue: false })
  expect(worker.findBlock('other', ORDINARY)).toBeNull()
})

test('it is probed after 1, 5 and 15 minutes, and then every quarter of an hour; one poll makes the probe', async () => {
  const { worker, at } = aWorker()
  let minute = 0
  for (const wait of [1, 5, 15, 15]) {
    await worker.recordFailure('default', REFUSED)
    at(minute + wait - 0.01)
    expect([worker.findBlock('default', ORDINARY)?.isDue, worker.claimProbe('default', ORDINARY)]).toEqual([false, false])
    minute += wait
    at(minute)
    expect(worker.findBlock('default', ORDINARY)?.isDue).toBe(true)
    expect([worker.claimProbe('default', ORDINARY), worker.claimProbe('default', ORDINARY)]).toEqual([true, false])
    expect(worker.findBlock('default', ORDINARY)?.isDue).toBe(false)
  }
})

test('reading that a probe is due does not claim it', async () => {
  const { worker, at } = aWorker()
  await worker.recordFailure('default', REFUSED)
  at(1)
  for (let i = 0; i < 3; i++) expect(worker.findBlock('default', ORDINARY)?.isDue).toBe(true)
})

test('a probe whose answer never comes keeps the others out for its lease', async () => {
  const { worker, at } = aWorker()
  await worker.recordFailure('default', REFUSED)
  at(1)
  worker.claimProbe('default', ORDINARY)
  expect(worker.findBlock('default', ORDINARY)).toMatchObject({ isDue: false, until: minutesLater(2) })
  at(2)
  expect(worker.claimProbe('default', ORDINARY)).toBe(true)
})

test('a final poll does not wait for a probe that is far away, but no more than one a minute does so', async () => {
  const { worker, at } = aWorker()
  for (let i = 0; i < 3; i++) await worker.recordFailure('default', REFUSED)
  expect(worker.findBlock('default', FINAL)).toMatchObject({ isDue: false, until: minutesLater(15) })
  at(1)
  expect([worker.findBlock('default', ORDINARY)?.isDue, worker.findBlock('default', FINAL)?.isDue]).toEqual([false, true])
  expect([worker.claimProbe('default', ORDINARY), worker.claimProbe('default', FINAL), worker.claimProbe('default', FINAL)]).toEqual([
    false,
    true,
    false,
  ])
})

test('after the pauses of the app were lifted by hand it is probed at once, once', async () => {
  const { worker, at } = aWorker()
  await worker.recordFailure('default', REFUSED)
  at(0.5)
  const resumed: ProbeRequest = { resumedAt: minutesLater(0.5), isFinal: false }
  expect(worker.claimProbe('default', { resumedAt: minutesLater(-10), isFinal: false })).toBe(false)
  at(0.6)
  expect([worker.claimProbe('default', resumed), worker.claimProbe('default', resumed)]).toEqual([true, false])
  await worker.recordFailure('default', REFUSED)
  expect(worker.findBlock('default', resumed)?.isDue).toBe(false)
})

test('a success lifts it, brings the waiting tasks of the app forward, and is said once', async () => {
  const { worker, registry, events } = aWorker()
  await worker.recordFailure('default', REFUSED)
  await worker.recordSuccess('default')
  await worker.recordSuccess('default')
  expect(worker.findBlock('default', ORDINARY)).toBeNull()
  expect(registry.calls).toEqual(['heartbeat default for 30000', 'heartbeat  for 30000', 'resume default'])
  expect(events.lines).toEqual(['paused default: ip_not_allowed', 'recovered default'])
})

test('where nothing was wrong a success costs no statement', async () => {
  const { worker, registry } = aWorker()
  await worker.recordSuccess('default')
  expect(registry.calls).toEqual([])
})

test('the same problem is said once, another one again; it counts from the first', async () => {
  const { worker, events, at } = aWorker()
  await worker.recordFailure('default', REFUSED)
  at(1)
  await worker.recordFailure('default', REFUSED)
  at(6)
  await worker.recordFailure('default', aProblem('40096'))
  expect(events.lines).toEqual(['paused default: ip_not_allowed', 'paused default: credentials'])
  expect(worker.problems()).toEqual({ default: { ...aProblem('40096'), since: SENT.toISOString() } })
})

test('the heartbeat has the problems of the worker, and the end removes it', async () => {
  const { worker, registry } = aWorker()
  await worker.heartbeat()
  await worker.recordFailure('other', REFUSED)
  await worker.close()
  expect(registry.calls).toEqual(['heartbeat  for 30000', 'heartbeat other for 30000', 'remove w1'])
})

test('whether others poll the app is asked once for all tasks that wait, for each app', async () => {
  const { worker, registry } = aWorker({ served: true })
  expect(await Promise.all(['default', 'default', 'other'].map((app) => worker.isServedByOthers(app)))).toEqual([true, true, true])
  expect(registry.calls).toEqual(['served default?', 'served other?'])
})
