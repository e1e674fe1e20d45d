import { expect, onTestFinished, test } from 'vitest'
import { createTracker, type Tracker } from '../../src/index.ts'
import type { TrackRequest } from '../../src/intake/track-request.ts'
import { refusedJobsCheck } from '../../src/ops/checks/queue.ts'
import type { QueueAddress } from '../../src/queue/connection.ts'
import { latestRefused } from '../../src/queue/inspect.ts'
import { until } from '../support/wait.ts'
import { aForeignQueue, aQueue, aWorker, describeQueues } from './support.ts'

const MINUTE_MS = 60_000

function aTrackerOf({ url, name, prefix }: QueueAddress): Tracker {
  const tracker = createTracker({ queueUrl: url, queueName: name, queuePrefix: prefix })
  onTestFinished(() => tracker.close())
  return tracker
}

/** A worker whose clock shows another time than the sender's. */
function aTaker(address: QueueAddress, clockMs = 0) {
  const tracked: TrackRequest[] = []
  aWorker(address, { track: async (request) => void tracked.push(request), now: () => new Date(Date.now() + clockMs) })
  return tracked
}

describeQueues((backend) => {
  test.each([
    ['left out', {}],
    ['given', { sentAt: new Date() }],
  ])('nothing that the library took is refused because the clock of its machine is 20 minutes fast: sentAt %s', async (_, sent) => {
    const address = backend.address()
    const tracked = aTaker(address, -20 * MINUTE_MS)
    await aTrackerOf(address).track({ taskId: '1', ...sent })
    const [request] = await until(() => tracked.length > 0 && tracked, { what: 'the task is stored' })
    expect(request?.sentAt).toBeNull()
    const behindMs = Date.now() - 20 * MINUTE_MS - (request?.assumedSentAt?.getTime() ?? 0)
    expect([behindMs >= -5_000, behindMs < MINUTE_MS]).toEqual([true, true])
    expect(await aQueue(address).getFailedCount()).toBe(0)
  })

  test('no send time is sent where none was given: the worker that stores it assumes that of the job', async () => {
    const address = backend.address()
    const queue = aForeignQueue(address)
    const addedAt = Date.now()
    await aTrackerOf(address).track({ taskId: '1' })
    expect(await queue.getJobs(['waiting'])).toMatchObject([{ data: { app: 'default', taskId: '1' } }])
    expect((await queue.getJobs(['waiting'])).filter(({ data }) => 'sentAt' in Object(data))).toEqual([])
    const tracked = aTaker(address, 3 * 3_600_000)
    const [request] = await until(() => tracked.length > 0 && tracked, { what: 'the task is stored' })
    expect(request?.sentAt).toBeNull()
    expect(Math.abs((request?.assumedSentAt?.getTime() ?? 0) - addedAt)).toBeLessThan(MINUTE_MS)
  })

  test('a refused job stays with its reason, and tracking the task again with right data works although the job has its id', async () => {
    const address = backend.address()
    const [queue, tracker] = [aForeignQueue(address), aTrackerOf(address)]
    await tracker.track({ taskId: '1', userIds: ['ann'] })
    const [job] = await queue.getJobs(['waiting'])
    if (job?.id === undefined) throw new Error('a job was expected')
    // As an older version of the library would have handed it over: under the same id, with what is refused.
    await job.updateData({ app: 'default', taskId: '1', userIds: ['ann,bob'] })
    const tracked = aTaker(address)
    await until(async () => (await queue.getFailedCount()) === 1, { what: 'the job was refused' })
    expect(await queue.getJob(job.id)).toMatchObject({
      failedReason: expect.stringContaining('userIds[0] "ann,bob" looks like several ids'),
    })

    await tracker.trackMany([{ taskId: '1', userIds: ['ann'] }, { taskId: '2' }])
    await until(() => tracked.length === 2, { what: 'both are stored' })
    expect(tracked.find(({ taskId }) => taskId === '1')).toMatchObject({ userIds: ['ann'] })
    expect(await queue.getFailedCount()).toBe(0)
  })

  test('other data for a task whose job still waits reaches the worker too; the same data is the same job', async () => {
    const address = backend.address()
    const tracker = aTrackerOf(address)
    for (const agentId of ['1', '1', '2']) await tracker.track({ taskId: '1', agentId, sentAt: '2026-11-23T09:00:00+08:00' })
    const tracked = aTaker(address)
    const queue = aQueue(address)
    await until(async () => tracked.length > 1 && (await queue.count()) === 0, { what: 'all are taken' })
    expect(tracked).toHaveLength(2)
    expect(new Set(tracked.map(({ agentId }) => agentId))).toEqual(new Set(['1', '2']))
  })

  test('they are counted for /readyz without a value, and reported with the last reason to an operator', async () => {
    const address = backend.address()
    const [foreign, queue] = [aForeignQueue(address), aQueue(address)]
    const asked = { queue, timeoutMs: 5_000 }
    expect(await refusedJobsCheck(asked, true)).toEqual({ name: 'refused jobs', ok: true, detail: 'none' })
    expect(await latestRefused(queue)).toBeNull()
    aTaker(address)
    await foreign.add('track', { taskId: 'x' }, { jobId: 'first' })
    await until(async () => (await queue.getFailedCount()) === 1, { what: 'the first was refused' })
    await foreign.add('track', { taskId: '1', userIds: ['036,secret'] }, { jobId: 'second' })
    await until(async () => (await queue.getFailedCount()) === 2, { what: 'both were refused' })

    const probed = await refusedJobsCheck(asked, false)
    expect(probed).toMatchObject({ ok: true, warning: true, detail: '2 jobs were refused, so their tasks are not tracked' })
    expect(JSON.stringify(probed)).not.toContain('secret')
    expect(probed.remedy).toContain('"npx dingtalk-delivery doctor" says why')
    const shown = await refusedJobsCheck(asked, true)
    expect(shown.detail).toContain(
      '2 jobs were refused, so their tasks are not tracked. The latest, second: userIds[0] "036,secret" looks like several ids',
    )
    expect(shown.remedy).toContain('track their tasks again')
  })
})
