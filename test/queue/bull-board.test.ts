import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { FastifyAdapter } from '@bull-board/fastify'
import fastify from 'fastify'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { createTracker } from '../../src/index.ts'
import { createPollTimers } from '../../src/queue/timers.ts'
import { aForeignQueue, aQueue, describeQueues } from './support.ts'

const TASK_ID = '256271667526'
const answer = z.object({
  queues: z.array(
    z.object({
      name: z.string(),
      counts: z.record(z.string(), z.number()),
      jobs: z.array(
        z.object({ id: z.string(), name: z.string(), data: z.record(z.string(), z.unknown()), failedReason: z.string().optional() }),
      ),
    }),
  ),
})

describeQueues((backend) => {
  test('bull-board shows the jobs of the tracker with their names, their data and their states', async () => {
    const address = backend.address()
    const queue = aForeignQueue(address)
    const app = fastify()
    onTestFinished(() => app.close())
    const adapter = new FastifyAdapter()
    createBullBoard({ queues: [new BullMQAdapter(queue)], serverAdapter: adapter })
    await app.register(adapter.registerPlugin())

    const deadlineAt = new Date(Date.now() + 86_400_000)
    const poll = { at: new Date(Date.now() + 3_600_000), last: false }
    await createPollTimers(aQueue(address), () => new Date()).set([{ key: { app: 'default', taskId: TASK_ID }, deadlineAt, poll }])
    const tracker = createTracker({ queueUrl: address.url, queueName: address.name })
    await tracker.track({ taskId: TASK_ID, campaign: 'payroll-11', userIds: ['ann'] })
    await tracker.close()

    const shown = async (status: string) => {
      const { statusCode, body } = await app.inject(`/api/queues?activeQueue=${address.name}&status=${status}&page=1&jobsPerPage=10`)
      expect(statusCode, body).toBe(200)
      return answer.parse(JSON.parse(body)).queues[0]
    }
    expect(await shown('delayed')).toMatchObject({
      name: address.name,
      counts: { delayed: 1, waiting: 1 },
      jobs: [{ id: `poll.default.${TASK_ID}`, name: 'poll', data: { app: 'default', taskId: TASK_ID, deadlineAt: deadlineAt.getTime() } }],
    })
    const waiting = await shown('waiting')
    expect(waiting?.jobs).toMatchObject([{ name: 'track', data: { taskId: TASK_ID, campaign: 'payroll-11', userIds: ['ann'] } }])
    expect((await app.inject('/')).body).toContain('<title>')
  })
})
