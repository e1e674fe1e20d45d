import type { Finding, HealthReport } from '../lib/finding.ts'
import type { WorkerScope } from '../polling/worker-scope.ts'
import type { WriteBreaker } from '../polling/write-breaker.ts'
import type { JobQueue } from '../queue/connection.ts'
import type { PollWorker } from '../queue/worker.ts'
import type { Database } from '../store/prisma.ts'
import { type Budgets, callBudgetCheck } from './checks/budget.ts'
import { databaseCheck, rightsCheck, schemaCheck } from './checks/database.ts'
import { appsCheck, blindGapsCheck, type Lateness, overdueCheck, writesCheck } from './checks/polls.ts'
import { clockCheck, eventLoopCheck, locksCheck, poolCheck } from './checks/process.ts'
import { queueChecks, refusedJobsCheck } from './checks/queue.ts'
import type { DatabaseClock } from './clock.ts'
import type { EventLoopWatch } from './event-loop.ts'
import { consumptionCheck } from './watchdog.ts'

/** A prober waits a second or some more. */
const PROBE_TIMEOUT_MS = 1_500

/** The polls of a worker. Null: they have not begun, or are ending. */
type Polls = Pick<PollWorker, 'isRunning' | 'startedAt' | 'lastActiveAt' | 'locks'> | null

interface WorkerNeeds {
  readonly database: Database
  readonly queue: JobQueue
  readonly now: () => Date
  readonly clock: DatabaseClock
  readonly writes: Pick<WriteBreaker, 'failing'>
  readonly worker: Pick<WorkerScope, 'problems'>
  readonly eventLoop: Pick<EventLoopWatch, 'longestMs'>
  readonly calls: Budgets
}

type Limits = Lateness & { readonly blockedMs: number }

/** Whether a worker can do its work, and does it. Each check has a timeout, names a remedy where it is not ok, and holds no secret. */
export async function checkWorkerHealth(worker: WorkerNeeds, polls: Polls, limits: Limits): Promise<HealthReport> {
  const needs = { ...worker, timeoutMs: PROBE_TIMEOUT_MS }
  const [queue, queueMemory] = queueChecks(needs)
  return collectReport([
    databaseCheck(needs),
    schemaCheck(needs),
    queue,
    consumptionCheck(needs, polls, limits.overdueMs),
    writesCheck(needs.writes, needs.now()),
    appsCheck(needs.worker),
    rightsCheck(needs),
    overdueCheck(needs, limits),
    blindGapsCheck(needs, limits),
    callBudgetCheck(needs, worker.calls),
    queueMemory,
    refusedJobsCheck(needs, false),
    clockCheck(needs.clock),
    eventLoopCheck(needs.eventLoop, limits.blockedMs),
    locksCheck(polls?.locks() ?? null, needs.now()),
    poolCheck(needs.database.pool, needs.clock),
  ])
}

/** The checks of a server, which needs the database alone. */
export async function checkServerHealth(
  database: Database,
  clock: DatabaseClock,
  lateness: Lateness,
  calls: Budgets,
): Promise<HealthReport> {
  const needs = { database, timeoutMs: PROBE_TIMEOUT_MS, readsOnly: true }
  return collectReport([
    databaseCheck(needs),
    schemaCheck(needs),
    overdueCheck(needs, lateness),
    blindGapsCheck(needs, lateness),
    callBudgetCheck(needs, calls),
    clockCheck(clock),
    poolCheck(database.pool, clock),
  ])
}

async function collectReport(checks: ReadonlyArray<Promise<Finding>>): Promise<HealthReport> {
  const findings = await Promise.all(checks)
  return { ok: findings.every(({ ok }) => ok), checks: findings }
}
