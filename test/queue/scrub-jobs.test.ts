import { expect, test } from 'vitest'
import { replaceText, scrubJobs } from '../../src/queue/scrub-jobs.ts'
import { createPollTimers } from '../../src/queue/timers.ts'
import { deferred } from '../support/deferred.ts'
import { aForeignQueue, aQueue, aWorker, describeQueues, failedJob } from './support.ts'

const ERIN = 'erin-0366325231-zq'
const PSEUDONYM = 'anonymous:0123'
const someone = (app: string | null = null) => ({ userId: ERIN, app })

describeQueues((backend) => {
  test('a person is replaced in jobs that wait, are delayed or failed, and all else stays', async () => {
    const address = backend.address()
    const [queue, foreign] = [aQueue(address), aForeignQueue(address)]
    const worker = aWorker(address)
    await foreign.add('track', { taskId: 'no number', userIds: [ERIN, 'ann'] }, { jobId: 'wrong-task' })
    await foreign.add('track', { taskId: '1', userIds: [ERIN, ERIN, 7] }, { jobId: 'wrong-people' })
    await foreign.add('track', { taskId: '1', userIds: ERIN }, { jobId: 'names-the-person-in-its-reason' })
    for (const id of ['wrong-task', 'wrong-people', 'names-the-person-in-its-reason']) await failedJob(foreign, id)
    expect((await foreign.getJob('names-the-person-in-its-reason'))?.failedReason).toContain(ERIN)
    await worker.close()
    await foreign.add('track', { taskId: '2', userIds: ['ann', ERIN], campaign: 'one' }, { jobId: 'waits' })
    await foreign.add('track', { taskId: '3', userIds: [ERIN] }, { jobId: 'later', delay: 3_600_000 })
    await foreign.add('track', { taskId: '4', userIds: [ERIN] }, { jobId: 'goes-first', priority: 1 })
    await foreign.add('track', { taskId: '5', userIds: ['ann'] }, { jobId: 'of-others' })
    const key = { app: 'default', taskId: '6' }
    await createPollTimers(queue, () => new Date()).set([
      { key, deadlineAt: new Date(Date.now() + 3_600_000), poll: { at: new Date(Date.now() + 3_600_000), last: false } },
    ])

    expect(await scrubJobs(queue, someone('hr'), PSEUDONYM), 'in another app').toBe(0)
    expect(await scrubJobs(queue, someone(), PSEUDONYM)).toBe(6)
    expect(await scrubJobs(queue, someone(), PSEUDONYM), 'again').toBe(0)
    const data = async (id: string): Promise<unknown> => (await foreign.getJob(id))?.data
    expect(await data('waits')).toEqual({ taskId: '2', userIds: ['ann', PSEUDONYM], campaign: 'one' })
    expect(await data('later')).toEqual({ taskId: '3', userIds: [PSEUDONYM] })
    expect(await data('goes-first')).toEqual({ taskId: '4', userIds: [PSEUDONYM] })
    expect(await data('wrong-task')).toEqual({ taskId: 'no number', userIds: [PSEUDONYM, 'ann'] })
    expect(await data('wrong-people')).toEqual({ taskId: '1', userIds: [PSEUDONYM, PSEUDONYM, 7] })
    expect(await data('of-others')).toEqual({ taskId: '5', userIds: ['ann'] })
    expect(await foreign.getJob('names-the-person-in-its-reason')).toBeUndefined()
    expect(await foreign.getJobState('poll.default.6')).toBe('delayed')
  })

  test('a job that runs is found too', async () => {
    const address = backend.address()
    const [queue, foreign, started, done] = [aQueue(address), aForeignQueue(address), deferred(), deferred()]
    aWorker(address, { track: async () => (started.resolve(), await done.promise) })
    await foreign.add('track', { taskId: '1', userIds: [ERIN] }, { jobId: 'runs' })
    await started.promise
    expect(await scrubJobs(queue, someone(), PSEUDONYM)).toBe(1)
    expect((await foreign.getJob('runs'))?.data).toEqual({ taskId: '1', userIds: [PSEUDONYM] })
    done.resolve()
  })
})

test('a text is replaced wherever it stands as a whole, and what does not have it is the same value', () => {
  const data = { taskId: '1', userIds: ['a', 'ab'], more: [{ a: 'a' }, null, 1] }
  expect(replaceText(data, 'a', 'x')).toEqual({ taskId: '1', userIds: ['x', 'ab'], more: [{ x: 'x' }, null, 1] })
  for (const value of [data, null, undefined, 7, 'abc', []]) expect(replaceText(value, 'b', 'x')).toBe(value)
})
