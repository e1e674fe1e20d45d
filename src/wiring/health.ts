import { TrackerError } from '../core/errors.ts'
import type { HealthCheck, HealthReport } from '../http/health.ts'
import { queueError } from '../queue/errors.ts'
import type { LookWorker } from '../queue/look-worker.ts'
import { scrubText } from '../redact.ts'
import { explained } from '../store/database-errors.ts'
import { readOverdue } from '../store/gauges.ts'
import { assertSchemaVersion, type Database } from '../store/prisma.ts'
import type { Parts } from './parts.ts'
import { within } from './within.ts'

/** A prober waits a second or some more. */
const PATIENCE_MS = 1_500

/** The looks of a worker. Null: they have not begun, or are ending. */
type Looks = Pick<LookWorker, 'isRunning' | 'startedAt' | 'lastActiveAt'> | null

type Needs = Pick<Parts, 'database' | 'queue' | 'now'>

/**
 * Whether a worker can do its work, and does it. Each check is bounded in time, says what to do where it is not ok, and holds no secret.
 * @param overdueMs looks that are later than this while the worker takes none off the queue are not being made
 */
export async function healthOf(needs: Needs, looks: Looks, overdueMs: number): Promise<HealthReport> {
  return reportOf([...databaseChecks(needs.database), queueCheck(needs), consumptionCheck(needs, looks, overdueMs)])
}

/** `ok` is true when every check is. */
export async function reportOf(checks: ReadonlyArray<Promise<HealthCheck>>): Promise<HealthReport> {
  const done = await Promise.all(checks)
  return { ok: done.every((each) => each.ok), checks: done }
}

/** `database`: it answers. `schema`: it is of the version that this build was made for. */
export function databaseChecks(database: Pick<Database, 'prisma' | 'pool'>): ReadonlyArray<Promise<HealthCheck>> {
  return [
    check('database', async () => {
      await patiently(database.pool.query('SELECT 1'))
      return 'answers'
    }),
    check('schema', async () => {
      await patiently(assertSchemaVersion(database.prisma)).catch((error: unknown) => {
        throw error instanceof TrackerError && error.code !== 'DATABASE_UNAVAILABLE'
          ? error
          : new Error('Not known: the database did not say.')
      })
      return 'fits this version'
    }),
  ]
}

function queueCheck({ queue }: Needs): Promise<HealthCheck> {
  return check('queue', async () => {
    const waiting = await within(PATIENCE_MS, queue.count()).catch((error: unknown) => {
      throw queueError(error)
    })
    return `answers; ${waiting} jobs wait or sleep`
  })
}

/** An idle worker with nothing due is well. Looks that are late while it idles are not. */
function consumptionCheck({ database, queue, now }: Needs, looks: Looks, overdueMs: number): Promise<HealthCheck> {
  return check('consumption', async () => {
    if (!looks?.isRunning()) throw new Error(NOT_RUNNING)
    const last = looks.lastActiveAt()
    const idleMs = now().getTime() - (last ?? looks.startedAt).getTime()
    const isIdle = idleMs >= overdueMs
    const [isPaused, overdue] = await Promise.all([
      // A queue that does not answer is the other check's to tell.
      within(PATIENCE_MS, queue.isPaused()).catch(() => false),
      isIdle ? patiently(readOverdue(database, overdueMs)) : NOTHING_OVERDUE,
    ])
    if (isPaused) throw new Error(PAUSED)
    const taken = `${last === null ? 'none was taken off the queue since the start' : 'the last one was taken off the queue'} ${seconds(idleMs)} ago`
    if (overdue.tasks > 0) throw new Error(stuck(overdue, taken))
    return `${isIdle ? 'no look is due' : 'looks are being made'}; ${taken}`
  })
}

const NOTHING_OVERDUE = { tasks: 0, oldestMs: 0 }

function stuck({ tasks, oldestMs }: typeof NOTHING_OVERDUE, taken: string): string {
  return `${tasks} looks are overdue, the oldest by ${seconds(oldestMs)}, and this worker makes none: ${taken}. ${IDLE_REMEDY}`
}

const NOT_RUNNING = 'No looks are being made: the worker has not begun (it waits for the database) or is stopping. Its log says which.'
const PAUSED = "The queue is paused, so no worker makes looks. Resume it with BullMQ's queue.resume(), or in the tool that paused it."
const IDLE_REMEDY =
  'Restart this worker. If that does not help, run "dingtalk-delivery doctor", and check that QUEUE_URL, QUEUE_NAME and QUEUE_PREFIX are the same for every worker.'

function seconds(ms: number): string {
  return `${Math.max(0, Math.round(ms / 1_000))} s`
}

async function patiently<T>(work: Promise<T>): Promise<T> {
  try {
    return await within(PATIENCE_MS, work)
  } catch (error) {
    throw explained(error)
  }
}

async function check(name: string, ask: () => Promise<string>): Promise<HealthCheck> {
  try {
    return { name, ok: true, detail: await ask() }
  } catch (error) {
    return { name, ok: false, detail: scrubText(error instanceof Error ? error.message : String(error)) }
  }
}
