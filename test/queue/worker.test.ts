import { Redis } from 'ioredis'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import type { TrackRequest } from '../../src/intake/track-request.ts'
import type { QueueAddress } from '../../src/queue/connection.ts'
import { createPollTimers, jobIdOf } from '../../src/queue/timers.ts'
import { TRACK_JOB } from '../../src/queue/worker.ts'
import { deferred } from '../support/deferred.ts'
import { until } from '../support/wait.ts'
import { addKept, aForeignQueue, aQueue, aWorker, describeQueues, failedJob, storedJob } from './support.ts'

const KEY = { app: 'default', taskId: '256271667526' }
const ID = jobIdOf(KEY)
const inMs = (ms: number): Date => new Date(Date.now() + ms)

describeQueues((backend) => {
  async function aTimer(address: QueueAddress): Promise<void> {
    await createPollTimers(aQueue(address), () => new Date()).set([
      { key: KEY, deadlineAt: inMs(3_600_000), poll: { at: new Date(), last: false } },
    ])
  }

  test('a job fires again at the time that its poll names, as often as it must, and no poll is an attempt', async () => {
    const address = backend.address()
    await aTimer(address)
    const queue = aForeignQueue(address)
    const polls: Array<{ taskId: string; early: boolean }> = []
    let due = new Date(0)
    aWorker(address, {
      poll: async ({ taskId }) => {
        polls.push({ taskId, early: Date.now() < due.getTime() - 1 })
        due = inMs(polls.length < 12 ? 20 : 3_600_000)
        return { kind: 'snooze', until: { at: due, last: false } }
      },
    })
    await until(async () => polls.length === 12 && (await storedJob(queue, ID))?.state === 'delayed', { what: '12 polls' })
    expect(polls).toEqual(polls.map(() => ({ taskId: KEY.taskId, early: false })))
    const stored = await storedJob(queue, ID)
    expect(stored?.job.attemptsMade).toBe(0)
    expect(stored?.job.delay).toBeGreaterThan(3_500_000)
  })

  test('a job that 0.1.0 made for a task is polled, and keeps its id until the task ends', async () => {
    const address = backend.address()
    const queue = aForeignQueue(address)
    const id = `look.${KEY.app}.${KEY.taskId}`
    await queue.add('look', { ...KEY, deadlineAt: inMs(3_600_000).getTime() }, { jobId: id, removeOnComplete: true })
    const polled: string[] = []
    aWorker(address, {
      poll: async ({ taskId }) => {
        polled.push(taskId)
        return polled.length === 1 ? { kind: 'snooze', until: { at: inMs(20), last: false } } : { kind: 'done' }
      },
    })
    await until(async () => polled.length === 2 && (await queue.getJob(id)) === undefined, { what: 'two polls, and the job is gone' })
    expect(polled).toEqual([KEY.taskId, KEY.taskId])
    expect(await queue.getFailedCount()).toBe(0)
  })

  test('a task that is over leaves no job', async () => {
    const address = backend.address()
    await aTimer(address)
    const queue = aForeignQueue(address)
    aWorker(address)
    await until(async () => (await queue.getJob(ID)) === undefined, { what: 'the job is gone' })
    expect(await queue.getJobCountByTypes('completed', 'failed', 'delayed', 'waiting', 'prioritized', 'active')).toBe(0)
  })

  test('a poll that fails is made again after a while, and the job never fails', async () => {
    const address = backend.address()
    await aTimer(address)
    const queue = aForeignQueue(address)
    const reported: unknown[] = []
    let polls = 0
    aWorker(address, {
      events: { lock: () => undefined, failed: ({ what }) => void reported.push(what) },
      poll: async () => {
        if (++polls < 2) throw new Error('the database is away')
        return { kind: 'snooze', until: { at: inMs(3_600_000), last: false } }
      },
    })
    await until(() => polls === 2, { what: 'the second poll' })
    await until(async () => (await storedJob(queue, ID))?.state === 'delayed', { what: 'the job is delayed' })
    expect(reported).toEqual(['job "poll", will be retried'])
    expect((await storedJob(queue, ID))?.job.attemptsMade).toBe(0)
    expect(await queue.getJobCountByTypes('failed')).toBe(0)
  })

  test.each([
    ['with an id of its own', 'payroll-7'],
    ['without an id', undefined],
  ])('a track job %s is stored and leaves no job', async (_name, jobId) => {
    const address = backend.address()
    const queue = aForeignQueue(address)
    const requests: TrackRequest[] = []
    aWorker(address, { track: async (request) => void requests.push(request) })
    const data = {
      taskId: '9007199254740993123',
      agentId: '836390886',
      userIds: ['036'],
      campaign: 'payroll-11',
      sentAt: '2026-11-23T09:00:00+08:00',
    }
    await queue.add(TRACK_JOB, data, jobId === undefined ? {} : { jobId })
    await until(async () => requests.length > 0 && (await queue.getJobCountByTypes('waiting', 'active', 'completed')) === 0, {
      what: 'the job is done',
    })
    expect(requests).toEqual([{ ...data, app: 'default', sentAt: new Date('2026-11-23T01:00:00Z') }])
  })

  test('a send without a time was sent when its job was added', async () => {
    const address = backend.address()
    const queue = aForeignQueue(address)
    const job = await queue.add(TRACK_JOB, { taskId: '1' }, { timestamp: Date.now() - 3_600_000 })
    const requests: TrackRequest[] = []
    aWorker(address, { track: async (request) => void requests.push(request) })
    await until(() => requests.length === 1, { what: 'the request' })
    expect(requests[0]).toMatchObject({ sentAt: null, assumedSentAt: new Date(job.timestamp) })
  })

  test('a track job that cannot be stored waits and is stored later', async () => {
    const address = backend.address()
    const queue = aForeignQueue(address)
    await addKept(queue, TRACK_JOB, { taskId: '1' }, 'mine')
    let tries = 0
    aWorker(address, {
      track: async () => {
        if (++tries < 2) throw new Error('the database is away')
      },
    })
    await until(async () => (await storedJob(queue, 'mine'))?.state === 'completed', { what: 'the job is done' })
    expect(tries).toBe(2)
  })

  test.each<[string, string, unknown, RegExp]>([
    ['malformed task id', TRACK_JOB, { taskId: 'abc' }, /^taskId must be a whole number/],
    ['unknown field', TRACK_JOB, { taskId: '1', userids: ['a'] }, /^Unknown field "userids"/],
    ['no object', TRACK_JOB, 'hello', /^A request to track must be an object/],
    ['101 users', TRACK_JOB, { taskId: '1', userIds: Array.from({ length: 101 }, (_, i) => `u${i}`) }, /^101 recipients in one task/],
    ['unknown name', 'trakc', { taskId: '1' }, /^A job named "trakc" is not known here/],
    ['poll without a task', 'poll', {}, /^taskId must be/],
  ])('a job with a mistake (%s) fails at once with its name and touches nothing', async (_name, name, data, reason) => {
    const address = backend.address()
    const queue = aForeignQueue(address)
    const touched: unknown[] = []
    await queue.add(name, data, { jobId: 'mine', attempts: 5 })
    aWorker(address, { poll: async (key) => (touched.push(key), { kind: 'done' }), track: async (request) => void touched.push(request) })
    const job = await failedJob(queue, 'mine')
    expect(job.failedReason).toMatch(reason)
    expect(job.attemptsMade).toBe(1)
    expect(touched).toEqual([])
  })

  test('one worker makes as many polls at once as its concurrency allows, without a warning of Node', async () => {
    const address = backend.address()
    const warnings: string[] = []
    const warn = (warning: Error): void => void warnings.push(String(warning))
    process.on('warning', warn)
    const timers = createPollTimers(aQueue(address), () => new Date())
    await timers.set(
      Array.from({ length: 40 }, (_, i) => ({
        key: { app: 'default', taskId: String(i + 1) },
        deadlineAt: inMs(3_600_000),
        poll: { at: new Date(), last: false },
      })),
    )
    const held = deferred()
    let [running, most] = [0, 0]
    aWorker(address, {
      concurrency: 30,
      poll: async (_key, signal) => {
        signal.addEventListener('abort', () => undefined)
        most = Math.max(most, ++running)
        await held.promise
        running--
        return { kind: 'done' }
      },
    })
    await until(() => running === 30, { what: '30 polls run' })
    held.resolve()
    await until(() => running === 0, { what: 'they end' })
    process.off('warning', warn)
    expect(most).toBe(30)
    expect(warnings).toEqual([])
  })

  test('closing waits for the poll that runs, and the timer is set before it ends', async () => {
    const address = backend.address()
    await aTimer(address)
    const queue = aForeignQueue(address)
    const [begun, held] = [deferred(), deferred()]
    const worker = aWorker(address, {
      poll: async () => {
        begun.resolve()
        await held.promise
        return { kind: 'snooze', until: { at: inMs(3_600_000), last: false } }
      },
    })
    await begun.promise
    let closed = false
    const closing = worker.close().then(() => {
      closed = true
    })
    expect((await storedJob(queue, ID))?.state).toBe('active')
    expect(closed).toBe(false)
    held.resolve()
    await closing
    expect((await storedJob(queue, ID))?.state).toBe('delayed')
    expect(worker.isRunning()).toBe(false)
  })

  test.each([{ kind: 'done' as const }, { kind: 'snooze' as const, until: { at: inMs(3_600_000), last: false } }])(
    'a lock that was lost during the poll is reported once, whatever its result is ($kind)',
    async (result) => {
      const address = backend.address()
      await aTimer(address)
      const reported: string[] = []
      const worker = aWorker(address, {
        events: { failed: () => undefined, lock: ({ kind, jobId }) => void reported.push(`${kind} ${jobId}`) },
        poll: async () => {
          await takeLock(address)
          return result
        },
      })
      await until(() => reported.length > 0, { what: 'it is reported' })
      await worker.close()
      expect(reported).toEqual([`lost ${ID}`])
      expect(worker.locks()).toMatchObject({ lost: 1, found: 0, lastLostAt: expect.any(Date) })
    },
  )

  test('a poll that is aborted fires again soon, not only when its lock runs out', async () => {
    const address = backend.address()
    await aTimer(address)
    const queue = aForeignQueue(address)
    const begun = deferred()
    const worker = aWorker(address, {
      lockMs: 60_000,
      poll: (_key, signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
          begun.resolve()
        }),
    })
    await begun.promise
    const closing = worker.close()
    worker.abort()
    await closing
    expect((await storedJob(queue, ID))?.state).toBe('delayed')
  })
})

/** As another worker does that finds the lock run out. */
async function takeLock({ url, name, prefix }: QueueAddress): Promise<void> {
  if (url.startsWith('redis')) {
    const redis = new Redis(url)
    await redis.del(`${prefix}:${name}:${ID}:lock`)
    return redis.disconnect()
  }
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query("UPDATE bullmq.job SET lock_token = 'other' WHERE queue = $1 AND id = $2", [name, ID])
  await client.end()
}
