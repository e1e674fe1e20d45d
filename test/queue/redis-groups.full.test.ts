import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { queueChecks } from '../../src/ops/checks/queue.ts'
import { scrubJobs } from '../../src/queue/scrub-jobs.ts'
import { createPollTimers } from '../../src/queue/timers.ts'
import { builtFile, startNode } from '../support/process.ts'
import { describeRedis } from '../support/redis.ts'
import { type RedisGroup, startCluster, startSentinels } from '../support/redis-groups.ts'
import { until } from '../support/wait.ts'
import { aQueue, aWorker } from './support.ts'

const CLOSING_WORKER = fileURLToPath(new URL('./closing-worker.mjs', import.meta.url))
const KEY = { app: 'default', taskId: '256271667526' }
const now = (): Date => new Date()
/** A sender has two seconds; the rest is a busy machine's. */
const SENDER_MS = 6_000

const due = () => ({ key: KEY, deadlineAt: new Date(Date.now() + 3_600_000), poll: { at: now(), last: false } })

describeRedis('several servers of Redis', () => {
  describe.each([
    ['sentinels', startSentinels],
    ['a cluster', startCluster],
  ] as const)('%s', (_, start) => {
    async function aGroup(): Promise<RedisGroup> {
      const group = await start()
      onTestFinished(() => group.stop())
      return group
    }
    const addressOf = ({ url }: RedisGroup) => ({ url, name: 'dingtalk-delivery', prefix: 'bull' })

    test('probes say that the queue is well, people are erased from jobs, and lost timers are set again', async () => {
      const group = await aGroup()
      const queue = aQueue(addressOf(group))
      await queue.waitUntilReady()
      const [reached, memory] = await Promise.all(queueChecks({ queue, timeoutMs: 10_000 }))
      expect(reached).toMatchObject({ ok: true, detail: 'answers; 0 jobs wait or are delayed' })
      expect(memory).toMatchObject({ ok: true, detail: 'maxmemory-policy noeviction' })
      const tracker = createTracker({ queueUrl: group.url })
      onTestFinished(() => tracker.close())
      await tracker.trackMany([1, 2, 3].map((taskId) => ({ taskId, userIds: ['ann', 'bob'] })))
      expect(await scrubJobs(queue, { userId: 'ann', app: null }, 'pseudonym')).toBe(3)
      expect((await createPollTimers(queue, now).restore([due()])).added).toBe(1)
      expect(await queue.count()).toBe(4)
    })

    test('a sender hears within two seconds that nobody is there, and a worker goes on when they are back', async () => {
      const group = await aGroup()
      const tracker = createTracker({ queueUrl: group.url })
      onTestFinished(() => tracker.close())
      const polls: string[] = []
      aWorker(addressOf(group), { poll: async ({ taskId }) => (polls.push(taskId), { kind: 'done' }) })
      const timers = createPollTimers(aQueue(addressOf(group)), now)
      await timers.set([due()])
      await until(() => polls.length === 1, { what: 'a poll' })
      await group.away()
      const begun = performance.now()
      await expect(tracker.track({ taskId: '1' })).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' })
      expect(performance.now() - begun).toBeLessThan(SENDER_MS)
      const first = createTracker({ queueUrl: group.url })
      const again = performance.now()
      await expect(first.track({ taskId: '1' })).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' })
      expect(performance.now() - again).toBeLessThan(SENDER_MS)
      await first.close()
      await group.back()
      await until(() => tracker.track({ taskId: '1' }).then(() => true), { timeoutMs: 60_000, what: 'the sender is heard' })
      await until(() => timers.set([due()]).then(() => true), { timeoutMs: 60_000, what: 'the timer is taken' })
      await until(() => polls.length === 2, { timeoutMs: 60_000, what: 'a poll after the outage' })
    })

    test('an idle worker and a queue close although all are gone, and let the process end by itself', async () => {
      const group = await aGroup()
      const child = startNode(CLOSING_WORKER, {
        args: [builtFile('queue/worker.js'), builtFile('queue/connection.js'), JSON.stringify(addressOf(group))],
      })
      await child.waitForLine(/^ready/)
      await group.away()
      child.kill('SIGTERM')
      expect(await child.exit).toEqual({ code: 0, signal: null })
      expect(child.stdout()).toContain('closed')
      expect(child.stderr()).toBe('')
    })
  })
})
