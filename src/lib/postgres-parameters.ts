import { quote } from '../domain/quote.ts'

/** A fault of an address: names the parameter, its value (never a password) and the remedy, as the end of a sentence about the address. */
export class AddressFault extends Error {
  override readonly name = 'AddressFault'
}

/** What was given for each parameter: decoded, with the name that the user knows it by. */
export type Given = ReadonlyMap<string, { readonly text: string; readonly label: string }>

export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
export type SslMode = (typeof SSL_MODES)[number]

export const TARGETS = ['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby'] as const
export type TargetSession = (typeof TARGETS)[number]

const TLS_VERSIONS = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const

export interface TlsParameters {
  readonly mode: SslMode
  /** Path of the certificates of CAs, or `system`. Undefined: those that Node knows. */
  readonly rootCert: string | undefined
  /** Paths of the client's own certificate and key, and of a list of revoked certificates. */
  readonly cert: string | undefined
  readonly key: string | undefined
  readonly keyPassword: string | undefined
  readonly crl: string | undefined
  readonly minVersion: (typeof TLS_VERSIONS)[number] | undefined
  readonly maxVersion: (typeof TLS_VERSIONS)[number] | undefined
  /** The handshake comes first, without the request for it: PostgreSQL 17 and later. */
  readonly isDirect: boolean
  readonly channelBinding: 'disable' | 'prefer' | 'require'
}

export interface Parameters {
  /** Undefined: PGUSER, else the user of the system. */
  readonly user: string | undefined
  /** Undefined: PGPASSWORD, else from `passFile`. Not enumerable, so that it is not shown with the settings of a pool. */
  readonly password: string | undefined
  /** Path of a file of passwords. Undefined: PGPASSFILE, else ~/.pgpass. */
  readonly passFile: string | undefined
  /** Undefined: PGDATABASE, else the name of the user. */
  readonly database: string | undefined
  readonly tls: TlsParameters
  readonly target: TargetSession
  /** The servers are tried in random order. */
  readonly isBalanced: boolean
  /** How long one server may take to answer, and how long a statement waits for a connection of the pool. Undefined: the program's own limits. */
  readonly connectTimeoutMs: number | undefined
  readonly poolTimeoutMs: number | undefined
  /** Prisma's name for the size of the pool. */
  readonly connectionLimit: number | undefined
  readonly applicationName: string | undefined
  readonly keepAlive: boolean
  readonly keepAliveIdleMs: number
  /** Settings of the session, from `options` and from parameters of their name. They are set after the log-in, because PgBouncer refuses them before. */
  readonly settings: ReadonlyMap<string, string>
  /** `options` that are no settings, such as those of Neon. They are sent with the log-in. */
  readonly startupOptions: string | undefined
  /** Prisma's name for the schema of the tables. */
  readonly schema: string | undefined
}

/** Settings that `pg` and others take as parameters of the address. */
const SETTINGS = ['lock_timeout', 'idle_in_transaction_session_timeout'] as const

/** Accepted without effect: they tune what Node or this program does by itself, or switch on what is always on. */
const WITHOUT_EFFECT = [
  ...[
    'pgbouncer',
    'statement_cache_size',
    'uselibpqcompat',
    'sslcompression',
    'sslsni',
    'gssencmode',
    'gssdelegation',
    'krbsrvname',
    'gsslib',
  ],
  ...['keepalives_interval', 'keepalives_count', 'tcp_user_timeout', 'fallback_application_name', 'client_encoding'],
] as const

/** Of WITHOUT_EFFECT, the values that would ask for something that is not done. */
const REFUSED_VALUES: Readonly<Record<string, { readonly refused: RegExp; readonly remedy: string }>> = {
  gssencmode: { refused: /^require$/, remedy: 'encryption by GSSAPI is not available; use TLS with sslmode=verify-full' },
  client_encoding: { refused: /^(?!(?:utf-?8|unicode|auto)$)/i, remedy: 'this program speaks UTF8 only; leave it out' },
  sslsni: { refused: /^0$/, remedy: 'the name of the host is always sent; leave it out' },
}

