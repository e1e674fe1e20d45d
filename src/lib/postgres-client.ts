import pg, { type ClientConfig } from 'pg'
import { TrackerError } from '../domain/errors.ts'
import { libpqEnvironment } from './libpq-environment.ts'
import { passwordFromFile } from './pass-file.ts'
import { type PostgresAddress, parsePostgresAddress } from './postgres-address.ts'
import { type Attempt, ConnectError, connectError, tooOld, WrongServer } from './postgres-connect-error.ts'
import { AddressFault, type TargetSession } from './postgres-parameters.ts'
import { tlsOptions } from './postgres-tls.ts'
import { isWithoutTls, nameOf, rememberPlain, type Way, waysAfter, waysTo } from './postgres-ways.ts'

/** What a client is opened with: the settings of `pg`, and the address that was read from a URL. */
export interface PostgresConfig extends ClientConfig {
  readonly address: PostgresAddress
}

/**
 * The settings of a connection to the server that `url` names. Every client and pool of this program is opened with them; a pool also takes
 * {@link PostgresClient} from here.
 * @throws {TrackerError} `INVALID_CONFIG` where the address cannot be read
 */
export function clientConfig(url: string) {
  return { address: readAddress(url), Client: PostgresClient }
}

/** @throws {TrackerError} `INVALID_CONFIG` */
export function readAddress(url: string): PostgresAddress {
  try {
    return parsePostgresAddress(url, libpqEnvironment())
  } catch (error) {
    if (!(error instanceof AddressFault)) throw error
    throw new TrackerError('INVALID_CONFIG', `The address of the database ${error.message}.`)
  }
}

/** How long a pool may wait for a connection: the parameters of the address go before the program's own limit. */
export function connectTimeoutMs(url: string, ownMs: number): number {
  const { connectTimeoutMs: connectMs = 0, poolTimeoutMs: poolMs = 0 } = readAddress(url)
  return Math.max(connectMs, poolMs) || ownMs
}

/** The size of a pool: the smaller of what the program needs and `connection_limit`. @param needed without such a parameter */
export function poolSize(url: string, needed: number): number {
  return readAddress(url).connectionLimit ?? needed
}

/** Shorter than the pool's own limit, whose error does not say which server was silent. */
const EARLIER_MS = 50

/**
 * Connects to the first server of its address that can be used, with or without TLS as `sslmode` says. Each attempt makes the state of `pg` anew,
 * because a client of `pg` connects once.
 */
export class PostgresClient extends pg.Client {
  readonly #config: PostgresConfig
  #isEnded = false

  /** @throws {TypeError} without the settings of {@link clientConfig} */
  constructor(config?: PostgresConfig) {
    if (config === undefined) throw new TypeError('a client is opened with what clientConfig returns')
    super({ ...config, ...logIn(config.address), ssl: false, sslnegotiation: 'postgres' })
    this.#config = config
  }

  override connect(): Promise<pg.Client>
  override connect(callback: ((error: Error) => void) | ((error: null, client: pg.Client) => void)): void
  override connect(callback?: unknown): Promise<pg.Client> | void {
    const ignore = (): void => undefined
    // Until the caller listens. An error without a listener would end the process.
    this.on('error', ignore)
    const connecting = this.#connectToOne()
    const connected = connecting.finally(() => this.off('error', ignore))
    if (typeof callback !== 'function') return connected
    // The pool listens from its callback on.
    void this.#reportTo(connecting, (error, client) => void Reflect.apply(callback, null, [error, client]))
    connected.catch(ignore)
  }

