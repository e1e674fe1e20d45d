import { TrackerError } from '../core/errors.ts'
import type { TrackRequest } from '../core/track-request.ts'
import { isPostgres, openQueue, type QueueAddress, SENDER_CONNECTIONS } from './connection.ts'
import { isOnlyGone } from './errors.ts'
import { TRACK_JOB } from './look-worker.ts'
import { patiently } from './patience.ts'
import { createTurns } from './turns.ts'

/** Hands requests to the queue. */
export interface TrackQueue {
  /**
   * @param giveUpAt by the clock of `performance`
   * @throws {TrackerError} by then, when the queue does not take them: `QUEUE_UNAVAILABLE`, or `SCHEMA_MISMATCH` where `migrate` has not run
   */
  add(requests: readonly TrackRequest[], giveUpAt: number): Promise<void>
  /** Bounded: a server that does not say goodbye is left. */
  close(): Promise<void>
}

/** Jobs in one command: some 0.2 s of the server's time when each has a hundred people. */
const JOBS_AT_ONCE = 500
const GOODBYE_MS = 1_500

export function openTrackQueue(address: QueueAddress): TrackQueue {
  let lastError: unknown
  const queue = openQueue(address, 'sender', (error) => {
    if (!isOnlyGone(error)) lastError = error
  })
  const inTurn = createTurns(isPostgres(address.url) ? SENDER_CONNECTIONS : Number.POSITIVE_INFINITY)
  return {
    async add(requests, giveUpAt) {
      const isOver = (): boolean => performance.now() >= giveUpAt
      const inTime = (work: Promise<unknown>) => patiently(giveUpAt - performance.now(), work, () => lastError)
      await inTime(queue.it.waitUntilReady()).catch(adding('Nothing was taken'))
      // Not begun at all once the sender was told that it failed: nothing piles up while the queue is away.
      for (let i = 0; i < requests.length; i += JOBS_AT_ONCE) {
        const jobs = requests.slice(i, i + JOBS_AT_ONCE).map(jobOf)
        await inTime(inTurn(isOver, () => queue.it.addBulk(jobs))).catch(adding('It may have been taken nevertheless'))
      }
      lastError = undefined
    },
    async close() {
      await patiently(GOODBYE_MS, queue.close()).catch(() => undefined)
      queue.leave()
    },
  }
}

/** @param outcome what the sender must know of the tasks */
function adding(outcome: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof TrackerError) || error.code !== 'QUEUE_UNAVAILABLE') throw error
    throw new TrackerError(error.code, `${error.message} ${outcome}; tracking it again is safe.`, { cause: error.cause })
  }
}

function jobOf(request: TrackRequest) {
  const { app, taskId, agentId, userIds, campaign, sentAt } = request
  return {
    name: TRACK_JOB,
    data: {
      app,
      taskId,
      sentAt: sentAt.toISOString(),
      ...(agentId && { agentId }),
      ...(userIds && { userIds }),
      ...(campaign && { campaign }),
    },
    // The same task enqueued again while it waits is the same job. Kept when finished, it would swallow a later one.
    opts: { jobId: `track.${app}.${taskId}`, removeOnComplete: true, removeOnFail: true },
  }
}
