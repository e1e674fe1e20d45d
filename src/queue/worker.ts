import { setMaxListeners } from 'node:events'
import { DelayedError, type Job, UnrecoverableError } from 'bullmq'
import type { TaskKey } from '../domain/delivery.ts'
import { InvalidInputError } from '../domain/errors.ts'
import { show } from '../domain/quote.ts'
import { parseTrackJob } from '../intake/track-job.ts'
import { parseTrackRequest, type TrackRequest } from '../intake/track-request.ts'
import { failPoint } from '../lib/fail-points.ts'
import type { EventLog, Timer } from '../polling/ports.ts'
import { type JobWorker, MAX_BLOCK_SECONDS, type Opened, openWorker, type QueueAddress } from './connection.ts'
import { createLockTracker, type Locks } from './lock-tracker.ts'
import { LOOK_JOB, priorityOf } from './timers.ts'

/** The name of the job that any BullMQ client may add, with any id or none. */
export const TRACK_JOB = 'track'

export interface PollWorkerOptions {
  readonly address: QueueAddress
  readonly concurrency: number
  /** How long a dead worker's jobs wait for another one, in milliseconds. A living worker renews its lock at half of it. */
  readonly lockMs: number
  /** One poll; says when the timer fires again. Rejects when the database is out of reach. */
  readonly poll: (
    key: TaskKey,
    signal: AbortSignal,
  ) => Promise<{ readonly kind: 'snooze'; readonly until: Timer['poll'] } | { readonly kind: 'done' }>
  /** Stores what sending code asked for. Rejects when the database is out of reach. */
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

/** After a failure of the database or the queue, in milliseconds; spread so that not all come back at once. */
const RETRY_MS = 1_000
const RETRY_SPREAD_MS = 2_000
/** Refused jobs are kept for a week, a thousand at most, so that a mistake can be found and its task tracked again. In seconds, as BullMQ counts. */
export const KEEP_FAILED = { age: 7 * 24 * 3_600, count: 1_000 }

export function startPollWorker(options: PollWorkerOptions): PollWorker {
  const stop = new AbortController()
  // Every poll that runs listens: as many as there are is no leak.
  setMaxListeners(0, stop.signal)
  const startedAt = options.now()
  let lastActiveAt: Date | null = null
  const locks = createLockTracker(options)
  const process = async (job: Job, token?: string): Promise<void> => {
    lastActiveAt = options.now()
    locks.taken(job.id)
    const outcome = await run(options, job, stop.signal).finally(() => {
      lastActiveAt = options.now()
    })
    if (outcome.kind === 'snooze') await sleepUntil({ ...options, onLockLost: locks.lost }, job, outcome.until, token, stop.signal)
  }
  const opened = open(options, process, locks.lost)
  opened.it.on('lockRenewalFailed', (jobIds) => jobIds.forEach(locks.lost))
  opened.it.on('stalled', locks.found)
  return {
    startedAt,
    lastActiveAt: () => lastActiveAt,
    locks: locks.read,
    isRunning: () => opened.it.isRunning(),
    close: () => opened.close(),
    abort: () => stop.abort(new Error('the worker is shutting down')),
  }
}

function open(
  options: PollWorkerOptions,
  process: (job: Job, token?: string) => Promise<void>,
  onLockLost: (jobId: string) => void,
): Opened<JobWorker> {
  const workerOptions = {
    concurrency: options.concurrency,
    lockDuration: options.lockMs,
    stalledInterval: options.lockMs / 2,
    // Counted over the whole life of a job, which is 24 hours and many restarts here: never give up.
    maxStalledCount: 2 ** 31 - 1,
    drainDelay: MAX_BLOCK_SECONDS,
    removeOnComplete: { count: 0 },
    removeOnFail: KEEP_FAILED,
    runRetryDelay: 1_000,
  }
  return openWorker(options.address, process, workerOptions, (error) => {
    if (isLockLost(error)) onLockLost(jobIdIn(error))
    options.events.failed({ what: 'queue', error })
  })
}

type Outcome = { readonly kind: 'snooze'; readonly until: Timer['poll'] } | { readonly kind: 'done' }

/** Whatever the database did, the job must ring again: a failed job would lose its task until the reconciler comes. */
async function run(options: PollWorkerOptions, job: Job, signal: AbortSignal): Promise<Outcome> {
  try {
    if (job.name === LOOK_JOB) return await options.poll(keyOf(job.data, options.now()), signal)
    if (job.name !== TRACK_JOB)
      throw new InvalidInputError('name', `A job named ${show(job.name)} is not known here. Accepted: "${TRACK_JOB}".`)
    await options.track(parseTrackJob(job, options.now()))
    await failPoint('track.stored')
    return { kind: 'done' }
  } catch (error) {
    if (error instanceof InvalidInputError) {
      options.events.failed({ what: 'a job was refused: it', error })
      throw new UnrecoverableError(error.message)
    }
    if (!signal.aborted) options.events.failed({ what: `job "${job.name}", will be retried`, error })
    return { kind: 'snooze', until: { at: new Date(options.now().getTime() + RETRY_MS + RETRY_SPREAD_MS * Math.random()), last: false } }
  }
}

/** Our own jobs hold what `poll-timers` put there; anything else is refused like a malformed request. */
function keyOf(data: unknown, now: Date): TaskKey {
  const { app, taskId } = parseTrackRequest(withoutDeadline(data), now)
  return { app, taskId }
}

function withoutDeadline(data: unknown): unknown {
  if (typeof data !== 'object' || data === null || !('deadlineAt' in data)) return data
  const { deadlineAt: _, ...rest } = data
  return rest
}

/** Of a poll that becomes more urgent. Null: it does not, or its job does not know the deadline. */
function newPriorityOf(job: Job, poll: Timer['poll']): number | null {
  const data: unknown = job.data
  const deadlineAt = typeof data === 'object' && data !== null && 'deadlineAt' in data ? data.deadlineAt : null
  if (job.name !== LOOK_JOB || typeof deadlineAt !== 'number') return null
  const priority = priorityOf(poll, deadlineAt)
  return priority < job.priority ? priority : null
}

/**
 * Snoozing is not failing: it costs no attempt. It comes last, after everything is committed. A server that does not answer is
 * asked again while the job's lock may still be ours; where the outcome stays unknown (the reply was lost, the lock is gone)
 * the job is left as it is: BullMQ's stalled check or the reconciler fires again, which is harmless. It never fails the job.
 */
async function sleepUntil(
  options: PollWorkerOptions & { readonly onLockLost: (jobId: string) => void },
  job: Job,
  poll: Timer['poll'],
  token: string | undefined,
  signal: AbortSignal,
): Promise<never> {
  const giveUpAt = performance.now() + options.lockMs
  for (;;) {
    try {
      const priority = newPriorityOf(job, poll)
      if (priority !== null) await job.changePriority({ priority })
      // BullMQ reads the system clock, which need not show the same time as ours.
      await job.moveToDelayed(Math.ceil(Date.now() + poll.at.getTime() - options.now().getTime()), token)
      await failPoint('timer.set')
      break
    } catch (error) {
      if (isLockLost(error)) options.onLockLost(job.id ?? '')
      if (isAnswer(error) || signal.aborted || performance.now() > giveUpAt) {
        options.events.failed({ what: 'timer, left to the reconciler', error })
        break
      }
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }
  throw new DelayedError()
}

/** BullMQ's own refusals (no lock, not active any more) carry a negative number; asking again would not help. */
function isAnswer(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && error.code < 0
}

/** `JobLockNotExist` and `JobLockMismatch` of BullMQ's error codes. */
const LOCK_CODES: ReadonlySet<unknown> = new Set([-2, -6])

/** "Missing lock for job ID. command", "Lock mismatch for job ID. Cmd …" */
function jobIdIn(error: Error): string {
  return / for job (\S+)\. /.exec(error.message)?.[1] ?? ''
}

function isLockLost(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && LOCK_CODES.has(error.code)
}
