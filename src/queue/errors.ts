import { TrackerError } from '../domain/errors.ts'
import { errorText } from '../lib/error-text.ts'
import { classifyPostgresError, connectFault, type Denial, notPermitted, postgresRemedy } from '../lib/postgres-errors.ts'

/** The error of the queue with its remedy. Neither it nor its cause has a password. */
export function queueError(error: unknown): TrackerError {
  if (error instanceof TrackerError) return error
  const cause = withoutCommand(error)
  return (
    connectFault(cause, cause.message, 'QUEUE_URL') ??
    schemaError(cause) ??
    deniedByPostgres(cause, { role: null, groups: ['delivery_worker'] }) ??
    deniedByRedis(cause) ??
    unavailable(cause)
  )
}

/** `SCHEMA_MISMATCH` where BullMQ's schema in a PostgreSQL queue is missing or of another release; null for any other error. */
export function schemaError(cause: unknown): TrackerError | null {
  const name = cause instanceof Error ? cause.name : ''
  if (name === 'SchemaMigrationRequiredError') {
    return new TrackerError('SCHEMA_MISMATCH', "The queue's schema is missing in its database. Run: npx dingtalk-delivery migrate", {
      cause,
    })
  }
  if (name === 'SchemaVersionMismatchError') {
    const remedy = 'Upgrade dingtalk-delivery-tracker on this machine.'
    return new TrackerError('SCHEMA_MISMATCH', `The queue's schema was made by a newer release. ${remedy}`, { cause })
  }
  return null
}

/** `NOT_PERMITTED` where PostgreSQL refuses the role; null for any other error. */
export function deniedByPostgres(cause: unknown, who: Omit<Denial, 'said'>): TrackerError | null {
  if (!(cause instanceof Error) || classifyPostgresError(cause) !== 'rights') return null
  return notPermitted({ ...who, said: cause.message }, cause)
}

/** `NOT_PERMITTED` where Redis refuses a command or key to its user; null for any other error. */
function deniedByRedis(cause: unknown): TrackerError | null {
  if (!(cause instanceof Error) || !/\bNOPERM\b|executing the script can't run this command/.test(cause.message)) return null
  const remedy = 'Load deploy/redis/users.acl, and set QUEUE_PREFIX to the one that it names.'
  return new TrackerError('NOT_PERMITTED', `The Redis user of QUEUE_URL lacks a right: ${errorText(cause)}. ${remedy}`, {
    cause,
  })
}

/** Redis' client attaches the command to its errors, and that of a log-in has the password: only message, stack and code are passed on. */
function withoutCommand(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(errorText(error))
  const { name, stack } = error
  const code = 'code' in error ? { code: error.code } : {}
  return Object.assign(new Error(errorText(error)), {
    name,
    ...(stack !== undefined && { stack: errorText(stack) }),
    ...code,
  })
}

/** What to do, by the word that Redis begins its refusal with. */
const REDIS_REMEDIES: Readonly<Record<string, string>> = {
  OOM: 'Redis is full: give it more memory (maxmemory), and keep maxmemory-policy noeviction.',
  READONLY: 'QUEUE_URL names a replica: give the primary.',
  WRONGPASS: 'Check user and password in QUEUE_URL.',
  NOAUTH: 'Redis wants a password: give it in QUEUE_URL.',
}
const REMEDY = 'Check QUEUE_URL and the server; a tracker with databaseUrl needs no queue.'

/** How ioredis reports, in terms of its options, that there is no connection. */
const GONE = /max retries per request limit|Stream isn't writeable|Connection is closed/

export function isOnlyGone(error: unknown): boolean {
  return error instanceof Error && GONE.test(error.message)
}

function unavailable(cause: unknown): TrackerError {
  const said = isOnlyGone(cause) ? 'the connection is lost' : errorText(cause)
  const suffix = said === '' ? '' : ` (${said})`
  return new TrackerError('QUEUE_UNAVAILABLE', `The queue did not do its part${suffix}. ${findRemedy(cause, said)}`, { cause })
}

function findRemedy(cause: unknown, said: string): string {
  const word = /^(?:ReplyError: )?([A-Z]+) /.exec(said)?.[1] ?? ''
  return REDIS_REMEDIES[word] ?? postgresRemedy(cause, 'QUEUE_URL') ?? REMEDY
}
