import type { Finding } from '../../lib/finding.ts'
import { poolSize } from '../../lib/postgres-client.ts'
import { isPostgres, type QueueAddress, queueConnections } from '../../queue/connection.ts'
import { POOL_SIZES } from '../../store/prisma.ts'
import { warning, withDatabaseTimeout } from './check.ts'
import type { DatabaseNeeds } from './database.ts'

/** What decides how many connections a process opens. */
export interface ConnectionSettings {
  readonly databaseUrl: string
  readonly databaseConnections: number | null
  readonly queue: QueueAddress | null
}

/** The connections that each kind of process opens to PostgreSQL at most. */
export interface ConnectionSums {
  /** Database and queue together. */
  readonly worker: number
  /** Those of its queue, which may be in another server; 0 for Redis. */
  readonly queue: number
  readonly server: number
}

/** Of `serve`, besides its pool: requests to track do not wait for pages. */
const SERVER_INTAKE = 4

function sumConnections({ databaseUrl, databaseConnections, queue }: ConnectionSettings): ConnectionSums {
  const ofQueue = queue !== null && isPostgres(queue.url) ? queueConnections(queue) : 0
  const sizeOf = (needed: number): number => databaseConnections ?? poolSize(databaseUrl, needed)
  const intake = poolSize(databaseUrl, SERVER_INTAKE)
  return { worker: sizeOf(POOL_SIZES.worker) + ofQueue, queue: ofQueue, server: sizeOf(POOL_SIZES.server) + intake }
}

interface Limits {
  /** What the server, the database and the role still allow. */
  readonly free: number
  readonly max: number
}

/** How many connections the processes open, and whether the server has room for another worker. */
export function connectionsCheck(needs: DatabaseNeeds, settings: ConnectionSettings): Promise<Finding> {
  return warning('connections', async () => {
    const { rows } = await withDatabaseTimeout(needs.timeoutMs, needs.database.pool.query<Limits>(LIMITS))
    const { worker, queue, server } = sumConnections(settings)
    const { free, max } = rows[0] ?? { free: 0, max: 0 }
    const parts = queue === 0 ? '' : ` (${worker - queue} for the database, ${queue} for the queue)`
    const detail = `a worker opens ${worker} at most${parts}, serve ${server}, start ${worker + server}; ${free} of ${max} are free`
    if (free >= worker) return { detail }
    const remedy =
      'raise max_connections or the limit of the role, or lower DATABASE_CONNECTIONS and QUEUE_CONNECTIONS, or put a pooler before the server'
    return { detail, remedy }
  })
}

/** Of the server, the database and the role, the one that leaves the least. `numbackends` is readable by every role. */
const LIMITS = `/* free_connections */
WITH server AS (
  SELECT current_setting('max_connections')::integer AS max,
    current_setting('superuser_reserved_connections')::integer + coalesce(current_setting('reserved_connections', true)::integer, 0) AS reserved,
    (SELECT coalesce(sum(numbackends), 0)::integer FROM pg_stat_database) AS used
), limits AS (
  SELECT max, max - reserved - used AS free FROM server
  UNION ALL
  SELECT max, datconnlimit - (SELECT numbackends FROM pg_stat_database WHERE datname = current_database())
  FROM server, pg_database WHERE datname = current_database() AND datconnlimit >= 0
  UNION ALL
  SELECT max, rolconnlimit - (SELECT count(*)::integer FROM pg_stat_activity WHERE usename = current_user)
  FROM server, pg_roles WHERE rolname = current_user AND rolconnlimit >= 0
)
SELECT max, greatest(free, 0) AS free FROM limits ORDER BY limits.free LIMIT 1`
