import type { Finding, Found } from '../lib/finding.ts'
import { type Interval, startInterval } from '../lib/interval.ts'
import { withTimeout } from '../lib/timeout.ts'
import type { WriteBreaker } from '../polling/write-breaker.ts'
import type { JobQueue } from '../queue/connection.ts'
import type { PollWorker } from '../queue/worker.ts'
import { readOverdue } from '../store/gauges.ts'
import type { Database } from '../store/prisma.ts'
import { CheckFailed, required, seconds, withDatabaseTimeout } from './checks/check.ts'

// Considered: BullMQ's own stalled check, which runs inside the workers that may be wedged.

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
  return required('consumption', IDLE_REMEDY, () => assertConsuming(needs, polls, overdueMs))
}

/**
 * A worker that is idle while nothing is due is well. A worker that is idle while polls are late is not.
 * @param overdueMs a poll that is later than this is late
 * @throws {CheckFailed} and {@link Stuck} where polls are due and this worker takes none
 */
async function assertConsuming(needs: ConsumptionNeeds, polls: Polls, overdueMs: number): Promise<Found> {
  if (polls === null) throw new CheckFailed(NOT_RUNNING, 'See the log of this worker.')
  if (!polls.isRunning()) throw new Stuck(STOPPED)
  const last = polls.lastActiveAt()
  const idleMs = needs.now().getTime() - (last ?? polls.startedAt).getTime()
  const isIdle = idleMs >= overdueMs
  const [isPaused, overdue] = await Promise.all([
    // The check of the queue reports a queue that does not answer.
    withTimeout(needs.timeoutMs, needs.queue.isPaused()).catch(() => false),
    isIdle ? withDatabaseTimeout(needs.timeoutMs, readOverdue(needs.database, overdueMs)) : NOTHING_OVERDUE,
  ])
  if (isPaused) throw new CheckFailed(PAUSED, "Resume it with BullMQ's queue.resume(), or in the tool that paused it.")
  const taken = `${last === null ? 'none was taken off the queue since the start' : 'the last one was taken off the queue'} ${seconds(idleMs)} ago`
  if (overdue.tasks > 0)
    throw new Stuck(`${overdue.tasks} polls are overdue, the oldest by ${seconds(overdue.oldestMs)}, and this worker makes none: ${taken}.`)
  return { detail: `${isIdle ? 'no poll is due' : 'polls are being made'}; ${taken}` }
}

const NOTHING_OVERDUE = { tasks: 0, oldestMs: 0 }

const NOT_RUNNING = 'No polls are being made: the worker has not begun (it waits for the database) or is stopping. Its log says which.'
const PAUSED = "The queue is paused, so no worker makes polls. Resume it with BullMQ's queue.resume(), or in the tool that paused it."
const IDLE_REMEDY =
  'Restart this worker. If that does not help, run "npx dingtalk-delivery doctor", and check that QUEUE_URL, QUEUE_NAME and QUEUE_PREFIX are the same for every worker.'
const STOPPED = 'This worker takes nothing off the queue: it is not connected to it yet, or has stopped from inside.'

/** This worker takes no polls although polls are due. */
class Stuck extends CheckFailed {
  constructor(cause: string) {
    super(`${cause} ${IDLE_REMEDY}`, IDLE_REMEDY)
  }
}

interface WatchNeeds extends ConsumptionNeeds {
  readonly queue: ConsumptionNeeds['queue'] & { count(): Promise<number> }
  readonly writes: Pick<WriteBreaker, 'failing'>
  /** False: it was just found that no task is open. */
  readonly mayBeOverdue: () => boolean
}

/**
 * Calls `onWedged` once this worker has taken no polls for `wedgedMs` although polls are due and database and queue answer. A new process is
 * ready within a second; a wedged one misses polls until an operator reads `/readyz`.
 */
export function startWatchdog(
  needs: WatchNeeds,
  polls: Polls,
  { overdueMs, wedgedMs }: { readonly overdueMs: number; readonly wedgedMs: number },
  onWedged: (detail: string) => void,
): Interval {
  let sinceMs: number | null = null
  return startInterval(
    overdueMs / 4,
    async () => {
      const detail = await findWedge(needs, polls, overdueMs)
      sinceMs = detail === null ? null : (sinceMs ?? performance.now())
      if (detail !== null && sinceMs !== null && performance.now() - sinceMs > wedgedMs) onWedged(detail)
    },
    () => undefined,
  )
}

/** Null: not wedged, or not known while a server is away. */
async function findWedge(needs: WatchNeeds, polls: Polls, overdueMs: number): Promise<string | null> {
  // A worker that keeps answers until they can be stored must not end: the answers would be lost, and their calls were metered.
  if (needs.writes.failing() !== null) return null
  // At rest nothing is asked.
  if (polls?.isRunning() === true && !needs.mayBeOverdue()) return null
  try {
    await assertConsuming(needs, polls, overdueMs)
  } catch (error) {
    if (!(error instanceof Stuck)) return null
    return withTimeout(needs.timeoutMs, needs.queue.count()).then(
      () => error.message,
      () => null,
    )
  }
  return null
}