/** Known to libpq or Prisma, and not done here: the parameter, and what to do instead. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  hostaddr: 'give the IP address as the host; for sslmode=verify-full, a name that leads to it',
  service: 'write what the service file says into the address',
  servicefile: 'write what the service file says into the address',
  require_auth: 'leave it out; sslmode=verify-full makes sure of the server',
  requirepeer: 'leave it out; protect the directory of the socket',
  sslcrldir: 'give one file with sslcrl',
  sslcertmode: 'leave it out; the certificate of sslcert is sent when the server asks for it',
  replication: 'leave it out',
  sslidentity: 'give PEM files with sslcert and sslkey',
  sslaccept: 'leave it out: sslmode=require does not check the certificate, sslmode=verify-full does',
  statement_timeout: 'leave it out: every statement has a limit of its own',
  socket_timeout: 'leave it out: every statement has a limit of its own',
  query_timeout: 'leave it out: every statement has a limit of its own',
  single_use_connections: 'leave it out',
  max_connection_lifetime: 'leave it out',
  max_idle_connection_lifetime: 'leave it out',
}

const READ = [
  ...['host', 'port', 'user', 'password', 'dbname', 'sslmode', 'ssl', 'sslrootcert', 'sslcert', 'sslkey', 'sslpassword', 'sslcrl'],
  ...['ssl_min_protocol_version', 'ssl_max_protocol_version', 'sslnegotiation', 'channel_binding', 'target_session_attrs'],
  ...['load_balance_hosts', 'connect_timeout', 'pool_timeout', 'connection_limit', 'application_name', 'options', 'schema'],
  ...['keepalives', 'keepalives_idle', 'passfile'],
] as const

const KNOWN: readonly string[] = [...READ, ...SETTINGS, ...WITHOUT_EFFECT]

/** @throws {AddressFault} */
export function readParameters(given: Given): Parameters {
  for (const [name, { text, label }] of given) refuseUnknown(name, text, label)
  const text = (name: (typeof READ)[number]): string | undefined => given.get(name)?.text || undefined
  return {
    ...{ user: text('user'), password: text('password'), passFile: text('passfile'), database: text('dbname'), schema: text('schema') },
    tls: readTls(given),
    target: oneOf(given, 'target_session_attrs', TARGETS) ?? 'any',
    isBalanced: oneOf(given, 'load_balance_hosts', ['disable', 'random']) === 'random',
    connectTimeoutMs: milliseconds(wholeNumber(given, 'connect_timeout', 0, 3_600)),
    poolTimeoutMs: milliseconds(wholeNumber(given, 'pool_timeout', 0, 3_600)),
    connectionLimit: wholeNumber(given, 'connection_limit', 1, 1_000),
    applicationName: text('application_name'),
    keepAlive: oneOf(given, 'keepalives', ['0', '1']) !== '0',
    keepAliveIdleMs: (wholeNumber(given, 'keepalives_idle', 0, 86_400) ?? 0) * 1_000,
    ...readSettings(given),
  }
}

function refuseUnknown(name: string, text: string, label: string): void {
  const instead = UNSUPPORTED[name]
  if (instead !== undefined) throw new AddressFault(`has ${label}=${quote(text)}, which is not supported: ${instead}`)
  if (!KNOWN.includes(name)) throw new AddressFault(`has the parameter ${quote(name)}, which is not known. Known: ${KNOWN.join(', ')}`)
  const value = REFUSED_VALUES[name]
  if (value?.refused.test(text)) throw new AddressFault(`has ${label}=${quote(text)}, which is not supported: ${value.remedy}`)
}

/** 0 stands for "no limit" in libpq and Prisma. The program's own limit then holds. */
function milliseconds(seconds: number | undefined): number | undefined {
  return seconds === undefined || seconds === 0 ? undefined : seconds * 1_000
}

function oneOf<const T extends string>(given: Given, name: string, accepted: readonly T[]): T | undefined {
  const found = given.get(name)
  if (found === undefined || found.text === '') return undefined
  const value = accepted.find((each) => each === found.text)
  if (value === undefined) throw new AddressFault(`has ${found.label}=${quote(found.text)}. Accepted: ${accepted.join(', ')}`)
  return value
}

