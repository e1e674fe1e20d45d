import { expect, onTestFinished, test } from 'vitest'
import { parseConfig } from '../../src/app/config/config.ts'
import { createTracker } from '../../src/index.ts'
import { aForeignQueue, describeQueues } from '../queue/support.ts'
import { until } from '../support/wait.ts'
import { aRunningWorker, diagnose } from './support.ts'

describeQueues((backend) => {
  test('a refused job is a warning of /readyz, a gauge, and a finding of doctor; the worker stays ready', async () => {
    const address = backend.address()
    const { worker, databaseUrl } = await aRunningWorker(address)
    expect(await worker.metrics()).toMatch(/^dingtalk_delivery_refused_jobs 0$/m)
    const queue = aForeignQueue(address)
    await queue.add('track', { taskId: '1', userIds: ['0366,manager4220'] })
    await until(async () => /^dingtalk_delivery_refused_jobs 1$/m.test(await worker.metrics()), { what: 'the refused job is counted' })
    const health = await until(async () => worker.health().then((report) => report.ok && report), { what: 'it is ready' })
    expect(health.checks).toContainEqual(
      expect.objectContaining({
        name: 'refused jobs',
        ok: true,
        warning: true,
        detail: '1 jobs were refused, so their tasks are not tracked',
      }),
    )
    expect(JSON.stringify(health)).not.toContain('manager4220')
    const config = parseConfig({
      ...{ DATABASE_URL: databaseUrl, QUEUE_URL: address.url, QUEUE_NAME: address.name, QUEUE_PREFIX: address.prefix },
    })
    expect(await diagnose(config)).toContainEqual(
      expect.objectContaining({
        name: 'refused jobs',
        ok: false,
        warning: true,
        detail: expect.stringMatching(/^1 jobs were refused, .* The latest, \d+: userIds\[0\] "0366,manager4220" looks like several ids/),
        remedy: expect.stringContaining('track their tasks again'),
      }),
    )
  })

  test('a request from the queue that contradicts what is stored is counted', async () => {
    const address = backend.address()
    const { worker } = await aRunningWorker(address)
    const tracker = createTracker({ queueUrl: address.url, queueName: address.name, queuePrefix: address.prefix })
    onTestFinished(() => tracker.close())
    const sentAt = new Date()
    await tracker.track({ taskId: '2', campaign: 'one', sentAt: new Date(sentAt.getTime() - 25 * 3_600_000) })
    await until(async () => /^dingtalk_delivery_tasks\{app="default",status="expired"\} 1$/m.test(await worker.metrics()), {
      what: 'it has ended',
    })
    await tracker.track({ taskId: '2', campaign: 'two', sentAt })
    await until(async () => /^dingtalk_delivery_track_conflicts_total\{app="default"\} 1$/m.test(await worker.metrics()), {
      what: 'the conflict is counted',
    })
  })
})
