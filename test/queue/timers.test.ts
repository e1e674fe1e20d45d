import { describe, expect, test } from 'vitest'
import type { Timer } from '../../src/polling/ports.ts'
import type { QueueAddress } from '../../src/queue/connection.ts'
import { createPollTimers, jobIdOf, POLL_JOB, priorityOf } from '../../src/queue/timers.ts'
import { deferred } from '../support/deferred.ts'
import { until } from '../support/wait.ts'
import { addKept, aForeignQueue, aQueue, aWorker, describeQueues, failedJob, storedJob } from './support.ts'

const HOUR_MS = 3_600_000
const now = (): Date => new Date()

function timer(taskId: string, inMs = HOUR_MS, last = false, leftMs = HOUR_MS): Timer {
  const at = new Date(Date.now() + inMs)
  return { key: { app: 'default', taskId }, deadlineAt: new Date(at.getTime() + leftMs), poll: { at, last } }
}

const idOf = (taskId: string): string => jobIdOf({ app: 'default', taskId })

test.each(['256271667526', '9007199254740993123'])('the job id of task %s is not digits only and holds no colon', (taskId) => {
  expect(idOf(taskId)).toMatch(/^[^:]*[^:\d][^:]*$/)
})

test('tasks of different apps have different job ids', () => {
  expect(jobIdOf({ app: 'a', taskId: '1' })).not.toBe(jobIdOf({ app: 'b', taskId: '1' }))
})

