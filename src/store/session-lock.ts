import type { Pool, PoolClient } from 'pg'
import { retrying } from './database-errors.ts'

/** Any number will do that no other program in this database uses: "dtdt" in ASCII. */
const RECONCILER_LOCK = 0x64_74_64_74

/**
 * Runs `work` while this session holds an advisory lock; null when another session does.
 * The lock lives as long as its connection, so a worker that dies gives it back at once. A connection that breaks during `work` gives it back too:
 * then two may work at once, which the fences of the writes make harmless.
 */
export async function withSessionLock<T>(pool: Pool, work: () => Promise<T>): Promise<T | null> {
  const client = await retrying(() => pool.connect())
  let broken: Error | undefined
  const onError = (error: Error): void => {
    broken = error
  }
  // The pool does not listen to a connection that it lent.
  client.on('error', onError)
  try {
    return (await tryLock(client)) ? await work().finally(() => unlock(client).catch(onError)) : null
  } catch (error) {
    broken ??= error instanceof Error ? error : undefined
    throw error
  } finally {
    client.off('error', onError)
    // A connection that may still hold the lock must not go back into the pool.
    client.release(broken)
  }
}

async function tryLock(client: PoolClient): Promise<boolean> {
  const { rows } = await retrying(() => client.query<{ got: boolean }>('SELECT pg_try_advisory_lock($1) AS got', [RECONCILER_LOCK]))
  return rows[0]?.got === true
}

async function unlock(client: PoolClient): Promise<void> {
  await client.query('SELECT pg_advisory_unlock($1)', [RECONCILER_LOCK])
}
