import type { Finding, Found } from '../../lib/finding.ts'
import type { JobQueue } from '../../queue/connection.ts'
import type { LookWorker } from '../../queue/worker.ts'
import { readOverdue } from '../../store/gauges.ts'
import type { Database } from '../../store/prisma.ts'
import { within } from '../../lib/timeout.ts'
import { patiently, seconds, Unwell, vital } from './check.ts'

/** The looks of a worker. Null: they have not begun, or are ending. */
export type Looks = Pick<LookWorker, 'isRunning' | 'startedAt' | 'lastActiveAt'> | null

export interface ConsumptionNeeds {
  readonly database: Pick<Database, 'pool'>
  readonly queue: Pick<JobQueue, 'isPaused'>
  readonly now: () => Date
  readonly patienceMs: number
}

/** Whether this worker makes looks. @param overdueMs see {@link assertConsuming} */
export function consumptionCheck(needs: ConsumptionNeeds, looks: Looks, overdueMs: number): Promise<Finding> {
  return vital('consumption', IDLE_REMEDY, () => assertConsuming(needs, looks, overdueMs))
}

/**
 * An idle worker with nothing due is well. Looks that are late while it idles are not.
 * @param overdueMs looks that are later than this while the worker takes none off the queue are not being made
 * @throws {Unwell} and {@link Stuck} where looks are due and this worker takes none
 */
export async function assertConsuming(needs: ConsumptionNeeds, looks: Looks, overdueMs: number): Promise<Found> {
  if (looks === null) throw new Unwell(NOT_RUNNING, 'See the log of this worker.')
  if (!looks.isRunning()) throw new Stuck(STOPPED)
  const last = looks.lastActiveAt()
  const idleMs = needs.now().getTime() - (last ?? looks.startedAt).getTime()
  const isIdle = idleMs >= overdueMs
  const [isPaused, overdue] = await Promise.all([
    // A queue that does not answer is the other check's to tell.
    within(needs.patienceMs, needs.queue.isPaused()).catch(() => false),
    isIdle ? patiently(readOverdue(needs.database, overdueMs), needs.patienceMs) : NOTHING_OVERDUE,
  ])
  if (isPaused) throw new Unwell(PAUSED, "Resume it with BullMQ's queue.resume(), or in the tool that paused it.")
  const taken = `${last === null ? 'none was taken off the queue since the start' : 'the last one was taken off the queue'} ${seconds(idleMs)} ago`
  if (overdue.tasks > 0) throw new Stuck(overdueWords(overdue, taken))
  return { detail: `${isIdle ? 'no look is due' : 'looks are being made'}; ${taken}` }
}

const NOTHING_OVERDUE = { tasks: 0, oldestMs: 0 }

const NOT_RUNNING = 'No looks are being made: the worker has not begun (it waits for the database) or is stopping. Its log says which.'
const PAUSED = "The queue is paused, so no worker makes looks. Resume it with BullMQ's queue.resume(), or in the tool that paused it."
const IDLE_REMEDY =
  'Restart this worker. If that does not help, run "dingtalk-delivery doctor", and check that QUEUE_URL, QUEUE_NAME and QUEUE_PREFIX are the same for every worker.'

const STOPPED = 'This worker takes nothing off the queue: it is not connected to it yet, or has stopped from inside.'

/** This worker takes no looks, though it should. */
export class Stuck extends Unwell {
  constructor(what: string) {
    super(`${what} ${IDLE_REMEDY}`, IDLE_REMEDY)
  }
}

function overdueWords({ tasks, oldestMs }: typeof NOTHING_OVERDUE, taken: string): string {
  return `${tasks} looks are overdue, the oldest by ${seconds(oldestMs)}, and this worker makes none: ${taken}.`
}