describeQueues((backend) => {
  function aScene(address: QueueAddress = backend.address()) {
    return { address, queue: aForeignQueue(address), timers: createPollTimers(aQueue(address), now) }
  }

  test('a timer that is set twice is one job, and the first stays', async () => {
    const { queue, timers } = aScene()
    await timers.set([timer('1', HOUR_MS)])
    await timers.set([timer('1', 2 * HOUR_MS), timer('2')])
    expect(await queue.getJobCountByTypes('delayed')).toBe(2)
    const { job } = (await storedJob(queue, idOf('1'))) ?? {}
    expect(job?.delay).toBeGreaterThan(0.9 * HOUR_MS)
    expect(job?.delay).toBeLessThanOrEqual(HOUR_MS)
  })

  test('a job holds the app, the task id and the deadline, and nothing else', async () => {
    const { queue, timers } = aScene()
    const given = timer('9007199254740993123')
    await timers.set([given])
    const stored = await storedJob(queue, idOf('9007199254740993123'))
    expect(stored?.job.data).toEqual({ app: 'default', taskId: '9007199254740993123', deadlineAt: given.deadlineAt.getTime() })
    expect(stored?.job.name).toBe(POLL_JOB)
    expect(stored?.state).toBe('delayed')
  })

  test('nothing to set is nothing to do', async () => {
    const { queue, timers } = aScene()
    await timers.set([])
    expect(await timers.restore([])).toEqual({ added: 0, replaced: 0, moved: 0, left: 0 })
    expect(await queue.getJobCountByTypes('delayed', 'waiting', 'prioritized')).toBe(0)
  })

  test('a poll that is due waits at once', async () => {
    const { queue, timers } = aScene()
    await timers.set([timer('1', -HOUR_MS)])
    expect((await storedJob(queue, idOf('1')))?.state).toMatch(/waiting|prioritized/)
  })

  test('restore adds what is missing, more than one round of it', async () => {
    const { queue, timers } = aScene()
    const many = Array.from({ length: 120 }, (_, i) => timer(String(i + 1)))
    expect(await timers.restore(many)).toEqual({ added: 120, replaced: 0, moved: 0, left: 0 })
    expect(await queue.getJobCountByTypes('delayed')).toBe(120)
  })

  test('restore replaces a failed job that still holds the id', async () => {
    const { address, queue, timers } = aScene()
    await addKept(queue, 'nonsense', {}, idOf('1'))
    const worker = aWorker(address)
    await failedJob(queue, idOf('1'))
    await worker.close()
    await timers.set([timer('1')])
    expect((await storedJob(queue, idOf('1')))?.state, 'BullMQ swallows the new job without a word').toBe('failed')
    expect(await timers.restore([timer('1')])).toMatchObject({ replaced: 1 })
    const stored = await storedJob(queue, idOf('1'))
    expect([stored?.state, stored?.job.name]).toEqual(['delayed', POLL_JOB])
  })

  test('restore replaces a completed job that still holds the id', async () => {
    const { address, queue, timers } = aScene()
    await addKept(queue, POLL_JOB, { app: 'default', taskId: '1' }, idOf('1'))
    const worker = aWorker(address)
    await until(async () => (await storedJob(queue, idOf('1')))?.state === 'completed', { what: 'the job is completed' })
    await worker.close()
    expect(await timers.restore([timer('1')])).toMatchObject({ replaced: 1 })
    expect((await storedJob(queue, idOf('1')))?.state).toBe('delayed')
  })

  test('restore moves a job that is delayed too long', async () => {
    const { address, queue, timers } = aScene()
    await timers.set([timer('1', 20 * HOUR_MS), timer('2', 20 * HOUR_MS)])
    expect(await timers.restore([timer('1', -1_000), timer('2', HOUR_MS)])).toEqual({ added: 0, replaced: 0, moved: 2, left: 0 })
    const moved = await storedJob(queue, idOf('2'))
    expect(moved?.job.delay).toBeLessThanOrEqual(HOUR_MS)
    const fired: string[] = []
    aWorker(address, { poll: async ({ taskId }) => (fired.push(taskId), { kind: 'done' }) })
    await until(() => fired.includes('1'), { what: 'the moved job fires' })
    expect(fired).toEqual(['1'])
  })

  test('restore leaves a job that waits', async () => {
    const { queue, timers } = aScene()
    await timers.set([timer('1', 0)])
    expect(await timers.restore([timer('1', -1_000)])).toEqual({ added: 0, replaced: 0, moved: 0, left: 1 })
    expect(await queue.getJobCountByTypes('waiting', 'prioritized')).toBe(1)
  })

  test('restore leaves a job that runs', async () => {
    const { address, timers } = aScene()
    await timers.set([timer('1', 0)])
    const held = deferred()
    let polls = 0
    aWorker(address, { poll: async () => (polls++, await held.promise, { kind: 'done' }) })
    await until(() => polls === 1, { what: 'the poll runs' })
    expect(await timers.restore([timer('1', -1_000)])).toMatchObject({ left: 1 })
    held.resolve()
  })

  test('a final poll overtakes 500 ordinary ones that wait', async () => {
    const { address, timers } = aScene()
    await timers.set(Array.from({ length: 500 }, (_, i) => timer(String(i + 1), 0)))
    await timers.set([timer('9999', 0, true)])
    const order: string[] = []
    aWorker(address, { concurrency: 1, poll: async ({ taskId }) => (order.push(taskId), { kind: 'done' }) })
    await until(() => order.length > 0, { what: 'a poll' })
    expect(order[0]).toBe('9999')
  })

  test('a poll that becomes the final one while it is delayed overtakes the others too', async () => {
    const { address, timers } = aScene()
    await timers.set([timer('9999', 0)])
    const at = new Date(Date.now() + 50)
    const first = aWorker(address, { poll: async () => ({ kind: 'snooze', until: { at, last: true } }) })
    const queue = aForeignQueue(address)
    await until(async () => (await storedJob(queue, idOf('9999')))?.state === 'delayed', { what: 'the job is delayed' })
    await first.close()
    await until(() => Date.now() > at.getTime() + 10, { what: 'it is due' })
    await timers.set(Array.from({ length: 50 }, (_, i) => timer(String(i + 1), 0)))
    // Delayed and due: the worker promotes it before it takes the next job, or right after the first.
    const order: string[] = []
    aWorker(address, { concurrency: 1, poll: async ({ taskId }) => (order.push(taskId), { kind: 'done' }) })
    await until(() => order.length > 5, { what: 'polls' })
    expect(order.slice(0, 3)).toContain('9999')
  })

  test('of many polls that are due the nearest deadline goes first, also where it came near while the job was delayed', async () => {
    const { address, timers } = aScene()
    await timers.set([timer('9998', 0, false, 40 * 60_000)])
    const at = new Date(Date.now() + 30 * 60_000)
    const first = aWorker(address, { poll: async () => ({ kind: 'snooze', until: { at, last: false } }) })
    const queue = aForeignQueue(address)
    await until(async () => (await storedJob(queue, idOf('9998')))?.state === 'delayed', { what: 'the job is delayed' })
    await first.close()
    await timers.restore([timer('9998', 0)])
    await timers.set([...Array.from({ length: 50 }, (_, i) => timer(String(i + 1), 0, false, 20 * HOUR_MS)), timer('9999', 0)])
    const order: string[] = []
    aWorker(address, { concurrency: 1, poll: async ({ taskId }) => (order.push(taskId), { kind: 'done' }) })
    await until(() => order.length > 5, { what: 'polls' })
    expect(order.slice(0, 2)).toEqual(['9998', '9999'])
  })
})

describe('priorities', () => {
  const at = new Date()
  const priority = (minutesLeft: number, last = false): number => priorityOf({ at, last }, at.getTime() + minutesLeft * 60_000)

  test('a final poll goes before all others, however much time is left', () => {
    expect(priority(12, true)).toBeLessThan(priority(0))
    expect(priority(12, true)).toBeLessThan(priority(-5))
  })

  test('the less time a task has left when its poll is due, the earlier it goes', () => {
    const priorities = [0, 1, 3, 7, 15, 60, 120, 360, 720, 1_437].map((minutes) => priority(minutes))
    expect(priorities).toEqual([2, 3, 4, 5, 6, 7, 8, 10, 11, 12])
  })
})
