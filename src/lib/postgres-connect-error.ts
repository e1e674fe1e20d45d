import { AddressFault, type TargetSession } from './postgres-parameters.ts'

/**
 * How a failure to connect is dealt with, as the `code` of the error, because that is what Prisma passes on: `CONNECT_LATER`: it may succeed later;
 * `CONNECT_NEVER`: a person must act first; `CONNECT_VERSION`: the server is too old.
 */
export const CONNECT_CODES = ['CONNECT_LATER', 'CONNECT_NEVER', 'CONNECT_VERSION'] as const
export type ConnectCode = (typeof CONNECT_CODES)[number]

/** No server of an address could be used. The message is one line, with the cause and the remedy for each server. */
export class ConnectError extends Error {
  override readonly name = 'ConnectError'
  readonly code: ConnectCode

  constructor(code: ConnectCode, message: string, cause: unknown) {
    super(message.replaceAll(/\s+/g, ' '), { cause })
    this.code = code
  }
}

/** The code of an error of the connection, also where Prisma has wrapped it; null for any other error. */
export function connectCodeOf(error: unknown): ConnectCode | null {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : null
  return CONNECT_CODES.find((each) => each === code) ?? null
}

/** The server answers, and is not the kind that the address asks for. */
export class WrongServer extends Error {}

/** What an attempt failed at. */
export interface Attempt {
  /** `host:port`, or the directory of a socket. */
  readonly server: string
  readonly host: string
  readonly error: unknown
}

/** BullMQ refuses older servers, and a day of polling is tested on 13 to 18: test/ops/versions.full.test.ts. */
const OLDEST_MAJOR = 13

/** Null where the version can be used, or is not known. @param version as the server reports it, such as `12.22` or `16.4 (Debian 16.4-1)` */
export function tooOld(version: string | undefined): string | null {
  const found = /^\d+(?:\.\d+)*/.exec(version ?? '')?.[0]
  if (found === undefined || Number.parseInt(found, 10) >= OLDEST_MAJOR) return null
  return `PostgreSQL ${OLDEST_MAJOR} or later is needed, this is ${found}`
}

interface Reason {
  readonly said: string
  readonly remedy: string
  readonly code: ConnectCode
}

/** One error for all attempts. Two attempts at one server that failed alike are one. */
export function connectError(attempts: readonly Attempt[], target: TargetSession): ConnectError {
  const reasons = attempts.map((attempt) => ({ ...attempt, ...explainAttempt(attempt) }))
  const last = reasons.at(-1)
  const [first] = reasons
  if (last === undefined || first === undefined) return new ConnectError('CONNECT_LATER', 'no attempt to connect was made', undefined)
  const code = CONNECT_CODES.toReversed().find((each) => reasons.every((reason) => reason.code === each)) ?? 'CONNECT_LATER'
  const lines = [...new Set(reasons.map(({ said }) => said))]
  const remedies = [...new Set(reasons.map(({ remedy }) => remedy))].filter((remedy) => remedy !== '')
  const lead =
    target !== 'any' && reasons.some(({ error }) => error instanceof WrongServer) ? `no server fits target_session_attrs=${target}: ` : ''
  const remedy = remedies.length === 0 ? '' : `: ${remedies.join('; ')}`
  return new ConnectError(code, `${lead}${lines.join('; ')}${remedy}`, last.error)
}

function explainAttempt({ server, host, error }: Attempt): Reason {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof AddressFault) return { said: `the address ${message}`, remedy: '', code: 'CONNECT_NEVER' }
  if (error instanceof ConnectError) return { said: message, remedy: '', code: error.code }
  if (error instanceof WrongServer) return { said: `${server} ${message}`, remedy: '', code: 'CONNECT_LATER' }
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const known = SYSTEM_REASONS[code] ?? TLS_REASONS[code] ?? MESSAGE_REASONS.find(({ pattern }) => pattern.test(message))
  if (known !== undefined) return { ...known, said: fill(known.said, { server, host, code, message }) }
  if (/^[0-9A-Z]{5}$/.test(code) && /\d/.test(code)) return explainRefusal(server, code, message)
  if (/^(ERR_SSL|ERR_TLS|EPROTO|ERR_OSSL)/.test(code))
    return {
      said: `TLS with ${server} failed (${message})`,
      remedy: 'check sslmode and the TLS settings of the server',
      code: 'CONNECT_NEVER',
    }
  return {
    said: `cannot connect to ${server} (${[code, firstText(error)].filter(Boolean).join(', ')})`,
    remedy: CHECK_SERVER,
    code: 'CONNECT_LATER',
  }
}

/** A host with several addresses fails with an error that is empty but for the errors of each. */
function firstText(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return firstText(error.errors[0])
  return error instanceof Error ? error.message : String(error)
}

const fill = (text: string, values: Readonly<Record<string, string>>): string =>
  text.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '')

const unreachable = (said: string, remedy: string): Reason => ({ said: `${said} ({code})`, remedy, code: 'CONNECT_LATER' })

const CHECK_SERVER = 'check that PostgreSQL is at that host and port of the address, and firewalls on the way'

