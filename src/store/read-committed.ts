import type { Pool } from 'pg'
import { retrying } from './database-errors.ts'
import type { Row } from './rows.ts'

/**
 * One statement in a transaction of its own, in which each statement of a function sees what was committed before it, whatever the database's
 * default is. Tried again like any other.
 */
export function readCommitted(pool: Pool, statement: string, values: readonly unknown[]): Promise<Row[]> {
  return retrying(async () => {
    const client = await pool.connect()
    let isWhole = false
    // The pool does not listen to a connection that it lent; the statement on it rejects as well.
    const onError = (): void => undefined
    client.on('error', onError)
    try {
      await client.query('BEGIN ISOLATION LEVEL READ COMMITTED')
      const { rows } = await client.query<Row>(statement, [...values])
      await client.query('COMMIT')
      isWhole = true
      return rows
    } finally {
      client.off('error', onError)
      // A connection whose transaction failed is closed: that is its ROLLBACK.
      client.release(!isWhole)
    }
  })
}
