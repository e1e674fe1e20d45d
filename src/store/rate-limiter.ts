import { PROBLEM_CODES } from '../domain/problems.ts'
import type { AppLimits, RateLimiter, Reservation, ScopeEvidence, WantedCalls } from '../polling/ports.ts'
import { type CallClock, encodeCallClock } from './call-clock.ts'
import * as column from './columns.ts'
import { retrying } from './database-errors.ts'
import { Prisma } from './generated/client.ts'
import type { Database } from './prisma.ts'
import { resumeTasks } from './resume.ts'
import { decodeProblem, SCOPE } from './tables.ts'

export interface RateLimiterOptions {
  /** Calls are reserved at most this far ahead, so that a worker which dies takes few with it. Default: 500 ms. */
  readonly horizonMs?: number
  /** How long the one probe of a paused scope keeps the others out when its answer never comes. Default: 60,000 ms. */
  readonly probeLeaseMs?: number
  /** A clock of demos and tests, by which months pass faster. Default: the real one. */
  readonly callClock?: CallClock | null
  /** The agent id for tasks of an app that do not bring their own. Default: none. */
  readonly agentIdOf?: (app: string) => string | null
}

const LIFTED = { scope: column.oneOf('scope', ['app', 'pair']), problem: column.oneOf('problem_code', PROBLEM_CODES) }
const IS_TRUE = { answer: column.flag('answer') }

/**
 * Rate, budget and pauses in rows of `delivery_app` and `delivery_pair`, by the database's clock, so the clocks of the workers do not matter.
 * Raw: each verb is one call of an SQL function, which locks the row for no longer than the statement.
 */
export function createRateLimiter({ prisma }: Pick<Database, 'prisma'>, options: RateLimiterOptions = {}): RateLimiter & ScopeEvidence {
  const { horizonMs = 500, probeLeaseMs = 60_000, agentIdOf = () => null, callClock = null } = options
  const ask = async (question: Prisma.Sql): Promise<boolean> => {
    const rows = await retrying(() => prisma.$queryRaw<column.Row[]>`SELECT ${question} AS answer`)
    return rows.some((row) => column.decodeRow(IS_TRUE, row).answer)
  }
  return {
    async reserve(app, wanted, limits) {
      const [row = {}] = await retrying(() =>
        prisma.$queryRaw<column.Row[]>(reserveCalls(app, wanted, limits, { horizonMs, probeLeaseMs, callClock })),
      )
      return decodeReservation(column.decodeRow(RESERVATION, row))
    },
    async refund(app, month, calls) {
      await retrying(() => prisma.$executeRaw`SELECT delivery_refund_calls(${app}::text, ${month}::text, ${calls}::integer)`)
    },
    recordFailure(key, agentId, { kind, problem, requestedAt, agreement, probeDelaysMs, until }) {
      const report = Prisma.sql`${key.taskId}::text, ${problem.code}::text, ${JSON.stringify(problem.detail)}::jsonb,
  ${requestedAt.toISOString()}::timestamptz, ${agreement.polls}::integer, ${agreement.tasks}::integer, ${probeDelaysMs}::double precision[],
  ${until?.toISOString() ?? null}::timestamptz`
      return ask(
        kind === 'app'
          ? Prisma.sql`delivery_report_app(${key.app}::text, ${report})`
          : Prisma.sql`delivery_report_pair(${key.app}::text, ${agentId}::text, ${agentIdOf(key.app)}::text, ${report})`,
      )
    },
    async recordSuccess(key, agentId, requestedAt) {
      const rows = await retrying(
        () => prisma.$queryRaw<column.Row[]>`
SELECT ${column.selectList(LIFTED)}
FROM delivery_report_good(${key.app}::text, ${agentId}::text, ${requestedAt.toISOString()}::timestamptz)`,
      )
      for (const row of rows) {
        const { scope, problem } = column.decodeRow(LIFTED, row)
        await resumeTasks(prisma, { app: key.app, scope, problems: [problem], agentId: scope === 'pair' ? agentId : null })
      }
      return rows.length > 0
    },
    claimProbe: (app, agentId) => ask(Prisma.sql`delivery_claim_probe(${app}::text, ${agentId}::text, ${probeLeaseMs}::double precision)`),
  }
}

const RESERVATION = {
  kind: column.oneOf('kind', ['granted', 'busy', 'paused', 'budget']),
  ordinary: column.integer('ordinary'),
  reserved: column.integer('reserved'),
  firstInMs: column.double('first_in_ms'),
  everyMs: column.double('every_ms'),
  month: column.text('month'),
  until: column.nullable(column.time('until')),
  pauseCode: SCOPE.pauseCode,
  pauseDetail: SCOPE.pauseDetail,
  callsUsed: column.integer('calls_used'),
  callsReserved: column.integer('calls_reserved'),
}

type ReserveOptions = Required<Pick<RateLimiterOptions, 'horizonMs' | 'probeLeaseMs' | 'callClock'>>

function reserveCalls(app: string, wanted: WantedCalls, limits: AppLimits, options: ReserveOptions): Prisma.Sql {
  return Prisma.sql`
SELECT ${column.selectList(RESERVATION)}
FROM delivery_reserve_calls(
  ${app}::text, ${wanted.ordinary}::integer, ${wanted.retries ?? 0}::integer, ${wanted.reserved}::integer, ${wanted.forced}::integer,
  ${limits.callsPerSecond}::double precision, ${limits.monthlyBudget}::integer,
  ${options.horizonMs}::double precision, ${options.probeLeaseMs}::double precision, ${encodeCallClock(options.callClock)}::jsonb
)`
}

function decodeReservation(row: column.Decoded<typeof RESERVATION>): Reservation {
  const { kind, ordinary, reserved, firstInMs, everyMs, month } = row
  const until = (): Date => row.until ?? column.unexpected('until', null, 'a time')
  switch (kind) {
    case 'granted':
      return { kind, reserved, ordinary, firstInMs, everyMs, month }
    case 'busy':
      return { kind, forMs: Math.max(1, Math.ceil(firstInMs)) }
    case 'paused':
      return {
        kind,
        until: until(),
        problem: decodeProblem(row.pauseCode, row.pauseDetail) ?? column.unexpected('pause_code', null, 'a problem'),
      }
    case 'budget':
      return { kind, until: until(), used: row.callsUsed, reserved: row.callsReserved, month }
  }
}
