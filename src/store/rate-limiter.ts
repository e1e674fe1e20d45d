import { PROBLEM_CODES } from '../domain/problems.ts'
import type { AppLimits, RateLimiter, Reservation, ScopeEvidence, WantedCalls } from '../polling/ports.ts'
import { retrying } from './database-errors.ts'
import type { PrismaClient } from './generated/client.ts'
import type { Database } from './prisma.ts'
import { problemFrom } from './problem-rows.ts'
import { resumeTasks } from './resume-tasks.ts'
import { flag, iso, millis, number, oneOf, type Row, text, time } from './rows.ts'

export interface RateLimiterOptions {
  /** Calls are reserved at most this far ahead, so that a worker which dies takes few with it. Default: 500 ms. */
  readonly horizonMs?: number
  /** How long the one probe of a paused scope keeps the others out when its answer never comes. Default: 60,000 ms. */
  readonly probeLeaseMs?: number
  /** The agent id for tasks of an app that do not bring their own. Default: none. */
  readonly agentIdOf?: (app: string) => string | null
}

/**
 * Rate, budget and pauses in rows of `delivery_app` and `delivery_pair`, by the database's clock: all workers agree without agreeing on the time.
 * Each verb is one call of an SQL function, which locks the row for no longer than the statement.
 */
export function createRateLimiter({ prisma }: Pick<Database, 'prisma'>, options: RateLimiterOptions = {}): RateLimiter & ScopeEvidence {
  const { horizonMs = 500, probeLeaseMs = 60_000, agentIdOf = () => null } = options
  return {
    reserve: (app, wanted, limits) => retrying(() => reserveCalls(prisma, app, wanted, limits, { horizonMs, probeLeaseMs })),
    async refund(app, month, calls) {
      await retrying(() => prisma.$executeRaw`SELECT delivery_refund_calls(${app}::text, ${month}::text, ${calls}::integer)`)
    },
    async recordFailure(key, agentId, { kind, problem, requestedAt, agreement, probeDelaysMs, until }) {
      const detail = JSON.stringify(problem.detail)
      const rows = await retrying(() =>
        kind === 'app'
          ? prisma.$queryRaw<Row[]>`/* report_app */
SELECT delivery_report_app(
  ${key.app}::text, ${agentIdOf(key.app)}::text, ${key.taskId}::text, ${problem.code}::text, ${detail}::jsonb, ${iso(requestedAt)}::timestamptz,
  ${agreement.polls}::integer, ${agreement.tasks}::integer, ${probeDelaysMs}::double precision[], ${iso(until)}::timestamptz
) AS paused`
          : prisma.$queryRaw<Row[]>`/* report_pair */
SELECT delivery_report_pair(
  ${key.app}::text, ${agentId}::text, ${agentIdOf(key.app)}::text, ${key.taskId}::text, ${problem.code}::text, ${detail}::jsonb,
  ${iso(requestedAt)}::timestamptz, ${agreement.polls}::integer, ${agreement.tasks}::integer, ${probeDelaysMs}::double precision[],
  ${iso(until)}::timestamptz
) AS paused`,
      )
      return rows.some((row) => flag(row, 'paused'))
    },
    async recordSuccess(key, agentId, requestedAt) {
      const rows = await retrying(
        () => prisma.$queryRaw<Row[]>`/* report_good */
SELECT scope, problem_code FROM delivery_report_good(${key.app}::text, ${agentId}::text, ${iso(requestedAt)}::timestamptz)`,
      )
      for (const row of rows) {
        const [scope, problem] = [oneOf(['app', 'pair'] as const, row, 'scope'), oneOf(PROBLEM_CODES, row, 'problem_code')]
        await resumeTasks(prisma, { app: key.app, scope, problems: [problem], agentId: scope === 'pair' ? agentId : null })
      }
      return rows.length > 0
    },
    async claimProbe(app, agentId) {
      const rows = await retrying(
        () => prisma.$queryRaw<Row[]>`/* claim_probe */
SELECT delivery_claim_probe(${app}::text, ${agentId}::text, ${probeLeaseMs}::double precision) AS claimed`,
      )
      return rows.some((row) => flag(row, 'claimed'))
    },
  }
}

async function reserveCalls(
  prisma: PrismaClient,
  app: string,
  wanted: WantedCalls,
  limits: AppLimits,
  { horizonMs, probeLeaseMs }: { readonly horizonMs: number; readonly probeLeaseMs: number },
): Promise<Reservation> {
  const rows = await prisma.$queryRaw<Row[]>`/* reserve_calls */
SELECT kind, ordinary, reserved, first_in_ms, every_ms, month, ${millis('until')} AS until, pause_code, pause_detail, calls_used, calls_reserved
FROM delivery_reserve_calls(
  ${app}::text, ${wanted.ordinary}::integer, ${wanted.reserved}::integer, ${wanted.forced}::integer, ${limits.callsPerSecond}::double precision,
  ${limits.monthlyBudget}::integer, ${horizonMs}::double precision, ${probeLeaseMs}::double precision
)`
  return reservationOf(rows[0] ?? {})
}

function reservationOf(row: Row): Reservation {
  const kind = oneOf(['granted', 'busy', 'paused', 'budget'] as const, row, 'kind')
  switch (kind) {
    case 'granted':
      return {
        kind,
        reserved: number(row, 'reserved'),
        ordinary: number(row, 'ordinary'),
        firstInMs: number(row, 'first_in_ms'),
        everyMs: number(row, 'every_ms'),
        month: text(row, 'month'),
      }
    case 'busy':
      return { kind, forMs: Math.max(1, Math.ceil(number(row, 'first_in_ms'))) }
    case 'paused':
      return { kind, until: time(row, 'until'), problem: problemFrom(text(row, 'pause_code'), row['pause_detail']) }
    case 'budget':
      return {
        kind,
        until: time(row, 'until'),
        used: number(row, 'calls_used'),
        reserved: number(row, 'calls_reserved'),
        month: text(row, 'month'),
      }
  }
}
