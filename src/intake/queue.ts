import { createHash } from 'node:crypto'
import type { JobsOptions } from 'bullmq'
import { TrackerError } from '../domain/errors.ts'
import { SAME_SEND_MS } from '../domain/field-rules.ts'
import { isPostgres, type JobQueue, openQueue, type QueueAddress, senderConnections } from '../queue/connection.ts'
import { isOnlyGone } from '../queue/errors.ts'
import { appQueues, type ShardedAddress, shardOf } from '../queue/shards.ts'
import { withQueueTimeout } from '../queue/timeout.ts'
import { KEEP_FAILED, TRACK_JOB } from '../queue/worker.ts'
import type { TrackRequest } from './track-request.ts'

/** Adds requests to the queue as jobs. */
export interface TrackQueue {
  /**
   * @param giveUpAt by the clock of `performance`
   * @param onTaken is called for each request that the queue has taken
   * @throws {TrackerError} by then, when the queue does not take them: `QUEUE_UNAVAILABLE`, or `SCHEMA_MISMATCH` where `migrate` has not run
   */
  add(requests: readonly TrackRequest[], giveUpAt: number, onTaken?: (place: number) => void): Promise<void>
  /** Waits for the server for at most 1.5 s. */
  close(): Promise<void>
}

/** Jobs in one command: some 0.2 s of the server's time where each has a hundred people. */
const JOBS_AT_ONCE = 500
const CLOSE_TIMEOUT_MS = 1_500

/** Each request goes to the queue of its app. The queues take their parts at the same time. */
export function openTrackQueues(address: ShardedAddress): TrackQueue {
  const queues = appQueues(address).map(openTrackQueue)
  return {
    async add(requests, giveUpAt, onTaken) {
      const parts = queues.map(async (queue, shard) => {
        const mine = [...requests.entries()].filter(([, { app }]) => shardOf(app, queues.length) === shard)
        const places = mine.map(([place]) => place)
        if (mine.length > 0)
          await queue.add(
            mine.map(([, request]) => request),
            giveUpAt,
            (n) => onTaken?.(places[n] ?? n),
          )
      })
      // What the other queues took is known before one that failed is reported.
      const failed = (await Promise.allSettled(parts)).find((each) => each.status === 'rejected')
      if (failed !== undefined) throw failed.reason
    },
    close: async () => void (await Promise.all(queues.map((queue) => queue.close()))),
  }
}

function openTrackQueue(address: QueueAddress): TrackQueue {
  let lastError: unknown
  const queue = openQueue(address, 'sender', (error) => {
    if (!isOnlyGone(error)) lastError = error
  })
  const limited = createSemaphore(isPostgres(address.url) ? senderConnections(address) : Number.POSITIVE_INFINITY)
  return {
    async add(requests, giveUpAt, onTaken) {
      const isOver = (): boolean => performance.now() >= giveUpAt
      const timed = (work: Promise<unknown>) => withQueueTimeout(giveUpAt - performance.now(), work, () => lastError)
      await timed(queue.it.waitUntilReady()).catch(adding('Nothing was taken'))
      // A part is not begun after the sender got its error, so that nothing piles up while the queue is away.
      for (let i = 0; i < requests.length; i += JOBS_AT_ONCE) {
        const jobs = requests.slice(i, i + JOBS_AT_ONCE).map(buildJob)
        await timed(limited(isOver, () => addAll(queue.it, jobs))).catch(adding('It may have been taken nevertheless'))
        for (const place of jobs.keys()) onTaken?.(i + place)
      }
      lastError = undefined
    },
    async close() {
      await withQueueTimeout(CLOSE_TIMEOUT_MS, queue.close()).catch(() => undefined)
      queue.destroy()
    },
  }
}

/** Adds what became of the tasks to an error of the queue. */
function adding(outcome: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof TrackerError) || error.code !== 'QUEUE_UNAVAILABLE') throw error
    throw new TrackerError(error.code, `${error.message} ${outcome}; tracking it again is safe.`, { cause: error.cause })
  }
}

interface TrackJob {
  name: string
  data: object
  opts: JobsOptions & { readonly jobId: string }
}

/** BullMQ ignores a job whose id exists, also where that job was refused long ago: a refused one is removed first. */
async function addAll(queue: JobQueue, jobs: TrackJob[]): Promise<void> {
  await queue.addBulk(jobs)
  const refused = new Set(await queue.getRanges(['failed'], 0, KEEP_FAILED.count))
  const ignored = jobs.filter(({ opts }) => refused.has(opts.jobId))
  if (ignored.length === 0) return
  for (const { opts } of ignored) await (await queue.getJob(opts.jobId))?.remove()
  await queue.addBulk(ignored)
}

function buildJob(request: TrackRequest): TrackJob {
  const { app, taskId, agentId, userIds, campaign, sentAt } = request
  return {
    name: TRACK_JOB,
    data: {
      app,
      taskId,
      // Left out where it was not given: the worker's clock decides then, not the sender's.
      ...(sentAt && { sentAt: sentAt.toISOString() }),
      ...(agentId && { agentId }),
      ...(userIds && { userIds }),
      ...(campaign && { campaign }),
    },
    opts: { jobId: jobIdOf(request), removeOnComplete: true, removeOnFail: KEEP_FAILED },
  }
}

/**
 * The same request enqueued again while it waits is the same job. With other data it is another job, so that the worker compares the data.
 * BullMQ refuses ids of digits only, and ids with a colon.
 */
function jobIdOf({ app, taskId, agentId, userIds, campaign, sentAt }: TrackRequest): string {
  const moment = sentAt === null ? null : Math.floor(sentAt.getTime() / SAME_SEND_MS)
  const digest = createHash('sha256')
    .update(JSON.stringify([agentId, userIds, campaign, moment]))
    .digest('hex')
  return `track.${app}.${taskId}.${digest.slice(0, 16)}`
}

/** Runs `work` when fewer than the maximum run, and not at all where `isOver` returns true by then. */
type Semaphore = <T>(isOver: () => boolean, work: () => Promise<T>) => Promise<T>

/** At most `max` run at once; the others wait in a queue. Considered: p-limit, which cannot skip work whose caller has given up. */
function createSemaphore(max: number): Semaphore {
  const queue: Array<() => void> = []
  let free = max
  return async (isOver, work) => {
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => queue.push(resolve))
    try {
      if (isOver()) throw new Error('there was no connection free in time')
      return await work()
    } finally {
      const next = queue.shift()
      if (next === undefined) free += 1
      else next()
    }
  }
}
