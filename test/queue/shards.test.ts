import { randomBytes } from 'node:crypto'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import type { TaskKey } from '../../src/domain/delivery.ts'
import { createTracker } from '../../src/index.ts'
import { inspectQueues, inspectShards } from '../../src/queue/inspect-shards.ts'
import { type PollWorkers, startPollWorkers } from '../../src/queue/shard-workers.ts'
import { appQueues, consumedQueues, type OpenedQueues, openQueues, type ShardedAddress, shardOf } from '../../src/queue/shards.ts'
import { createPollTimers, jobIdOf } from '../../src/queue/timers.ts'
import type { PollWorkerOptions } from '../../src/queue/worker.ts'
import { deferred } from '../support/deferred.ts'
import { describeRedis } from '../support/redis.ts'
import { startRedis } from '../support/redis-server.ts'
import { until } from '../support/wait.ts'
import { aForeignQueue, aWorker, storedJob } from './support.ts'

const now = (): Date => new Date()
const APPS = Array.from({ length: 12 }, (_, i) => `org-${i}`)
const HOUR_MS = 3_600_000

const anAddress = (shards: number, url = inject('redisUrl') ?? 'no redis'): ShardedAddress => ({
  ...{ url, name: `queue-${randomBytes(6).toString('hex')}`, prefix: 'bull', shards },
})

function queuesAt(address: ShardedAddress): OpenedQueues {
  const queues = openQueues(address, 'producer', () => undefined)
  onTestFinished(() => queues.close())
  return queues
}

/** One timer an app, due in so many milliseconds. */
async function setTimers(address: ShardedAddress, inMs: number, apps: readonly string[] = APPS): Promise<void> {
  const timers = apps.map((app) => ({
    ...{ key: { app, taskId: '7' }, deadlineAt: new Date(Date.now() + HOUR_MS) },
    poll: { at: new Date(Date.now() + inMs), last: false },
  }))
  await createPollTimers(queuesAt(address).it, now).set(timers)
}

function aSharded(address: ShardedAddress, options: Partial<PollWorkerOptions> = {}): PollWorkers {
  const workers = startPollWorkers({
    queues: queuesAt(address),
    ...{ concurrency: 6, lockMs: 5_000, now, track: async () => undefined, poll: async () => ({ kind: 'done' as const }) },
    events: { failed: () => undefined, lock: () => undefined },
    ...options,
  })
  onTestFinished(async () => {
    workers.abort()
    await workers.close()
  })
  return workers
}

/** Records polls, and snoozes each job for an hour, as a task between two polls. */
function recorder() {
  const polled: string[] = []
  const poll = async ({ app }: TaskKey) => {
    polled.push(app)
    return { kind: 'snooze' as const, until: { at: new Date(Date.now() + HOUR_MS), last: false } }
  }
  return { polled, poll }
}

const counts = (queues: OpenedQueues): Promise<number[]> => Promise.all(queues.each().map((queue) => queue.count()))

describe('the queue of an app', () => {
  test('is CRC-32 of its name modulo the number of queues: the check value of CRC-32, and what Python and PHP say', () => {
    expect(shardOf('123456789', 2 ** 32)).toBe(0xcb_f4_39_26)
    // python3 -c 'import zlib; print([zlib.crc32(a.encode()) % 3 for a in ("default", "hr", "org-1")])'
    expect(['default', 'hr', 'org-1'].map((app) => shardOf(app, 3))).toEqual(PYTHON)
    expect(APPS.map((app) => shardOf(app, 1))).toEqual(APPS.map(() => 0))
  })

  test('has a number after the name, and one of the servers in turn', () => {
    const address = { url: 'redis://one redis://two', name: 'q', prefix: 'bull', shards: 3 }
    expect(appQueues(address).map(({ url, name }) => [url, name])).toEqual([
      ['redis://one', 'q-0'],
      ['redis://two', 'q-1'],
      ['redis://one', 'q-2'],
    ])
    expect(consumedQueues(address).at(-1)).toMatchObject({ url: 'redis://one', name: 'q' })
    expect(consumedQueues({ url: 'redis://one', name: 'q', prefix: 'bull' })).toMatchObject([{ url: 'redis://one', name: 'q' }])
  })

  test('is near to even for many apps', () => {
    const perQueue = [0, 0, 0, 0, 0, 0, 0, 0]
    for (let i = 0; i < 8_000; i++) {
      const shard = shardOf(`ding${(i * 7_919).toString(16)}`, 8)
      perQueue[shard] = (perQueue[shard] ?? 0) + 1
    }
    expect(Math.max(...perQueue) / Math.min(...perQueue)).toBeLessThan(1.2)
  })
})

