import type { WorkerTiming } from '../app/settings.ts'
import type { Parts } from '../app/worker-deps.ts'
import type { Finding, HealthReport } from '../lib/finding.ts'
import type { PollWorker } from '../queue/worker.ts'
import type { Database } from '../store/prisma.ts'
import { blindGapsCheck, type Lateness, overdueCheck } from './checks/blind-gaps.ts'
import { consumptionCheck } from './checks/consumption.ts'
import { databaseCheck, rightsCheck, schemaCheck } from './checks/database.ts'
import { appsCheck, writesCheck } from './checks/polls.ts'
import { clockCheck, eventLoopCheck, locksCheck, poolCheck } from './checks/process.ts'
import { queueChecks, refusedJobsCheck } from './checks/queue.ts'
import type { DatabaseClock } from './clock.ts'
import type { EventLoopWatch } from './event-loop.ts'

/** A prober waits a second or some more. */
const PROBE_PATIENCE_MS = 1_500

/** The polls of a worker. Null: they have not begun, or are ending. */
type Polls = Pick<PollWorker, 'isRunning' | 'startedAt' | 'lastActiveAt' | 'locks'> | null

type Needs = Pick<Parts, 'database' | 'queue' | 'now' | 'clock'> & {
  readonly writes: Pick<Parts['writes'], 'failing'>
  readonly worker: Pick<Parts['worker'], 'problems'>
  readonly eventLoop: Pick<EventLoopWatch, 'longestMs'>
}

type Limits = Lateness & Pick<WorkerTiming, 'blockedMs'>

/**
 * Whether a worker can do its work, and does it. Each check is bounded in time, says what to do where it is not ok, and holds no secret.
 */
export async function healthOf(needs: Needs, polls: Polls, limits: Limits): Promise<HealthReport> {
  const asked = { ...needs, timeoutMs: PROBE_PATIENCE_MS }
  const [queue, queueMemory] = queueChecks(asked)
  return reportOf([
    databaseCheck(asked),
    schemaCheck(asked),
    queue,
    consumptionCheck(asked, polls, limits.overdueMs),
    writesCheck(needs.writes, needs.now()),
    appsCheck(needs.worker),
    rightsCheck(asked),
    overdueCheck(asked, limits),
    blindGapsCheck(asked, limits),
    queueMemory,
    refusedJobsCheck(asked, false),
    clockCheck(needs.clock),
    eventLoopCheck(needs.eventLoop, limits.blockedMs),
    locksCheck(polls?.locks() ?? null, needs.now()),
    poolCheck(needs.database.pool, needs.clock),
  ])
}

/** `ok` is true when every check is. */
async function reportOf(checks: ReadonlyArray<Promise<Finding>>): Promise<HealthReport> {
  const done = await Promise.all(checks)
  return { ok: done.every((each) => each.ok), checks: done }
}

/** What a server can know: it needs the database alone. */
export async function serverHealthOf(database: Database, clock: DatabaseClock, lateness: Lateness): Promise<HealthReport> {
  const asked = { database, timeoutMs: PROBE_PATIENCE_MS, readsOnly: true }
  return reportOf([
    databaseCheck(asked),
    schemaCheck(asked),
    overdueCheck(asked, lateness),
    blindGapsCheck(asked, lateness),
    clockCheck(clock),
    poolCheck(database.pool, clock),
  ])
}
