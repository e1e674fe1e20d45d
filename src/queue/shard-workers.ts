import type { Job } from 'bullmq'
import { QUERY_WINDOW_MS } from '../domain/delivery.ts'
import type { QueueAddress } from './connection.ts'
import type { Locks } from './lock-tracker.ts'
import { appQueues, consumedQueues, isSameQueue, type OpenedQueues, shardOf } from './shards.ts'
import { handOverTimer } from './timers.ts'
import { type PollWorker, type PollWorkerOptions, startPollWorker } from './worker.ts'

export interface PollWorkers extends PollWorker {
  /** Consumes the jobs that an earlier number of queues left behind, until this worker closes. */
  takeLeftovers(): Promise<void>
}

/** Until a timer is handed over again whose queue has it running. Random, so that two queues do not hand over to each other at the same time. */
const AGAIN_MS = 200

/**
 * Consumes all queues of an address. `concurrency` is divided among the queues of the apps.
 *
 * A timer that fires in another queue than its app's is handed over: it is added to the queue of its app, due at once, and completes where it was.
 * The id of a job keeps a task to one timer a queue, so a timer that is handed over twice, or is there already, is one timer. While that one runs, the
 * other waits.
 */
export function startPollWorkers(
  options: Omit<PollWorkerOptions, 'address' | 'handOver'> & { readonly queues: OpenedQueues },
): PollWorkers {
  const { queues, now } = options
  const homes = appQueues(queues.address)
  const concurrency = Math.ceil(options.concurrency / homes.length)
  const start = (address: QueueAddress): PollWorker =>
    startPollWorker({
      ...{ ...options, address, concurrency },
      async handOver(job, key) {
        const home = homes[shardOf(key.app, homes.length)]
        if (home === undefined || isSameQueue(home, address)) return null
        const deadlineAt = deadlineOf(job) ?? new Date(now().getTime() + QUERY_WINDOW_MS)
        const isThere = await handOverTimer(queues.it, { key, deadlineAt, poll: { at: now(), last: job.priority === 1 } }, now())
        if (isThere) return { kind: 'done' }
        return { kind: 'snooze', until: { at: new Date(now().getTime() + AGAIN_MS * (1 + Math.random())), last: false } }
      },
    })
  const workers = consumedQueues(queues.address).map(start)
  let closing = false
  const all = <T>(ask: (worker: PollWorker) => T): T[] => workers.map(ask)
  return {
    startedAt: now(),
    isRunning: () => all((worker) => worker.isRunning()).every(Boolean),
    lastActiveAt: () => latest(all((worker) => worker.lastActiveAt())),
    locks: () => all((worker) => worker.locks()).reduce(addLocks),
    async close() {
      closing = true
      await Promise.all(all((worker) => worker.close()))
    },
    abort: () => void all((worker) => worker.abort()),
    async takeLeftovers() {
      for (const address of await queues.findLeftovers()) {
        if (closing) return
        queues.include(address)
        workers.push(start(address))
      }
    },
  }
}

/** It decides the priority only. A job of 0.1.0 has none, and counts as the least urgent. */
function deadlineOf(job: Job): Date | null {
  const data: unknown = job.data
  const deadlineAt = typeof data === 'object' && data !== null && 'deadlineAt' in data ? data.deadlineAt : null
  return typeof deadlineAt === 'number' ? new Date(deadlineAt) : null
}

function latest(moments: ReadonlyArray<Date | null>): Date | null {
  return moments.reduce((a, b) => (a === null || (b !== null && b > a) ? b : a), null)
}

function addLocks(a: Locks, b: Locks): Locks {
  return { lost: a.lost + b.lost, found: a.found + b.found, lastLostAt: latest([a.lastLostAt, b.lastLostAt]) }
}
