import { Client, type Pool } from 'pg'
import { retrying } from './database-errors.ts'

/** Any number will do that no other program in this database uses: "dtdt" in ASCII. */
const RECONCILER_LOCK = 0x64_74_64_74

/**
 * Runs `work` while a session holds an advisory lock; null when another one does.
 * The session is connected like those of `pool` and stands beside it: `work` takes connections from the pool, and in a full one it would wait for
 * the connection that waits for `work`.
 * The lock lives as long as its connection, so a worker that dies gives it back at once. A connection that breaks during `work` gives it back too:
 * then two may work at once, which the fences of the writes make harmless.
 */
export async function withSessionLock<T>({ options }: Pick<Pool, 'options'>, work: () => Promise<T>): Promise<T | null> {
  const session = await retrying(() => lockedSession(options))
  if (session === null) return null
  try {
    return await work()
  } finally {
    await session.giveBack()
  }
}

interface LockedSession {
  giveBack(): Promise<void>
}

async function lockedSession(options: Pool['options']): Promise<LockedSession | null> {
  const client = new Client(options)
  // What breaks the connection also fails its statement; an error that nobody hears ends the process.
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rows } = await client.query<{ got: boolean }>('SELECT pg_try_advisory_lock($1) AS got', [RECONCILER_LOCK])
    if (rows[0]?.got === true) return { giveBack: () => unlock(client) }
  } catch (error) {
    leave(client)
    throw error
  }
  leave(client)
  return null
}

/** Waits for the lock to be free: the end of a session takes its time on the server. */
async function unlock(client: Client): Promise<void> {
  await client.query('SELECT pg_advisory_unlock($1)', [RECONCILER_LOCK]).catch(() => undefined)
  leave(client)
}

/** Does not wait: a server that went silent never says goodbye. */
function leave(client: Client): void {
  void client.end().catch(() => undefined)
}
