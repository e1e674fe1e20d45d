import type { JobsOptions } from 'bullmq'
import { MINUTE_MS, type TaskKey } from '../domain/delivery.ts'
import type { PlannedPoll } from '../domain/poll-times.ts'
import { failPoint } from '../lib/fail-points.ts'
import type { Clock, PollTimers, Restored, Timer } from '../polling/ports.ts'
import type { JobQueue, QueuedJob } from './connection.ts'
import { withQueueTimeout } from './timeout.ts'

export const LOOK_JOB = 'poll'

/** A job holds no names, no tokens and no secrets. */
export interface PollJobData {
  readonly app: string
  readonly taskId: string
  /** Epoch milliseconds. */
  readonly deadlineAt: number
}

/**
 * BullMQ serves lower numbers first: the final polls, and then by how much time a task has left when its poll is due. Each step halves it, so
 * that a job changes its priority a dozen times in a day and not with each poll.
 */
export function priorityOf({ at, last }: PlannedPoll, deadlineAt: number): number {
  if (last) return 1
  const minutesLeft = Math.max(0, deadlineAt - at.getTime()) / MINUTE_MS
  return 2 + Math.floor(Math.log2(1 + minutesLeft))
}

/** One job a task. Neither digits only nor with a colon: BullMQ refuses such ids. */
export function jobIdOf(key: TaskKey): string {
  return `poll.${key.app}.${key.taskId}`
}

/** How many jobs are looked at side by side. */
const WIDTH = 50
/** A queue that does not answer must hold up neither new tasks nor the end of old ones: the caller comes again. */
const PATIENCE_MS = 10_000

/** @param timeoutMs how long the queue may take for one batch, in milliseconds */
export function createPollTimers(queue: JobQueue, now: Clock, timeoutMs = PATIENCE_MS): PollTimers {
  return {
    async set(timers) {
      await withQueueTimeout(timeoutMs, queue.addBulk(timers.map((timer) => jobOf(timer, now()))))
    },
    async restore(timers) {
      const counts = { added: 0, replaced: 0, moved: 0, left: 0 }
      for (let i = 0; i < timers.length; i += WIDTH) {
        const some = timers.slice(i, i + WIDTH).map((timer) => restoreOne(queue, timer, now()))
        const done = await withQueueTimeout(timeoutMs, Promise.all(some))
        for (const kind of done) counts[kind]++
      }
      return counts
    },
  }
}

function jobOf(timer: Timer, now: Date): { name: string; data: PollJobData; opts: JobsOptions } {
  return {
    name: LOOK_JOB,
    data: { app: timer.key.app, taskId: timer.key.taskId, deadlineAt: timer.deadlineAt.getTime() },
    opts: {
      jobId: jobIdOf(timer.key),
      delay: Math.max(0, Math.ceil(timer.poll.at.getTime() - now.getTime())),
      priority: priorityOf(timer.poll, timer.deadlineAt.getTime()),
      removeOnComplete: true,
      removeOnFail: true,
    },
  }
}

async function restoreOne(queue: JobQueue, timer: Timer, now: Date): Promise<keyof Restored> {
  const job = await queue.getJob(jobIdOf(timer.key))
  if (job === undefined) return readd(queue, timer, now, 'added')
  switch (await job.getState()) {
    case 'completed':
    case 'failed':
    case 'unknown':
      // A finished job that still holds the id swallows a new one without a word.
      await job.remove()
      await failPoint('timer.removed')
      return readd(queue, timer, now, 'replaced')
    case 'delayed':
      return moveTo(job, timer, now)
    default:
      return 'left'
  }
}

async function readd(queue: JobQueue, timer: Timer, now: Date, as: 'added' | 'replaced'): Promise<'added' | 'replaced'> {
  const { name, data, opts } = jobOf(timer, now)
  await queue.add(name, data, opts)
  return as
}

/** The row is overdue and its job still sleeps: the job is later than the row says. */
async function moveTo(job: QueuedJob, timer: Timer, now: Date): Promise<'moved' | 'left'> {
  try {
    await job.changeDelay(Math.max(0, timer.poll.at.getTime() - now.getTime()))
    return 'moved'
  } catch (error) {
    // It woke up meanwhile, which is what was wanted.
    if ((await job.getState()) === 'delayed') throw error
    return 'left'
  }
}