const PYTHON = [1, 1, 2]

describeRedis('several queues', () => {
  test('from one queue to three: each timer fires once, and is in the queue of its app afterwards', async () => {
    const one = anAddress(1)
    await setTimers(one, 0)
    const three = { ...one, shards: 3 }
    const { polled, poll } = recorder()
    aSharded(three, { poll })
    const queues = queuesAt(three)
    await until(async () => polled.length >= APPS.length && (await counts(queues)).reduce((a, b) => a + b) === APPS.length, {
      what: 'all polls are made and snoozed',
    })
    expect(polled.toSorted()).toEqual(APPS.toSorted())
    const expected = [0, 1, 2].map((shard) => APPS.filter((app) => shardOf(app, 3) === shard).length)
    expect(await counts(queues)).toEqual([...expected, 0])
    expect(Math.min(...expected), 'each queue has apps').toBeGreaterThan(0)
  })

  test('and back: what three queues had is taken over by a worker of one, requests too, and each timer fires once', async () => {
    const three = anAddress(3)
    await setTimers(three, 0)
    await aForeignQueue({ ...three, name: `${three.name}-2` }).add('track', { taskId: '9', app: 'any' })
    const one = { ...three, shards: 1 }
    const { polled, poll } = recorder()
    const tracked: string[] = []
    const worker = aSharded(one, { poll, track: async ({ taskId }) => void tracked.push(taskId) })
    await worker.takeLeftovers()
    const plain = queuesAt(one)
    await until(async () => polled.length >= APPS.length && tracked.length === 1 && (await plain.it.count()) === APPS.length, {
      what: 'all are polled and snoozed, and the request is tracked',
    })
    expect(polled.toSorted()).toEqual(APPS.toSorted())
    expect(tracked).toEqual(['9'])
    expect(await plain.findLeftovers(), 'nothing is left').toEqual([])
    expect(worker.isRunning()).toBe(true)
    expect(worker.lastActiveAt()).not.toBeNull()
    expect(worker.locks()).toMatchObject({ lost: 0, lastLostAt: null })
  })

  test('a timer that waits in the old queue stays there until it is due; one that is in the new queue too fires once', async () => {
    const one = anAddress(1)
    await setTimers(one, HOUR_MS, ['later'])
    await setTimers(one, 0, ['twice'])
    const three = { ...one, shards: 3 }
    await setTimers(three, 0, ['twice'])
    const { polled, poll } = recorder()
    aSharded(three, { poll })
    const foreign = aForeignQueue(one)
    await until(async () => (await foreign.getJob(jobIdOf({ app: 'twice', taskId: '7' }))) === undefined, { what: 'it was handed over' })
    await until(
      async () => (await queuesAt(three).it.getJob(jobIdOf({ app: 'twice', taskId: '7' })))?.getState().then((s) => s === 'delayed'),
      {
        what: 'it is snoozed',
      },
    )
    expect(polled).toEqual(['twice'])
    expect(await foreign.getDelayedCount()).toBe(1)
  })

  test('a timer whose queue has it running is not given up: it may be on its way here', async () => {
    const one = anAddress(1)
    const two = { ...one, shards: 2 }
    const home = appQueues(two)[shardOf('org-0', 2)]
    if (home === undefined) throw new Error('each app has a queue')
    // A worker of two queues has it, and what it does about it is the test's to say.
    const taken = deferred()
    const released = deferred()
    await setTimers(two, 0, ['org-0'])
    let fired = 0
    aWorker(home, {
      async poll() {
        fired++
        taken.resolve()
        await released.promise
        return { kind: 'done' }
      },
    })
    await taken.promise
    await setTimers(one, 0, ['org-0'])
    const { polled, poll } = recorder()
    aSharded(two, { poll })
    const foreign = aForeignQueue(one)
    const id = jobIdOf({ app: 'org-0', taskId: '7' })
    await until(async () => (await storedJob(foreign, id))?.job.delay, { what: 'it waits' })
    released.resolve()
    await until(() => fired + polled.length === 2, { what: 'it was handed over, and fires' })
    await until(async () => (await foreign.getJob(id)) === undefined, { what: 'it has left' })
  })

  test('a lost timer is restored in the queue of its app', async () => {
    const three = anAddress(3)
    const queues = queuesAt(three)
    const timers = APPS.map((app) => ({
      ...{
        key: { app, taskId: '7' },
        deadlineAt: new Date(Date.now() + HOUR_MS),
        poll: { at: new Date(Date.now() + HOUR_MS), last: false },
      },
    }))
    const port = createPollTimers(queues.it, now)
    expect(await port.restore(timers)).toMatchObject({ added: APPS.length })
    expect(await port.restore(timers)).toMatchObject({ added: 0, moved: APPS.length })
    expect(await queues.it.count()).toBe(APPS.length)
  })

  test('a sender adds each task to the queue of its app, and workers take a request from any of the queues', async () => {
    const three = anAddress(3)
    const tracker = createTracker({ queueUrl: three.url, queueName: three.name, queueShards: 3 })
    onTestFinished(() => tracker.close())
    // A sender has two seconds, which a busy machine may not; tracking again is safe.
    const results = await until(() => tracker.trackMany(APPS.map((app, i) => ({ app, taskId: i + 1 }))), { what: 'all are tracked' })
    expect(results.map(({ app }) => app)).toEqual(APPS)
    const queues = queuesAt(three)
    expect(await counts(queues)).toEqual([...[0, 1, 2].map((shard) => APPS.filter((app) => shardOf(app, 3) === shard).length), 0])
    for (const name of [three.name, `${three.name}-0`, `${three.name}-1`, `${three.name}-2`])
      await aForeignQueue({ ...three, name }).add('track', { taskId: '99', app: name.slice(-1) })
    const tracked: string[] = []
    aSharded(three, { track: async ({ taskId }) => void tracked.push(taskId) })
    await until(() => tracked.length >= APPS.length + 4, { what: 'all are tracked' })
    expect(tracked.filter((id) => id === '99')).toHaveLength(4)
  })

  test('two servers: each has its queues, doctor names them, and a sender hears of the one that is away what the other took', async () => {
    const [first, second] = [await startRedis(), await startRedis()]
    onTestFinished(() => first.stop())
    onTestFinished(() => second.stop())
    const address = anAddress(2, `${first.url} ${second.url}`)
    await setTimers(address, 0)
    const { polled, poll } = recorder()
    aSharded(address, { poll })
    await until(() => polled.length >= APPS.length, { what: 'all polls are made' })
    expect(polled.toSorted()).toEqual(APPS.toSorted())
    const queues = queuesAt(address)
    await queues.it.waitUntilReady()
    expect(await queues.it.serverInfo()).toHaveLength(2)
    const names = (await inspectQueues(address)).map(({ name }) => name)
    expect(names.filter((name) => name.startsWith('queue,'))).toEqual(['queue, server 1', 'queue, server 2'])
    const tracker = createTracker({ queueUrl: address.url, queueName: address.name, queueShards: 2 })
    onTestFinished(() => tracker.close())
    await until(() => tracker.trackMany(APPS.map((app) => ({ app, taskId: '1' }))), { what: 'both servers are reached' })
    await second.kill('SIGKILL')
    const there = APPS.filter((app) => shardOf(app, 2) === 0)
    const trackAgain = () => tracker.trackMany(APPS.map((app) => ({ app, taskId: '2' }))).catch((error: unknown) => error)
    const expected = { code: 'QUEUE_UNAVAILABLE', taken: there.map((app) => ({ app })) }
    await until(async () => expect(await trackAgain()).toMatchObject(expected) ?? true, { what: 'what the other server took is known' })
  })

  test('doctor shows how many jobs each queue has, and which were left behind', async () => {
    const three = anAddress(3)
    await setTimers(three, HOUR_MS)
    const [shown] = await inspectShards(queuesAt(three))
    expect(shown?.detail).toMatch(new RegExp(`^jobs that wait or are delayed: ${three.name}-0 \\d+, ${three.name}-1 \\d+, `))
    expect(shown?.remedy).toBeUndefined()
    const [left] = await inspectShards(queuesAt({ ...three, shards: 1 }))
    expect(left?.detail).toContain(`left behind, with jobs: ${three.name}-0, ${three.name}-1, ${three.name}-2`)
    expect(await inspectShards(queuesAt(anAddress(1)))).toEqual([])
  })
})
