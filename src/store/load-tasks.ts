import type { ScopeState, TaskKey } from '../domain/delivery.ts'
import type { LoadedBareTask, LoadedTask } from '../polling/ports.ts'
import * as column from './columns.ts'
import { retrying } from './database-errors.ts'
import type { Database } from './prisma.ts'
import { APP_SCOPE, buildTask, COUNTS, decodePeople, decodeProblem, ERASURE, PEOPLE_TEXT, SCOPE, TASK, TASK_KEY } from './tables.ts'

/** The agent id for tasks of an app that do not bring their own. */
export type AgentIdOf = (app: string) => string | null

const WANTED = { n: column.integer('n'), ...TASK_KEY, agentId: column.nullable(column.text('agent_id')) }

/** What is known around a task. */
const AROUND = {
  usedAgentId: column.nullable(column.text('used_agent_id')),
  erasureNo: column.double('erasure_no'),
  erasures: column.json('erasures', (value) => column.decodeArrays(ERASURE, value)),
}

const PEOPLE = { people: column.nullable(column.text('people')) }

/** Many tasks with their recipients in one query, in the order of the keys; null for those that are not there. */
export async function loadTasks(
  database: Pick<Database, 'prisma'>,
  keys: readonly TaskKey[],
  agentIdOf: AgentIdOf,
): Promise<Array<LoadedTask | null>> {
  const rows = await retrying(() => selectTasks(database, keys, agentIdOf, true))
  return inOrder(keys, rows, decodeWhole)
}

/** The same, but without the recipients of tasks that have the digest of an answer. */
export async function loadForPolls(
  database: Pick<Database, 'prisma'>,
  keys: readonly TaskKey[],
  agentIdOf: AgentIdOf,
): Promise<Array<LoadedTask | LoadedBareTask | null>> {
  const rows = await retrying(() => selectTasks(database, keys, agentIdOf, false))
  return inOrder(keys, rows, (row) => (row['answerDigest'] === null ? decodeWhole(row) : decodeBare(row)))
}

const PLACE = { n: WANTED.n }

function inOrder<T>(keys: readonly TaskKey[], rows: readonly column.Row[], decode: (row: column.Row) => T): Array<T | null> {
  const tasks = new Map(rows.map((row) => [column.decodeRow(PLACE, row).n, decode(row)]))
  return keys.map((_, n) => tasks.get(n) ?? null)
}

/** Raw: one query for many keys with all that a poll needs, which a model would read in six. LATERAL with LIMIT makes it a look-up by key. */
async function selectTasks(
  database: Pick<Database, 'prisma'>,
  keys: readonly TaskKey[],
  agentIdOf: AgentIdOf,
  allPeople: boolean,
): Promise<column.Row[]> {
  const wanted = keys.map((key, n) => ({ n, ...key, agentId: agentIdOf(key.app) }))
  return await database.prisma.$queryRaw<column.Row[]>`/* load_tasks */
SELECT
  ${column.selectList({ ...TASK, ...COUNTS }, { from: 'task' })}, wanted.n AS n, coalesce(task.agent_id, wanted.agent_id) AS "usedAgentId",
  ${column.selectList(APP_SCOPE, { from: 'app', prefix: 'app.' })}, ${column.selectList(SCOPE, { from: 'pair', prefix: 'pair.' })},
  (SELECT coalesce(max(id), 0)::double precision FROM delivery_erasure) AS "erasureNo",
  (
    SELECT json_agg(${column.jsonArray(ERASURE, 'erasure')} ORDER BY erasure.id)
    FROM delivery_erasure AS erasure WHERE (erasure.app IS NULL OR erasure.app = task.app) AND task.sent_at <= erasure.erased_at
  ) AS erasures,
  CASE WHEN ${allPeople}::boolean OR task.answer_digest IS NULL THEN
    (SELECT ${PEOPLE_TEXT} FROM delivery_recipient AS person WHERE person.task_pk = task.id)
  END AS people
FROM ${column.unnest(WANTED, wanted, 'wanted')}
CROSS JOIN LATERAL (
  SELECT * FROM delivery_task AS stored WHERE stored.app = wanted.app AND stored.task_id = wanted.task_id LIMIT 1
) AS task
LEFT JOIN delivery_app AS app ON app.app = task.app
LEFT JOIN delivery_pair AS pair ON pair.app = task.app AND pair.agent_id = coalesce(task.agent_id, wanted.agent_id)`
}

function decodeWhole(row: column.Row): LoadedTask {
  const task = decodeTask(row)
  return { ...task, recipients: decodePeople(column.decodeRow(PEOPLE, row).people, task.lastGoodRequestedAt) }
}

function decodeBare(row: column.Row): LoadedBareTask {
  return { ...decodeTask(row), counts: column.decodeRow(COUNTS, row) }
}

function decodeTask(row: column.Row) {
  const task = buildTask(column.decodeRow(TASK, row))
  const { usedAgentId, erasureNo, erasures } = column.decodeRow(AROUND, row)
  const app = column.decodeRow(APP_SCOPE, row, 'app.')
  const scopes = {
    agentId: usedAgentId,
    app: { ...scopeState(app), resumedAt: app.resumedAt },
    pair: scopeState(column.decodeRow(SCOPE, row, 'pair.')),
  }
  return { ...task, erasureNo, erasures, scopes }
}

function scopeState({ lastGoodAt, pauseCode, pauseDetail, pausedUntil, witnessCode }: column.Decoded<typeof SCOPE>): ScopeState {
  const problem = decodeProblem(pauseCode, pauseDetail)
  const pause = problem === null || pausedUntil === null ? null : { problem, until: pausedUntil }
  return { lastGoodAt, hasWitness: witnessCode !== null, pause }
}
