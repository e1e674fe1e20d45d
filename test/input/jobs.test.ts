import { Redis } from 'ioredis'
import { expect, onTestFinished, test } from 'vitest'
import { aForeignQueue, aWorker, describeQueues } from '../queue/support.ts'
import { until } from '../support/wait.ts'
import { HOSTILE_TEXTS } from './support/values.ts'

const NAMES = [
  ...HOSTILE_TEXTS.filter((text) => text.length < 1_000),
  'Track',
  'track ',
  'poll.default.1',
  `${'x'.repeat(79)}😀😀`,
  `${'x'.repeat(78)}😀😀`,
]
/** BullMQ itself takes no id of digits, and none with a colon. */
const IDS = [
  '__proto__',
  'constructor',
  'a b',
  '{tag}',
  '../x',
  "'; DROP TABLE job; --",
  '消息😀',
  'x'.repeat(1_000),
  'poll.default.999',
  'track.default.999',
  '%s',
  '*',
  'a\nb',
]

describeQueues((backend) => {
  test('no name, id or option of a job stops the others', async () => {
    const address = backend.address()
    const queue = aForeignQueue(address)
    const trouble: string[] = []
    const tracked: string[] = []
    const polled: string[] = []
    const worker = aWorker(address, {
      track: async ({ taskId }) => void tracked.push(taskId),
      poll: async ({ taskId }) => {
        polled.push(taskId)
        return { kind: 'done' }
      },
      events: {
        lock: () => undefined,
        failed: ({ what, error }) => void (what.startsWith('a job was refused') ? null : trouble.push(`${what}: ${String(error)}`)),
      },
    })
    let refused = 0
    // What the backend itself does not take, it tells the sender.
    const add = async (name: string, data: unknown, options: object): Promise<void> => {
      const isTaken = await queue.add(name, data, options).then(
        () => true,
        () => false,
      )
      if (isTaken) refused++
    }
    await Promise.all(NAMES.map(async (name) => add(name, { taskId: '1' }, {})))
    await Promise.all(
      ['poll', 'track'].flatMap((name) =>
        [{}, [], 'x', 5, true, { app: 'default' }, { taskId: {} }].map(async (data) => add(name, data, {})),
      ),
    )
    expect(refused).toBeGreaterThan(60)
    for (const [i, jobId] of IDS.entries()) await queue.add('track', { taskId: String(1_000 + i) }, { jobId })
    const odd = [
      { priority: 2 ** 21 - 1 },
      { attempts: 1_000, backoff: { type: 'nonsense', delay: 1 } },
      { timestamp: Date.now() },
      { lifo: true },
      { keepLogs: 0 },
      { stackTraceLimit: 0 },
    ]
    for (const [i, options] of odd.entries()) await queue.add('track', { taskId: String(2_000 + i) }, options)
    // No clock refuses what was acknowledged.
    const times = [-1, 1, 8.64e15]
    for (const [i, timestamp] of times.entries()) await queue.add('track', { taskId: String(3_000 + i) }, { timestamp })
    await queue.add('poll', { app: 'default', taskId: '7' })

    const numbered = (list: readonly unknown[], from: number): string[] => list.map((_, i) => String(from + i))
    const all = [...numbered(IDS, 1_000), ...numbered(odd, 2_000), ...numbered(times, 3_000)]
    const waiting = (): Promise<number> => queue.getJobCountByTypes('waiting', 'active', 'delayed', 'prioritized')
    await until(
      async () =>
        tracked.length >= all.length && polled.length > 0 && (await queue.getFailedCount()) === refused && (await waiting()) === 0,
      { what: 'each job is done or has failed', timeoutMs: 60_000 },
    )
    expect([tracked.toSorted(), polled]).toEqual([all.toSorted(), ['7']])
    const reasons = (await queue.getFailed(0, -1)).map(({ failedReason }) => failedReason)
    for (const reason of reasons) expect(reason).toMatch(/Accepted: |must /)
    expect([worker.isRunning(), trouble]).toEqual([true, []])
  })

  if (backend.name === 'postgres') return
  test('what somebody broke inside Redis is told, and the others go on', async () => {
    const address = backend.address()
    const queue = aForeignQueue(address)
    const redis = new Redis(address.url)
    onTestFinished(() => redis.disconnect())
    const tracked: string[] = []
    const trouble: string[] = []
    await queue.pause()
    for (const [field, text] of [
      ['data', 'no JSON'],
      ['opts', '{'],
      ['opts', 'null'],
      ['timestamp', 'x'],
    ] as const) {
      const { id } = await queue.add('track', { taskId: '1' })
      await redis.hset(`${address.prefix}:${address.name}:${id}`, field, text)
    }
    await queue.add('track', { taskId: '2' })
    const worker = aWorker(address, {
      track: async ({ taskId }) => void tracked.push(taskId),
      events: { lock: () => undefined, failed: ({ what, error }) => void trouble.push(`${what}: ${String(error)}`) },
    })
    await queue.resume()
    await until(() => tracked.includes('2'), { what: 'the good job behind the broken ones is done', timeoutMs: 60_000 })
    expect([worker.isRunning(), trouble.some((line) => line.includes('JSON'))]).toEqual([true, true])
  })
})