function wholeNumber(given: Given, name: string, min: number, max: number): number | undefined {
  const found = given.get(name)
  if (found === undefined || found.text === '') return undefined
  const value = Number(found.text)
  if (/^\d{1,9}$/.test(found.text) && value >= min && value <= max) return value
  throw new AddressFault(`has ${found.label}=${quote(found.text)}. Accepted: a whole number from ${min} to ${max}`)
}

/** `ssl` is the word of `pg` and of JDBC. */
const SSL_WORDS: Readonly<Record<string, SslMode>> = {
  ...{ true: 'verify-full', 1: 'verify-full', false: 'disable', 0: 'disable', 'no-verify': 'require' },
}

function readTls(given: Given): TlsParameters {
  const text = (name: (typeof READ)[number]): string | undefined => given.get(name)?.text || undefined
  const rootCert = text('sslrootcert')
  const ssl = oneOf(given, 'ssl', Object.keys(SSL_WORDS))
  // `no-verify` is a mode of `pg` alone.
  const asked = text('sslmode') === 'no-verify' ? 'require' : (oneOf(given, 'sslmode', SSL_MODES) ?? SSL_WORDS[ssl ?? ''])
  if (rootCert === 'system' && asked !== undefined && asked !== 'verify-full')
    throw new AddressFault(
      `has sslrootcert=system with sslmode=${asked}: anybody can get a certificate of a public CA, so give sslmode=verify-full`,
    )
  const mode = asked ?? (rootCert === 'system' ? 'verify-full' : 'prefer')
  const isDirect = oneOf(given, 'sslnegotiation', ['postgres', 'direct']) === 'direct'
  const [cert, key] = [text('sslcert'), text('sslkey')]
  assertTogether({ mode, isDirect, cert, key })
  return {
    ...{ mode, rootCert, cert, key, keyPassword: text('sslpassword'), crl: text('sslcrl'), isDirect },
    minVersion: oneOf(given, 'ssl_min_protocol_version', TLS_VERSIONS),
    maxVersion: oneOf(given, 'ssl_max_protocol_version', TLS_VERSIONS),
    channelBinding: oneOf(given, 'channel_binding', ['disable', 'prefer', 'require']) ?? 'disable',
  }
}

/** @throws {AddressFault} where parameters contradict each other */
function assertTogether({ mode, isDirect, cert, key }: Pick<TlsParameters, 'mode' | 'isDirect' | 'cert' | 'key'>): void {
  if (isDirect && (mode === 'disable' || mode === 'allow' || mode === 'prefer'))
    throw new AddressFault(`has sslnegotiation=direct with sslmode=${mode}: give sslmode=require or stronger`)
  if ((cert === undefined) !== (key === undefined))
    throw new AddressFault(`has ${cert === undefined ? 'sslkey without sslcert' : 'sslcert without sslkey'}: the two belong together`)
}

/** `-c name=value` or `--name=value`, as the server reads them: a backslash keeps the next character. */
const OPTION = /^\s*(?:-c\s*|--)([A-Za-z_][\w.-]*)=((?:\\.|[^\\\s])*)(?=\s|$)/s

function readSettings(given: Given): Pick<Parameters, 'settings' | 'startupOptions'> {
  const settings = new Map<string, string>()
  for (const name of SETTINGS) {
    const text = given.get(name)?.text
    if (text !== undefined && text !== '') settings.set(name, text)
  }
  const options = given.get('options')?.text ?? ''
  let rest = options
  for (let found = OPTION.exec(rest); found !== null; found = OPTION.exec(rest)) {
    const [all, name = '', value = ''] = found
    settings.set(name.replaceAll('-', '_'), value.replaceAll(/\\(.)/gs, '$1'))
    rest = rest.slice(all.length)
  }
  return rest.trim() === '' ? { settings, startupOptions: undefined } : { settings, startupOptions: rest.trim() }
}
