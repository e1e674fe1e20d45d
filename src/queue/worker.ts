import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { DelayedError, type Job, UnrecoverableError } from 'bullmq'
import type { TaskKey } from '../domain/delivery.ts'
import { InvalidInputError } from '../domain/errors.ts'
import type { Next } from '../domain/plan.ts'
import { quote } from '../domain/quote.ts'
import { parseTrackJob } from '../intake/track-job.ts'
import { parseTrackRequest, type TrackRequest } from '../intake/track-request.ts'
import { failPoint } from '../lib/fail-points.ts'
import type { EventLog, Timer } from '../polling/ports.ts'
import { isPostgres, openWorker, type QueueAddress } from './connection.ts'
import { createLockTracker, type Locks, type LockTracker } from './lock-tracker.ts'
import { isPollJob, priorityOf } from './timers.ts'
import { isLockLost, isRefusal, jobIdOfLostLock, MAX_BLOCK_SECONDS, MAX_STALLED_COUNT } from './workarounds.ts'

/** The name of the job that any BullMQ client may add, with any id or none. */
export const TRACK_JOB = 'track'

export interface PollWorkerOptions {
  readonly address: QueueAddress
  readonly concurrency: number
  /** How long a dead worker's jobs wait for another worker, in milliseconds. A running worker renews its locks at half of it. */
  readonly lockMs: number
  /** Makes one poll. Rejects when the database is out of reach. */
  readonly poll: (key: TaskKey, signal: AbortSignal) => Promise<Next>
  /** Hands a timer to the queue of its app, where this is another one. Null: it belongs here. */
  readonly handOver?: ((job: Job, key: TaskKey) => Promise<Next | null>) | undefined
  /** Stores a request of sending code. Rejects when the database is out of reach. */
  readonly track: (request: TrackRequest) => Promise<void>
  readonly now: () => Date
  readonly events: Pick<EventLog, 'failed' | 'lock'>
}

export interface PollWorker {
  readonly startedAt: Date
  isRunning(): boolean
  /** When a job was last taken off the queue, or done; null before the first. */
  lastActiveAt(): Date | null
  locks(): Locks
  /** Waits for the polls that run; `abort` ends them early. */
  close(): Promise<void>
  abort(): void
}

/** Delay after a failure of the database or the queue, in milliseconds; random, so that the jobs do not all run again at once. */
const RETRY_MS = 1_000
const RETRY_SPREAD_MS = 2_000
/** Refused jobs are kept for a week, a thousand at most, so that a mistake can be found and its task tracked again. In seconds, as BullMQ counts. */
export const KEEP_FAILED = { age: 7 * 24 * 3_600, count: 1_000 }

export function startPollWorker(options: PollWorkerOptions): PollWorker {
  const { now, events } = options
  const stop = new AbortController()
  // Each running poll listens: many listeners are no leak here.
  setMaxListeners(0, stop.signal)
  const startedAt = now()
  let lastActiveAt: Date | null = null
  const locks = createLockTracker(options)
  const processJob = async (job: Job, token?: string): Promise<void> => {
    lastActiveAt = now()
    locks.taken(job.id)
    const outcome = await runJob(options, job, stop.signal).finally(() => {
      lastActiveAt = now()
    })
    if (outcome.kind === 'snooze') await snooze({ options, locks, signal: stop.signal }, job, outcome.until, token)
  }
  const worker = openWorker(options.address, processJob, bullOptions(options), (error) => {
    if (isLockLost(error)) locks.lost(jobIdOfLostLock(error))
    events.failed({ what: 'queue', error })
  })
  worker.it.on('lockRenewalFailed', (jobIds) => jobIds.forEach(locks.lost))
  worker.it.on('stalled', locks.found)
  return {
    startedAt,
    lastActiveAt: () => lastActiveAt,
    locks: locks.read,
    isRunning: () => worker.it.isRunning(),
    close: () => worker.close(),
    abort: () => stop.abort(new Error('the worker is shutting down')),
  }
}