/** By the code of the system's error. A name that is not found may be a network that is down. */
const SYSTEM_REASONS: Readonly<Record<string, Reason>> = {
  // A machine without a network says EAI_AGAIN.
  ENOTFOUND: unreachable('cannot connect: the host name {host} is not found', 'check the host in the address'),
  EAI_AGAIN: unreachable('cannot connect: the host name {host} is not found', 'check the host in the address'),
  ECONNREFUSED: unreachable('cannot connect: nothing listens at {server}', 'check that PostgreSQL runs, and host and port in the address'),
  ENOENT: unreachable(
    'cannot connect: there is no socket of PostgreSQL at {server}',
    'check that PostgreSQL runs, and the directory and port in the address',
  ),
  EACCES: unreachable('cannot connect: this user may not use {server}', 'give it the right to the directory and the socket'),
  ETIMEDOUT: unreachable('cannot connect: {server} does not answer', 'check the host in the address, and firewalls on the way'),
  ECONNRESET: unreachable('cannot connect: {server} ended the connection', CHECK_SERVER),
  EPIPE: unreachable('cannot connect: {server} ended the connection', CHECK_SERVER),
  EHOSTUNREACH: unreachable('cannot connect: no way leads to {server}', 'check the host in the address, and the network of this machine'),
  ENETUNREACH: unreachable('cannot connect: no way leads to {server}', 'check the host in the address, and the network of this machine'),
}

const CA_REMEDY =
  'give the file of its CA with sslrootcert=/path/to/ca.pem in the address or in NODE_EXTRA_CA_CERTS, or sslrootcert=system where the system knows the CA'
const unknownCa: Reason = {
  said: 'the certificate of {server} is signed by a CA that is not known here ({code})',
  remedy: CA_REMEDY,
  code: 'CONNECT_NEVER',
}
const badDate = (said: string, remedy: string): Reason => ({
  said: `the certificate of {server} ${said} ({code})`,
  remedy,
  code: 'CONNECT_NEVER',
})

/** By the code of OpenSSL or Node. */
const TLS_REASONS: Readonly<Record<string, Reason>> = {
  UNABLE_TO_GET_ISSUER_CERT: unknownCa,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownCa,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownCa,
  SELF_SIGNED_CERT_IN_CHAIN: unknownCa,
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownCa,
  CERT_UNTRUSTED: unknownCa,
  CERT_SIGNATURE_FAILURE: unknownCa,
  CERT_HAS_EXPIRED: badDate('has expired', 'give the server a new one'),
  CERT_NOT_YET_VALID: badDate('is not valid yet', 'check the clocks of both machines'),
  CERT_REVOKED: badDate('is revoked', 'give the server a new one'),
  UNABLE_TO_GET_CRL: badDate(
    'cannot be checked, since sslcrl has no list of its CA',
    "give the CA's own list of revoked certificates with sslcrl",
  ),
  ERR_TLS_CERT_ALTNAME_INVALID: {
    said: 'the certificate of {server} is for another host ({message})',
    remedy: 'give the name that is in the certificate as the host, or sslmode=verify-ca, which checks the CA alone',
    code: 'CONNECT_NEVER',
  },
}

/** What has no code, by what `pg` says. */
const MESSAGE_REASONS: ReadonlyArray<Reason & { readonly pattern: RegExp }> = [
  {
    pattern: /does not support SSL connections/,
    said: '{server} has no TLS',
    remedy: 'turn it on there (ssl = on), or give sslmode=prefer or sslmode=disable in a network that you trust',
    code: 'CONNECT_NEVER',
  },
  {
    pattern: /timeout expired/,
    said: 'cannot connect: {server} does not answer (timeout)',
    remedy: 'check the host in the address, and firewalls on the way',
    code: 'CONNECT_LATER',
  },
  {
    pattern: /password must be a (non-empty )?string/i,
    said: '{server} asks for a password, and the address has none',
    remedy: 'give it in the address or in PGPASSWORD',
    code: 'CONNECT_NEVER',
  },
  {
    pattern: /Connection terminated|establishing an SSL connection/,
    said: 'cannot connect: {server} closed the connection during the log-in',
    remedy: 'check that PostgreSQL listens there, and its log',
    code: 'CONNECT_LATER',
  },
  {
    pattern: /channel binding/,
    said: '{server}: {message}',
    remedy: 'leave channel_binding away, or give the role a SCRAM password on a server with TLS',
    code: 'CONNECT_NEVER',
  },
]

/** @param code SQLSTATE */
function explainRefusal(server: string, code: string, message: string): Reason {
  const said = `${server} refused the connection (${message})`
  const remedy = REFUSAL_REMEDIES.find(({ pattern }) => pattern.test(`${code} ${message}`))?.remedy ?? ''
  const isLasting = /^(28|3D|42|08P01)/.test(code)
  return { said, remedy, code: isLasting ? 'CONNECT_NEVER' : 'CONNECT_LATER' }
}

/** By SQLSTATE and message; the first that fits. */
const REFUSAL_REMEDIES: ReadonlyArray<{ readonly pattern: RegExp; readonly remedy: string }> = [
  {
    pattern: /^28.*(no encryption|SSL off)/,
    remedy: 'the server wants TLS or has no rule for this host: give sslmode=require or stronger, and check its pg_hba.conf',
  },
  { pattern: /^28.*valid client certificate/, remedy: 'give the certificate of the client with sslcert and sslkey' },
  { pattern: /^28/, remedy: 'check user and password in the address, and pg_hba.conf of the server' },
  { pattern: /^3D/, remedy: 'check the name of the database in the address, or create it' },
  { pattern: /^42501/, remedy: 'give the role the right CONNECT on the database' },
  { pattern: /no such database/, remedy: 'check the name of the database in the address and in the pooler' },
  {
    pattern: /unsupported startup parameter/,
    remedy: 'set ignore_startup_parameters of the pooler, or leave the parameter out of the address',
  },
  { pattern: /^53300/, remedy: 'raise max_connections, or lower DATABASE_CONNECTIONS and QUEUE_CONNECTIONS' },
]
