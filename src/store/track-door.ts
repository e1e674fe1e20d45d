import pg from 'pg'
import { TrackerError } from '../core/errors.ts'
import { notPermitted, roleIn } from '../core/not-permitted.ts'
import type { TrackRequest } from '../core/track-request.ts'

/** The SQL door for programs: `pg` alone, no Prisma, so that sending code stays light. */
export interface TrackDoor {
  /** Committed before it returns. @returns for each request, whether it is new */
  add(requests: readonly TrackRequest[]): Promise<boolean[]>
  close(): Promise<void>
}

const CONNECT_TIMEOUT_MS = 1_800
const STATEMENT_TIMEOUT_MS = 10_000

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

/** @throws {TrackerError} from its methods: `DATABASE_UNAVAILABLE`, `SCHEMA_MISMATCH` where `migrate` has not run, or `NOT_PERMITTED` */
export function openTrackDoor(databaseUrl: string): TrackDoor {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: 4,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS,
    keepAlive: true,
    application_name: 'dingtalk-delivery sender',
    allowExitOnIdle: true,
  })
  // An idle connection that breaks is replaced by the pool; nobody waits for it.
  pool.on('error', () => undefined)
  return {
    async add(requests) {
      try {
        const { rows } = await pool.query<{ is_new: boolean }>(TRACK, [JSON.stringify(requests)])
        return rows.map((row) => row.is_new)
      } catch (error) {
        throw explained(error, databaseUrl)
      }
    },
    close: () => pool.end(),
  }
}

/** SQLSTATE of a missing function or table. */
const NOT_MIGRATED = new Set(['42883', '42P01', '3F000'])

/** SQLSTATE of a right that the role lacks. */
const NOT_PERMITTED = '42501'

function explained(error: unknown, databaseUrl: string): TrackerError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const said = error instanceof Error ? error.message.replaceAll(/\/\/[^@/\s]*@/g, '//***@') : String(error)
  if (NOT_MIGRATED.has(code)) {
    return new TrackerError('SCHEMA_MISMATCH', `The database has no tables for tracking (${said}). Run: dingtalk-delivery migrate`, {
      cause: error,
    })
  }
  if (code === NOT_PERMITTED) return notPermitted({ said, role: roleIn(databaseUrl), groups: ['delivery_send', 'delivery_worker'] }, error)
  return new TrackerError('DATABASE_UNAVAILABLE', `The database did not take the task (${said}). Check DATABASE_URL and the server.`, {
    cause: error,
  })
}
