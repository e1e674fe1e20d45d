import type { Finding, Found } from '../../lib/finding.ts'
import { withTimeout } from '../../lib/timeout.ts'
import type { JobQueue } from '../../queue/connection.ts'
import type { PollWorker } from '../../queue/worker.ts'
import { readOverdue } from '../../store/gauges.ts'
import type { Database } from '../../store/prisma.ts'
import { CheckFailed, seconds, vital, withQueueTimeout } from './check.ts'

/** The polls of a worker. Null: they have not begun, or are ending. */
export type Polls = Pick<PollWorker, 'isRunning' | 'startedAt' | 'lastActiveAt'> | null

export interface ConsumptionNeeds {
  readonly database: Pick<Database, 'pool'>
  readonly queue: Pick<JobQueue, 'isPaused'>
  readonly now: () => Date
  readonly timeoutMs: number
}

/** Whether this worker makes polls. @param overdueMs see {@link assertConsuming} */
export function consumptionCheck(needs: ConsumptionNeeds, polls: Polls, overdueMs: number): Promise<Finding> {
  return vital('consumption', IDLE_REMEDY, () => assertConsuming(needs, polls, overdueMs))
}

/**
 * An idle worker with nothing due is well. Polls that are late while it idles are not.
 * @param overdueMs polls that are later than this while the worker takes none off the queue are not being made
 * @throws {CheckFailed} and {@link Stuck} where polls are due and this worker takes none
 */
export async function assertConsuming(needs: ConsumptionNeeds, polls: Polls, overdueMs: number): Promise<Found> {
  if (polls === null) throw new CheckFailed(NOT_RUNNING, 'See the log of this worker.')
  if (!polls.isRunning()) throw new Stuck(STOPPED)
  const last = polls.lastActiveAt()
  const idleMs = needs.now().getTime() - (last ?? polls.startedAt).getTime()
  const isIdle = idleMs >= overdueMs
  const [isPaused, overdue] = await Promise.all([
    // A queue that does not answer is the other check's to tell.
    withTimeout(needs.timeoutMs, needs.queue.isPaused()).catch(() => false),
    isIdle ? withQueueTimeout(readOverdue(needs.database, overdueMs), needs.timeoutMs) : NOTHING_OVERDUE,
  ])
  if (isPaused) throw new CheckFailed(PAUSED, "Resume it with BullMQ's queue.resume(), or in the tool that paused it.")
  const taken = `${last === null ? 'none was taken off the queue since the start' : 'the last one was taken off the queue'} ${seconds(idleMs)} ago`
  if (overdue.tasks > 0) throw new Stuck(overdueWords(overdue, taken))
  return { detail: `${isIdle ? 'no poll is due' : 'polls are being made'}; ${taken}` }
}

const NOTHING_OVERDUE = { tasks: 0, oldestMs: 0 }

const NOT_RUNNING = 'No polls are being made: the worker has not begun (it waits for the database) or is stopping. Its log says which.'
const PAUSED = "The queue is paused, so no worker makes polls. Resume it with BullMQ's queue.resume(), or in the tool that paused it."
const IDLE_REMEDY =
  'Restart this worker. If that does not help, run "dingtalk-delivery doctor", and check that QUEUE_URL, QUEUE_NAME and QUEUE_PREFIX are the same for every worker.'

const STOPPED = 'This worker takes nothing off the queue: it is not connected to it yet, or has stopped from inside.'

/** This worker takes no polls, though it should. */
export class Stuck extends CheckFailed {
  constructor(what: string) {
    super(`${what} ${IDLE_REMEDY}`, IDLE_REMEDY)
  }
}

function overdueWords({ tasks, oldestMs }: typeof NOTHING_OVERDUE, taken: string): string {
  return `${tasks} polls are overdue, the oldest by ${seconds(oldestMs)}, and this worker makes none: ${taken}.`
}
