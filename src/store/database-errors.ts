import { channel } from 'node:diagnostics_channel'
import { TrackerError } from '../domain/errors.ts'
import { classifyPostgresError, connectFault, notPermitted, readLastLine } from '../lib/postgres-errors.ts'

/** Carries the error of every statement that is repeated: it shows what a slow poll waited for. For all databases of the process. */
const REPEATED = channel('dingtalk-delivery:statement-repeated')

/** @returns a function that removes the listener */
export function onRepeated(listener: (error: unknown) => void): () => void {
  REPEATED.subscribe(listener)
  return () => {
    REPEATED.unsubscribe(listener)
  }
}

/** Waits before the second, third and fourth attempt, ± half, so that workers which failed together do not repeat together. */
const RETRY_DELAYS_MS = [25, 100, 400]

/**
 * Runs a statement, and again after deadlocks and lost connections.
 * @param statement gets whether an earlier attempt may have been committed
 * @throws {TrackerError} `DATABASE_UNAVAILABLE` when the database does not answer, `SCHEMA_MISMATCH` when the tables are missing,
 * `NOT_PERMITTED` when the role lacks a right
 */
export async function retrying<T>(statement: (attempt: { readonly maybeCommitted: boolean }) => Promise<T>): Promise<T> {
  let maybeCommitted = false
  for (const delayMs of RETRY_DELAYS_MS) {
    try {
      return await statement({ maybeCommitted })
    } catch (error) {
      const kind = classifyPostgresError(error)
      if (kind !== 'again' && kind !== 'unknown') throw explained(error)
      maybeCommitted ||= kind === 'unknown'
      REPEATED.publish(error)
      await new Promise((resolve) => setTimeout(resolve, delayMs * (0.5 + Math.random())))
    }
  }
  return await statement({ maybeCommitted }).catch((error: unknown) => {
    throw explained(error)
  })
}

/** What is granted to `delivery_names` alone. */
const NAMES = /\bdelivery_(?:person|people|put_people)\b/
const OTHERS = ['delivery_worker', 'delivery_read', 'delivery_migrate'] as const

/**
 * An error that says what to do, where something can be done.
 * @param role of the connection, where it is known
 */
export function explained(error: unknown, role: string | null = null): unknown {
  const said = readLastLine(error)
  const connect = connectFault(error, said, 'DATABASE_URL')
  if (connect !== null) return connect
  switch (classifyPostgresError(error)) {
    case 'again':
    case 'unknown':
    case 'unavailable':
      return new TrackerError(
        'DATABASE_UNAVAILABLE',
        `The database cannot be used: ${said}. Check that it runs and that DATABASE_URL names its host, port, user, password and database.`,
        { cause: error },
      )
    case 'schema':
      return new TrackerError(
        'SCHEMA_MISMATCH',
        `The database is not what this version expects: ${said}. Run: npx dingtalk-delivery migrate`,
        {
          cause: error,
        },
      )
    case 'rights':
      return notPermitted({ said, role, groups: NAMES.test(said) ? ['delivery_names'] : OTHERS }, error)
    case 'refused':
    case 'fatal':
      return error
  }
}
