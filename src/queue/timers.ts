import type { JobsOptions } from 'bullmq'
import { MINUTE_MS, type TaskKey } from '../domain/delivery.ts'
import type { PlannedPoll } from '../domain/poll-times.ts'
import { failPoint } from '../lib/fail-points.ts'
import type { Clock, PollTimers, Restored, Timer } from '../polling/ports.ts'
import type { JobQueue, QueuedJob } from './connection.ts'
import { withQueueTimeout } from './timeout.ts'

export const POLL_JOB = 'poll'
/** The name that 0.1.0 gave to the same job. Such a job keeps its id until its task ends, at most a day after the upgrade. */
const POLL_JOB_0_1_0 = 'look'

export function isPollJob(name: string): boolean {
  return name === POLL_JOB || name === POLL_JOB_0_1_0
}

/** By the id that this package gave the job: the id of another job is its sender's. */
export function isPollJobId(id: string): boolean {
  return isPollJob(id.split('.', 1)[0] ?? '')
}

/** The app of a timer, by its job's id; null for the job of a sender. */
export function appOfPollJobId(id: string): string | null {
  const [, app = null] = isPollJobId(id) ? id.split('.') : []
  return app
}

/** A job holds no names, no tokens and no secrets. */
export interface PollJobData {
  readonly app: string
  readonly taskId: string
  /** Epoch milliseconds. */
  readonly deadlineAt: number
}

/**
 * BullMQ runs lower numbers first: final polls, then the polls of the tasks with the least time left when the poll is due. Each step halves that
 * time, so that a job changes its priority a dozen times in a day and not with each poll.
 */
export function priorityOf({ at, last }: PlannedPoll, deadlineAt: number): number {
  if (last) return 1
  const minutesLeft = Math.max(0, deadlineAt - at.getTime()) / MINUTE_MS
  return 2 + Math.floor(Math.log2(1 + minutesLeft))
}

/** One job a task. BullMQ refuses ids of digits only and ids with a colon. */
export function jobIdOf(key: TaskKey): string {
  return `${POLL_JOB}.${key.app}.${key.taskId}`
}

/** Jobs that are read at once. */
const BATCH = 50
/** A queue that does not answer must delay neither new tasks nor the end of old ones: the caller tries again later. */
const TIMEOUT_MS = 10_000

/** @param timeoutMs how long the queue may take for one batch, in milliseconds */
export function createPollTimers(queue: JobQueue, now: Clock, timeoutMs = TIMEOUT_MS): PollTimers {
  return {
    async set(timers) {
      await withQueueTimeout(timeoutMs, queue.addBulk(timers.map((timer) => buildJob(timer, now()))))
    },
    async restore(timers) {
      const counts = { added: 0, replaced: 0, moved: 0, left: 0 }
      for (let i = 0; i < timers.length; i += BATCH) {
        const some = timers.slice(i, i + BATCH).map((timer) => restoreOne(queue, timer, now()))
        const done = await withQueueTimeout(timeoutMs, Promise.all(some))
        for (const kind of done) counts[kind]++
      }
      return counts
    },
  }
}

function buildJob(timer: Timer, now: Date): { name: string; data: PollJobData; opts: JobsOptions } {
  return {
    name: POLL_JOB,
    data: { app: timer.key.app, taskId: timer.key.taskId, deadlineAt: timer.deadlineAt.getTime() },
    opts: {
      jobId: jobIdOf(timer.key),
      delay: Math.max(0, Math.ceil(timer.poll.at.getTime() - now.getTime())),
      priority: priorityOf(timer.poll, timer.deadlineAt.getTime()),
      removeOnComplete: true,
      removeOnFail: true,
      // Each of its polls is a trace of its own: one trace of a day would hold them all.
      telemetry: { omitContext: true },
    },
  }
}

async function restoreOne(queue: JobQueue, timer: Timer, now: Date): Promise<keyof Restored> {
  const { name, data, opts } = buildJob(timer, now)
  const job = await queue.getJob(jobIdOf(timer.key))
  if (job === undefined) {
    await queue.add(name, data, opts)
    return 'added'
  }
  switch (await job.getState()) {
    case 'completed':
    case 'failed':
    case 'unknown':
      // While a finished job has the id, `add` does nothing and reports no error.
      await job.remove()
      await failPoint('timer.removed')
      await queue.add(name, data, opts)
      return 'replaced'
    case 'delayed':
      return moveJob(job, timer, now)
    default:
      return 'left'
  }
}

/**
 * Adds the timer where there is none. Resolves with false while the one that is there runs: it may be about to leave for the queue that this one comes from,
 * as with workers of two numbers of queues, and then both would be gone.
 */
export async function handOverTimer(queue: JobQueue, timer: Timer, now: Date): Promise<boolean> {
  const job = await queue.getJob(jobIdOf(timer.key))
  if (job !== undefined) return (await job.getState()) !== 'active'
  const { name, data, opts } = buildJob(timer, now)
  await queue.add(name, data, opts)
  return true
}

/** The row is overdue and its job is still delayed: the job is later than the row says. */
async function moveJob(job: QueuedJob, timer: Timer, now: Date): Promise<'moved' | 'left'> {
  try {
    await job.changeDelay(Math.max(0, timer.poll.at.getTime() - now.getTime()))
    return 'moved'
  } catch (error) {
    // It fired meanwhile, which is what was wanted.
    if ((await job.getState()) === 'delayed') throw error
    return 'left'
  }
}
