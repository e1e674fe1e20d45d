import { PROBLEM_CODES } from '../domain/problems.ts'
import type { AppLimits, RateLimiter, Reservation, ScopeEvidence, WantedCalls } from '../polling/ports.ts'
import { createBatcher, mayBePoisoned } from './batcher.ts'
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

/** What shares a statement came within this time. Polls of an app wait as long from one reservation to the next. */
const GAP_MS = 10
/** An app whose row is locked by another worker holds up the others of its statement, and not those of the next. */
const SHARED = { maxItems: 200, parallel: 2, gapMs: GAP_MS, mayBePoisoned }

const LIFTED = {
  n: column.integer('n'),
  scope: column.oneOf('scope', ['app', 'pair']),
  problem: column.oneOf('problem_code', PROBLEM_CODES),
}
const IS_TRUE = { answer: column.flag('answer') }

/**
 * Rate, budget and pauses in rows of `delivery_app` and `delivery_pair`, by the database's clock, so the clocks of the workers do not matter.
 * Raw: each verb is one call of an SQL function, which locks the row for no longer than the statement. Reservations and successes of several apps that
 * come at the same time share a statement, in the order of the apps, so that two workers cannot wait for each other.
 */
export function createRateLimiter(database: Pick<Database, 'prisma'>, options: RateLimiterOptions = {}): RateLimiter & ScopeEvidence {
  const { prisma } = database
  const { horizonMs = 500, probeLeaseMs = 60_000, agentIdOf = () => null, callClock = null } = options
  const ask = async (question: Prisma.Sql): Promise<boolean> => {
    const rows = await retrying(() => prisma.$queryRaw<column.Row[]>`SELECT ${question} AS answer`)
    return rows.some((row) => column.decodeRow(IS_TRUE, row).answer)
  }
  const reserve = createBatcher<Request, Reservation>({
    run: (requests) => reserveCalls(database, requests, { horizonMs, probeLeaseMs, callClock }),
    ...SHARED,
    keyOf: ({ app }) => app,
  })
  const reportSuccess = createBatcher<Success, Lifted[]>({
    run: (successes) => reportSuccesses(database, successes),
    ...SHARED,
  })
  return {
    reserve: (app, wanted, limits) => reserve({ app, ...limits, ...wanted, retries: wanted.retries ?? 0 }),
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
      const lifted = await reportSuccess({ app: key.app, agentId, requestedAt })
      for (const { scope, problem } of lifted) {
        await resumeTasks(prisma, { app: key.app, scope, problems: [problem], agentId: scope === 'pair' ? agentId : null })
      }
      return lifted.length > 0
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

interface Request extends Required<WantedCalls>, AppLimits {
  readonly app: string
}

const REQUEST = {
  n: column.integer('n'),
  app: column.text('app'),
  ordinary: column.integer('ordinary'),
  retries: column.integer('retries'),
  reserved: column.integer('reserved'),
  forced: column.integer('forced'),
  callsPerSecond: column.double('per_second'),
  monthlyBudget: column.nullable(column.integer('budget')),
}

/** @param requests each of another app */
async function reserveCalls(
  database: Pick<Database, 'prisma'>,
  requests: readonly Request[],
  { horizonMs, probeLeaseMs, callClock }: ReserveOptions,
): Promise<Reservation[]> {
  const sorted = requests.toSorted(byApp).map((request, n) => ({ n, request }))
  const given = sorted.map(({ n, request }) => ({ n, ...request }))
  const rows = await retrying(
    () =>
      database.prisma.$queryRaw<column.Row[]>`/* reserve_calls */
SELECT given.n, ${column.selectList(RESERVATION, { from: 'answer' })}
FROM ${column.unnest(REQUEST, given, 'given')}
CROSS JOIN LATERAL delivery_reserve_calls(
  given.app, given.ordinary, given.retries, given.reserved, given.forced, given.per_second, given.budget,
  ${horizonMs}::double precision, ${probeLeaseMs}::double precision, ${encodeCallClock(callClock)}::jsonb
) AS answer`,
  )
  const answers = new Map(
    rows.map((row) => [sorted[column.decodeRow(PLACE, row).n]?.request, decodeReservation(column.decodeRow(RESERVATION, row))]),
  )
  return requests.map((request) => answers.get(request) ?? column.unexpected('n', null, 'an answer for each app'))
}

const PLACE = { n: REQUEST.n }

/** Rows are locked in this order. A name of an app is ASCII. */
function byApp(a: { readonly app: string }, b: { readonly app: string }): number {
  return a.app < b.app ? -1 : a.app > b.app ? 1 : 0
}

interface Success {
  readonly app: string
  readonly agentId: string | null
  readonly requestedAt: Date
}

const SUCCESS = {
  n: column.integer('n'),
  app: column.text('app'),
  agentId: column.nullable(column.text('agent_id')),
  requestedAt: column.time('requested_at'),
}

type Lifted = column.Decoded<typeof LIFTED>

/**
 * Of several for one app with one agent id only the newest counts, since it shows all that the others do.
 * @returns for each success, in their order, the pauses that it lifted
 */
async function reportSuccesses(database: Pick<Database, 'prisma'>, successes: readonly Success[]): Promise<Lifted[][]> {
  const byAge = successes.toSorted((a, b) => a.requestedAt.getTime() - b.requestedAt.getTime())
  const newest = [...new Map(byAge.map((success) => [`${success.app} ${success.agentId}`, success])).values()].sort(byApp)
  const given = newest.map((success, n) => ({ n, ...success }))
  const rows = await retrying(
    () =>
      database.prisma.$queryRaw<column.Row[]>`/* report_good */
SELECT ${column.selectList(LIFTED)}
FROM ${column.unnest(SUCCESS, given, 'given')}
CROSS JOIN LATERAL delivery_report_good(given.app, given.agent_id, given.requested_at) AS lifted`,
  )
  const lifted = rows.map((row) => column.decodeRow(LIFTED, row))
  return successes.map((success) => lifted.filter(({ n }) => newest[n] === success))
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
