import type pg from 'pg'
import { TrackerError } from '../core/errors.ts'
import { INSUFFICIENT_PRIVILEGE, notPermitted, roleIn } from '../core/not-permitted.ts'
import { patienceMsFor, SENDER_PATIENCE_MS } from '../core/patience.ts'
import type { TrackRequest } from '../core/track-request.ts'
import { wordsOf } from '../core/words-of.ts'
import { createTrackPool, inTime, STATEMENT_TIMEOUT_MS } from './track-pool.ts'

/** The SQL door for programs: `pg` alone, no Prisma, so that sending code stays light. */
export interface TrackDoor {
  /**
   * Committed before it returns.
   * @param giveUpAt by the clock of `performance`. Default: two seconds from now, and more for very many people
   * @returns for each request, whether it is new
   */
  add(requests: readonly TrackRequest[], giveUpAt?: number): Promise<boolean[]>
  close(): Promise<void>
}

/** Every writer takes the tasks in the same order, so that no two can wait for each other; the answers come in the order of the requests. */
const TRACK = `
  SELECT is_new
  FROM (
    SELECT r.position, track_delivery(r.task_id, r.agent_id, r.user_ids, r.campaign, r.app, r.sent_at) AS is_new
    FROM (
      SELECT position, j->>'taskId' AS task_id, j->>'agentId' AS agent_id, j->>'campaign' AS campaign, j->>'app' AS app,
        (j->>'sentAt')::timestamptz AS sent_at,
        CASE WHEN jsonb_typeof(j->'userIds') = 'array' THEN ARRAY(SELECT jsonb_array_elements_text(j->'userIds')) END AS user_ids
      FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS each(j, position)
      ORDER BY j->>'app' COLLATE "C", j->>'taskId' COLLATE "C", position
    ) AS r
  ) AS tracked
  ORDER BY position`

/** Whoever has waited longer for a connection has no time left for a statement, and is told so. */
const SHORTEST_STATEMENT_MS = 200

/** @throws {TrackerError} from its methods: `DATABASE_UNAVAILABLE`, `SCHEMA_MISMATCH` where `migrate` has not run, or `NOT_PERMITTED` */
export function openTrackDoor(databaseUrl: string): TrackDoor {
  const pool = createTrackPool(databaseUrl)
  const role = roleIn(databaseUrl)

  async function connected(giveUpAt: number): Promise<pg.PoolClient> {
    try {
      return await pool.connect(giveUpAt - SHORTEST_STATEMENT_MS - performance.now())
    } catch (error) {
      throw explained(error, role, 'Nothing was stored')
    }
  }

  return {
    async add(requests, giveUpAt = performance.now() + patienceMsFor(requests)) {
      const client = await connected(giveUpAt)
      // While it is ours nobody else listens, and an error that nobody hears ends the process. The statement fails as well.
      client.on('error', ignore)
      const patienceMs = giveUpAt - performance.now()
      const longerMs = patienceMsFor(requests) - SENDER_PATIENCE_MS
      try {
        if (longerMs > 0) await inTime(patienceMs, client.query(`SET statement_timeout = ${Math.ceil(STATEMENT_TIMEOUT_MS + longerMs)}`))
        const { rows } = await inTime(patienceMs, client.query<{ is_new: boolean }>(TRACK, [JSON.stringify(requests)]))
        leave(client, longerMs > 0)
        return rows.map((row) => row.is_new)
      } catch (error) {
        const answered = isAnswer(error)
        leave(client, !answered)
        // A server that lives would have given up by then.
        if (!answered && giveUpAt - performance.now() <= 0 && patienceMs > STATEMENT_TIMEOUT_MS + longerMs) pool.renew()
        throw explained(error, role, answered ? 'Nothing was stored' : 'It may have been stored nevertheless')
      }
    },
    close: () => pool.close(),
  }
}

const ignore = (): void => undefined

function leave(client: pg.PoolClient, forGood: boolean): void {
  client.off('error', ignore)
  client.release(forGood)
}

/** The server refused the statement, so nothing of it is there. With a broken connection nobody can say. */
function isAnswer(error: unknown): boolean {
  return error instanceof Error && 'severity' in error && error.severity === 'ERROR'
}

/** What to do, by SQLSTATE or its class. Source: PostgreSQL's manual, appendix A. */
const REMEDIES: Readonly<Record<string, string>> = {
  '25006': 'DATABASE_URL names a server that may only be read: give the primary.',
  '28': 'Check user and password in DATABASE_URL, and pg_hba.conf of the server.',
  '3D000': 'Check the name of the database in DATABASE_URL, or create it.',
  '53': 'The server is out of connections, memory or disk: give it more.',
  '57014': 'The server is overloaded, or somebody has locked delivery_task.',
}

/** SQLSTATE of a missing function, table or schema. */
const NOT_MIGRATED = new Set(['42883', '42P01', '3F000'])

/** @param outcome what the sender must know of the tasks */
function explained(cause: unknown, role: string | null, outcome: string): TrackerError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const said = wordsOf(cause)
  if (NOT_MIGRATED.has(code)) {
    return new TrackerError('SCHEMA_MISMATCH', `The database has no tables for tracking (${said}). Run: dingtalk-delivery migrate`, {
      cause,
    })
  }
  if (code === INSUFFICIENT_PRIVILEGE) return notPermitted({ said, role, groups: ['delivery_send', 'delivery_worker'] }, cause)
  const remedy = REMEDIES[code] ?? REMEDIES[code.slice(0, 2)] ?? 'Check DATABASE_URL and the server.'
  const message = `The database did not take the task (${said}). ${outcome}; tracking it again is safe. ${remedy}`
  return new TrackerError('DATABASE_UNAVAILABLE', message, { cause })
}