function bullOptions({ address, concurrency, lockMs }: PollWorkerOptions) {
  return {
    concurrency,
    lockDuration: lockMs,
    stalledInterval: lockMs / 2,
    maxStalledCount: MAX_STALLED_COUNT,
    // While the queue has no job. On Redis: as long as a job of a worker that died waits.
    drainDelay: isPostgres(address.url) ? MAX_BLOCK_SECONDS : Math.max(MAX_BLOCK_SECONDS, lockMs / 1_000),
    removeOnComplete: { count: 0 },
    removeOnFail: KEEP_FAILED,
    runRetryDelay: 1_000,
  }
}

/** A failure of the database must not fail the job: a failed job fires again only when the reconciler finds its task. */
async function runJob({ poll, track, handOver, now, events }: PollWorkerOptions, job: Job, signal: AbortSignal): Promise<Next> {
  try {
    if (isPollJob(job.name)) {
      const key = parseKey(job.data, now())
      return (await handOver?.(job, key)) ?? (await poll(key, signal))
    }
    if (job.name !== TRACK_JOB)
      throw new InvalidInputError('name', `A job named ${quote(job.name)} is not known here. Accepted: "${TRACK_JOB}".`)
    await track(parseTrackJob(job, now()))
    await failPoint('track.stored')
    return { kind: 'done' }
  } catch (error) {
    if (error instanceof InvalidInputError) {
      events.failed({ what: 'a job was refused: it', error })
      throw new UnrecoverableError(error.message)
    }
    if (!signal.aborted) events.failed({ what: `job "${job.name}", will be retried`, error })
    return { kind: 'snooze', until: { at: new Date(now().getTime() + RETRY_MS + RETRY_SPREAD_MS * Math.random()), last: false } }
  }
}

/** A poll job holds the data that timers.ts wrote; any other data is refused like a malformed request. */
function parseKey(data: unknown, now: Date): TaskKey {
  const { app, taskId } = parseTrackRequest(withoutDeadline(data), now)
  return { app, taskId }
}

function withoutDeadline(data: unknown): unknown {
  if (typeof data !== 'object' || data === null || !('deadlineAt' in data)) return data
  const { deadlineAt: _, ...rest } = data
  return rest
}

/** The priority of a poll that becomes more urgent. Null: it does not, or its job has no deadline. */
function raisedPriority(job: Job, poll: Timer['poll']): number | null {
  const data: unknown = job.data
  const deadlineAt = typeof data === 'object' && data !== null && 'deadlineAt' in data ? data.deadlineAt : null
  if (!isPollJob(job.name) || typeof deadlineAt !== 'number') return null
  const priority = priorityOf(poll, deadlineAt)
  return priority < job.priority ? priority : null
}

const SNOOZE_RETRY_MS = 500

/**
 * Delays the job until its next poll, which is no failure and no attempt. It comes last, after everything is committed. While the job's lock may
 * still be held, a call that fails is repeated. Where the outcome stays unknown (the reply or the lock was lost) the job is left as it is:
 * BullMQ's stalled check or the reconciler makes it fire again, which does no harm.
 */
async function snooze(
  { options, locks, signal }: { readonly options: PollWorkerOptions; readonly locks: LockTracker; readonly signal: AbortSignal },
  job: Job,
  poll: Timer['poll'],
  token: string | undefined,
): Promise<never> {
  const giveUpAt = performance.now() + options.lockMs
  for (;;) {
    try {
      const priority = raisedPriority(job, poll)
      if (priority !== null) await job.changePriority({ priority })
      // BullMQ reads the system clock, which may differ from the database's.
      await job.moveToDelayed(Math.ceil(Date.now() + poll.at.getTime() - options.now().getTime()), token)
      await failPoint('timer.set')
      break
    } catch (error) {
      if (isLockLost(error)) locks.lost(job.id ?? '')
      if (isRefusal(error) || signal.aborted || performance.now() > giveUpAt) {
        options.events.failed({ what: 'timer, left to the reconciler', error })
        break
      }
      await sleep(SNOOZE_RETRY_MS)
    }
  }
  throw new DelayedError()
}
