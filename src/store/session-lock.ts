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
  const giveBack = await retrying(() => tryLock(pool))
  if (giveBack === null) return null
  try {
    return await work()
  } finally {
    await giveBack()
  }
}

/** @returns what gives the lock back, or null when another session holds it */
async function tryLock(pool: Pool): Promise<(() => Promise<void>) | null> {
  const client = await pool.connect()
  let broken: Error | undefined
  // The pool does not listen to a connection that it lent, and an error that nobody hears ends the process.
  const onError = (error: Error): void => {
    broken = error
  }
  client.on('error', onError)
  const release = (): void => {
    client.off('error', onError)
    // A connection that may still hold the lock must not go back into the pool.
    client.release(broken)
  }
  try {
    const { rows } = await client.query<{ got: boolean }>('SELECT pg_try_advisory_lock($1) AS got', [RECONCILER_LOCK])
    if (rows[0]?.got === true) return async () => await unlock(client).catch(onError).finally(release)
  } catch (error) {
    client.off('error', onError)
    client.release(true)
    throw error
  }
  release()
  return null
}

async function unlock(client: PoolClient): Promise<void> {
  await client.query('SELECT pg_advisory_unlock($1)', [RECONCILER_LOCK])
}
