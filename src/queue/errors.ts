import { TrackerError } from '../core/errors.ts'

/** What went wrong with the queue, with the remedy. Never holds a password. */
export function queueError(cause: unknown): TrackerError {
  if (cause instanceof TrackerError) return cause
  return schemaError(cause) ?? unavailable(cause)
}

/** `SCHEMA_MISMATCH` where BullMQ's schema in a PostgreSQL queue is missing or of another release; null for any other error. */
export function schemaError(cause: unknown): TrackerError | null {
  const name = cause instanceof Error ? cause.name : ''
  if (name === 'SchemaMigrationRequiredError') {
    return new TrackerError('SCHEMA_MISMATCH', "The queue's schema is missing in its database. Run: dingtalk-delivery migrate", { cause })
  }
  if (name === 'SchemaVersionMismatchError') {
    const remedy = 'Upgrade dingtalk-delivery-tracker on this machine.'
    return new TrackerError('SCHEMA_MISMATCH', `The queue's schema was made by a newer release. ${remedy}`, { cause })
  }
  return null
}

function unavailable(cause: unknown): TrackerError {
  const said = cause instanceof Error && cause.message !== '' ? ` (${cause.message.replaceAll(/\/\/[^@/\s]*@/g, '//***@')})` : ''
  const remedy = 'Check QUEUE_URL and the server; a tracker with databaseUrl needs no queue.'
  return new TrackerError('QUEUE_UNAVAILABLE', `The queue did not do its part${said}. ${remedy}`, { cause })
}
