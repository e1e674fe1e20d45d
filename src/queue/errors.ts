import { TrackerError } from '../core/errors.ts'
import { type Denial, notPermitted } from '../core/not-permitted.ts'

/** What went wrong with the queue, with the remedy. Never holds a password, nor does its cause. */
export function queueError(error: unknown): TrackerError {
  if (error instanceof TrackerError) return error
  const cause = wordsOf(error)
  return (
    schemaError(cause) ?? deniedByPostgres(cause, { role: null, groups: ['delivery_worker'] }) ?? deniedByRedis(cause) ?? unavailable(cause)
  )
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

/** SQLSTATE of a right that the role lacks. */
const INSUFFICIENT_PRIVILEGE = '42501'

/** `NOT_PERMITTED` where PostgreSQL refuses the role; null for any other error. */
export function deniedByPostgres(cause: unknown, who: Omit<Denial, 'said'>): TrackerError | null {
  if (!(cause instanceof Error) || !('code' in cause) || cause.code !== INSUFFICIENT_PRIVILEGE) return null
  return notPermitted({ ...who, said: cause.message }, cause)
}

/** The same of Redis, whose users have commands and keys. */
function deniedByRedis(cause: unknown): TrackerError | null {
  if (!(cause instanceof Error) || !/\bNOPERM\b/.test(cause.message)) return null
  const remedy = 'Load deploy/redis/users.acl, and set QUEUE_PREFIX to the one that it names.'
  return new TrackerError('NOT_PERMITTED', `The Redis user of QUEUE_URL lacks a right: ${withoutUserInfo(cause.message)}. ${remedy}`, {
    cause,
  })
}

/** Redis' client hangs the command on its errors, and that of a login has the password: what is passed on has words and a code. */
function wordsOf(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(withoutUserInfo(String(error)))
  const { name, stack } = error
  const code = 'code' in error ? { code: error.code } : {}
  return Object.assign(new Error(withoutUserInfo(error.message)), {
    name,
    ...(stack !== undefined && { stack: withoutUserInfo(stack) }),
    ...code,
  })
}

function withoutUserInfo(text: string): string {
  return text.replaceAll(/\/\/[^@/\s]*@/g, '//***@')
}

function unavailable(cause: unknown): TrackerError {
  const said = cause instanceof Error && cause.message !== '' ? ` (${withoutUserInfo(cause.message)})` : ''
  const remedy = 'Check QUEUE_URL and the server; a tracker with databaseUrl needs no queue.'
  return new TrackerError('QUEUE_UNAVAILABLE', `The queue did not do its part${said}. ${remedy}`, { cause })
}