  async #reportTo(connecting: Promise<pg.Client>, report: (error: unknown, client?: pg.Client) => void): Promise<void> {
    let client: pg.Client
    try {
      client = await connecting
    } catch (error) {
      report(error)
      return
    }
    report(null, client)
  }

  override end(): Promise<void>
  override end(callback: (error: Error) => void): void
  override end(callback?: (error: Error) => void): Promise<void> | void {
    this.#isEnded = true
    return callback === undefined ? super.end() : super.end(callback)
  }

  async #connectToOne(): Promise<pg.Client> {
    const { address, connectionTimeoutMillis = 0 } = this.#config
    const limitMs = connectionTimeoutMillis || Infinity
    const giveUpAt = performance.now() + limitMs - Math.min(EARLIER_MS, limitMs / 10)
    const failed: Attempt[] = []
    let ways = waysTo(address)
    while (ways.length > 0 && !this.#isEnded) {
      const [way, ...others] = ways
      if (way === undefined) break
      const leftMs = giveUpAt - performance.now()
      if (leftMs <= 0 && failed.length > 0) break
      try {
        const shareMs = leftMs / new Set(ways.map(nameOf)).size
        await this.#attempt(way, Math.min(address.connectTimeoutMs ?? Infinity, Math.max(1, shareMs)))
        return this
      } catch (error) {
        this.#discard()
        ways = waysAfter(error, way, others)
        const goesOnPlain = isWithoutTls(error) && ways[0] !== undefined && nameOf(ways[0]) === nameOf(way)
        // With sslmode=prefer that is no failure.
        if (goesOnPlain) rememberPlain(address, way)
        else failed.push({ server: nameOf(way), host: way.host, error })
      }
    }
    throw connectError(failed, address.target)
  }

  async #attempt(way: Way, timeoutMs: number): Promise<void> {
    this.#begin(way, timeoutMs)
    const { connection } = this
    const assertBound = this.#config.address.tls.channelBinding === 'require' ? watchBinding(connection) : null
    let version: string | undefined
    connection.on('parameterStatus', ({ parameterName, parameterValue }: Readonly<Record<string, string>>) => {
      if (parameterName === 'server_version') version = parameterValue
    })
    await super.connect()
    try {
      assertBound?.()
      const fault = tooOld(version)
      if (fault !== null) throw new ConnectError('CONNECT_VERSION', fault, undefined)
      if (way.wanted !== 'any') await this.#assertKind(way.wanted)
      await this.#applySettings()
    } catch (error) {
      // The server is told, instead of being left with a broken connection.
      connection.end()
      throw error
    }
  }

  /** As if this client had just been made, for another server. Its listeners stay. */
  #begin({ host, port, encryption }: Way, timeoutMs: number): void {
    this.#discard()
    const { address, ...config } = this.#config
    const { tls } = address
    const isTls = encryption === 'tls'
    const fresh = new pg.Client({
      ...config,
      ...logIn(address),
      ...{ host, port, keepAlive: address.keepAlive, keepAliveInitialDelayMillis: address.keepAliveIdleMs },
      ssl: isTls ? tlsOptions(tls, libpqEnvironment()) : false,
      sslnegotiation: isTls && tls.isDirect ? 'direct' : 'postgres',
      enableChannelBinding: isTls && tls.channelBinding !== 'disable',
      connectionTimeoutMillis: Number.isFinite(timeoutMs) ? Math.ceil(timeoutMs) : 0,
    })
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(fresh)))
      if (!OF_EMITTER.has(name)) Object.defineProperty(this, name, property)
    // `pg` would take PGOPTIONS into the log-in, where PgBouncer refuses it.
    Object.assign(Reflect.get(this, 'connectionParameters') ?? {}, { options: address.startupOptions })
  }

  /** Drops the connection that was tried, without a word to the listeners of this client. */
  #discard(): void {
    const { connection } = this
    connection.removeAllListeners()
    connection.on('error', () => undefined)
    connection.stream.destroy()
  }

  /** Where the session is this client's own. A pooler's session is used by others next: there the settings belong to the role. */
  async #applySettings(): Promise<void> {
    const { settings } = this.#config.address
    if (settings.size === 0) return
    await super.query(APPLY, [processIdOf(this), [...settings.keys()], [...settings.values()]])
  }

  async #assertKind(wanted: TargetSession): Promise<void> {
    const { rows } = await super.query<Kind>(KIND)
    const found = rows[0]
    if (found === undefined || !FITS[wanted](found)) throw new WrongServer(WORDS[wanted])
  }
}

const OF_EMITTER: ReadonlySet<string> = new Set(['_events', '_eventsCount', '_maxListeners', 'domain'])

/** $1 the process id that the log-in returned. A pooler invents that id, so the process that answers has another. $2, $3 names and values. */
const APPLY = `SELECT pg_catalog.set_config(name, value, false) FROM unnest($2::text[], $3::text[]) AS given (name, value)
WHERE pg_catalog.pg_backend_pid() = $1::bigint`

/** The process id of `BackendKeyData`; null where there was none. The types of `pg` lack it. */
export function processIdOf(client: pg.ClientBase): number | null {
  const processId: unknown = Reflect.get(client, 'processID')
  return typeof processId === 'number' ? processId : null
}

interface Kind {
  readonly isStandby: boolean
  readonly isReadOnly: boolean
}

const KIND = `SELECT pg_catalog.pg_is_in_recovery() AS "isStandby",
  pg_catalog.pg_is_in_recovery() OR pg_catalog.current_setting('default_transaction_read_only')::boolean AS "isReadOnly"`

/** Source: PostgreSQL's manual, 34.1.2, target_session_attrs. */
const FITS: Readonly<Record<TargetSession, (kind: Kind) => boolean>> = {
  any: () => true,
  'read-write': ({ isReadOnly }) => !isReadOnly,
  'read-only': ({ isReadOnly }) => isReadOnly,
  primary: ({ isStandby }) => !isStandby,
  standby: ({ isStandby }) => isStandby,
  'prefer-standby': ({ isStandby }) => isStandby,
}

/** What a server is that does not fit. */
const WORDS: Readonly<Record<TargetSession, string>> = {
  any: '',
  'read-write': 'takes no writes',
  'read-only': 'takes writes',
  primary: 'is a standby',
  standby: 'is no standby',
  'prefer-standby': 'is no standby',
}

/** Who logs in where. What is undefined here `pg` takes from the environment. */
function logIn({ user, password, database, applicationName, passFile }: PostgresAddress): ClientConfig {
  return {
    user,
    database,
    password: password ?? passwordFromFile(passFile),
    ...(applicationName !== undefined && { application_name: applicationName }),
  }
}

/** Ends the connection before a password is sent that is not bound to the certificate. @returns a check for after the log-in */
function watchBinding(connection: pg.Connection): () => void {
  let isBound = false
  const fault = new Error('no channel binding was offered, and the address has channel_binding=require')
  const refuse = (): void => void connection.stream.destroy(fault)
  connection.on('authenticationCleartextPassword', refuse)
  connection.on('authenticationMD5Password', refuse)
  connection.on('authenticationSASL', ({ mechanisms }: { readonly mechanisms: readonly string[] }) => {
    isBound = mechanisms.includes('SCRAM-SHA-256-PLUS')
    if (!isBound) refuse()
  })
  return () => {
    if (!isBound) throw fault
  }
}
