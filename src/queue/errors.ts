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
  return Object.assign(new Error(shorten(errorText(error))), {
    name,
    ...(stack !== undefined && { stack: shorten(errorText(stack)) }),
    ...code,
  })
}

/** What to do, by what Redis or its client said. The first that matches counts. */
const REDIS_REMEDIES: ReadonlyArray<readonly [said: RegExp, remedy: string]> = [
  [/^OOM /, 'Redis is full: give it more memory (maxmemory), and keep maxmemory-policy noeviction.'],
  [
    /^READONLY /,
    'QUEUE_URL names a replica: give the primary, or the sentinels that know it (redis+sentinel://HOST:26379,HOST:26379/MASTER).',
  ],
  [/\bWRONGPASS\b.*sentinel|sentinel.*\bWRONGPASS\b/, 'Check sentinel_username and sentinel_password in QUEUE_URL.'],
  [/sentinel.*\bNOAUTH\b/, 'The sentinels want a password: give it as ?sentinel_password=… in QUEUE_URL.'],
  [/\bWRONGPASS\b/, 'Check user and password in QUEUE_URL.'],
  [/\bNOAUTH\b/, 'Redis wants a password: give it in QUEUE_URL.'],
  [
    /^(MOVED|CROSSSLOT) /,
    'QUEUE_URL names one node of a Redis Cluster: write it as redis+cluster://HOST:PORT,HOST:PORT with several of its nodes.',
  ],
  [
    /^CLUSTERDOWN /,
    'A part of the Redis Cluster has no primary. It must be repaired; QUEUE_URL must be redis+cluster://HOST:PORT,HOST:PORT.',
  ],
  [
    /unknown command '?sentinel/i,
    'QUEUE_URL is redis+sentinel://, and a host in it is no sentinel: give the port of the sentinels, or write redis://.',
  ],
  [/cluster support disabled/, 'QUEUE_URL is redis+cluster://, and the server is no node of a cluster: write redis://.'],
  [
    /^(ERR )?unknown command/i,
    'If QUEUE_URL names a Redis Sentinel, write it as redis+sentinel://HOST:26379,HOST:26379/MASTER; otherwise the command is disabled in Redis.',
  ],
  [
    /failed to connect to sentinel/,
    'Check the hosts and ports in QUEUE_URL. With rediss+sentinel:// the sentinels need TLS too (else give sentinel_tls=no), with certificates that Node accepts: see NODE_EXTRA_CA_CERTS.',
  ],
  [
    /\bcertificate\b|altnames/,
    'Node does not accept the certificate of the server in QUEUE_URL: give its authority as NODE_EXTRA_CA_CERTS, and the host by a name that it has.',
  ],
  [/no sentinel knows a master/, 'Check the name after the hosts in QUEUE_URL: "SENTINEL MASTERS" lists those that there are.'],
]
const REMEDY = 'Check QUEUE_URL and the server; a tracker with databaseUrl needs no queue.'

/** How ioredis reports, in terms of its options, that there is no connection. */
const GONE =
  /max retries per request limit|Stream isn't writeable|Connection is closed|Cluster isn't ready|None of startup nodes|Cluster is ended|Command aborted due to connection close/

export function isOnlyGone(error: unknown): boolean {
  // That of a sentinel is all that is ever known: the client keeps why it was closed, a certificate perhaps, to itself.
  return error instanceof Error && GONE.test(error.message) && !error.message.startsWith('failed to connect to sentinel')
}

/** A server that is there, and is of another kind than QUEUE_URL says: no command can succeed. */
const OTHER_KIND = /^(ERR )?(MOVED \d|CROSSSLOT |unknown command|This instance has cluster support disabled)/i

/** The error with its remedy where the server is of another kind than QUEUE_URL says. Any other error as it is. */
export function explainKind(error: unknown): unknown {
  return error instanceof Error && OTHER_KIND.test(error.message) ? queueError(error) : error
}

/**
 * The message of an error of the connection, with its reason where the client has that in another place.
 * @param fromSentinel what the sentinel that was asked last answered
 * @param fromNode why a node of a cluster could not be reached
 */
export function connectionMessage(error: Error, fromSentinel: unknown, fromNode: unknown): string {
  if ('lastNodeError' in error && error.lastNodeError instanceof Error) {
    const isExplained = isOnlyGone(error.lastNodeError) && fromNode instanceof Error
    return isExplained ? fromNode.message : error.lastNodeError.message
  }
  if (!error.message.startsWith('All sentinels are unreachable') || !(fromSentinel instanceof Error)) return error.message
  return /invalid reply: null|No such master/.test(fromSentinel.message) ? 'no sentinel knows a master of that name' : fromSentinel.message
}

function unavailable(cause: unknown): TrackerError {
  const said = isOnlyGone(cause) ? 'the connection is lost' : shorten(errorText(cause))
  const suffix = said === '' ? '' : ` (${said})`
  return new TrackerError('QUEUE_UNAVAILABLE', `The queue did not do its part${suffix}. ${findRemedy(cause, said)}`, { cause })
}

/** Redis repeats the arguments of a command that it does not know. They may name people. */
function shorten(said: string): string {
  return said.replace(/(unknown command\s\S+), with args.*$/is, '$1')
}

function findRemedy(cause: unknown, said: string): string {
  return redisRemedy(said) ?? postgresRemedy(cause, 'QUEUE_URL') ?? REMEDY
}

/** What to do about what Redis or its client said; null where nothing is known. */
function redisRemedy(said: string): string | null {
  const text = said.replace(/^Too many Cluster redirections\. Last error: /, '').replace(/^(Reply)?Error: /, '')
  return REDIS_REMEDIES.find(([pattern]) => pattern.test(text))?.[1] ?? null
}

/** The error as a finding shows it. */
export function describeQueueError(error: unknown): { readonly detail: string; readonly remedy: string | null } {
  const detail = shorten(errorText(error))
  return { detail, remedy: redisRemedy(detail) }
}
