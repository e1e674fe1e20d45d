import type { ScopeFailure } from '../../../src/domain/plan-failed.ts'
import { PROBLEM_RULES, type ProblemCode } from '../../../src/domain/problems.ts'
import type { TestStore } from './database.ts'
import { aProblem } from './polls.ts'

/** A time relative to that of this test. */
export const inMs = (ms: number): Date => new Date(Date.now() + ms)

/** What a failed poll reports, as the table of problems has it for a scope in which no poll ever succeeded. */
export function aReport(code: ProblemCode, fields: Partial<ScopeFailure> = {}): ScopeFailure {
  const { scope, agreement, firstProbeMinutes } = PROBLEM_RULES[code]
  if (agreement === null) throw new Error(`${code} is about no pair and no app`)
  return {
    kind: scope === 'pair' || scope === 'task' ? 'pair' : 'app',
    problem: aProblem(code),
    requestedAt: new Date(),
    agreement,
    probeDelaysMs: firstProbeMinutes.map((minutes) => minutes * 60_000),
    until: null,
    ...fields,
  }
}

/** A report that pauses its scope, whoever else agrees. */
export function aPause(code: ProblemCode, fields: Partial<ScopeFailure> = {}): ScopeFailure {
  return aReport(code, { agreement: { polls: 1, tasks: 1 }, ...fields })
}

export interface ScopeRow {
  readonly pause_code: string | null
  readonly pause_detail: unknown
  readonly pause_since: Date | null
  readonly paused_until: Date | null
  readonly probing: boolean
  readonly probes: number
  readonly last_good_at: Date | null
  /** From the pause to its next probe. */
  readonly wait_ms: number | null
}

const COLUMNS = `pause_code, pause_detail, pause_since, paused_until, probing, probes, last_good_at,
  (extract(epoch FROM paused_until - pause_set_at) * 1000)::double precision AS wait_ms`

export async function appRow({ pool }: TestStore, app: string): Promise<ScopeRow | null> {
  const { rows } = await pool.query<ScopeRow>(`SELECT ${COLUMNS} FROM delivery_app WHERE app = $1`, [app])
  return rows[0] ?? null
}

export async function pairRow({ pool }: TestStore, app: string, agentId: string): Promise<ScopeRow | null> {
  const { rows } = await pool.query<ScopeRow>(`SELECT ${COLUMNS} FROM delivery_pair WHERE app = $1 AND agent_id = $2`, [app, agentId])
  return rows[0] ?? null
}

/** The next probe of every paused scope of the app is due. */
export async function letProbesBeDue({ pool }: TestStore, app: string): Promise<void> {
  for (const table of ['delivery_app', 'delivery_pair']) {
    await pool.query(`UPDATE ${table} SET paused_until = clock_timestamp() - interval '1 ms' WHERE app = $1 AND pause_code IS NOT NULL`, [
      app,
    ])
  }
}
