import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { describe } from 'vitest'
import { accountFor } from '../../src/embedded/home.ts'
import { CANARIES } from './canaries.ts'
import { freePort } from './free-port.ts'
import { ROLES, urlAs } from './roles.ts'
import { until } from './wait.ts'

/** A PgBouncer in transaction mode with its defaults, in front of one server. */
export interface PgBouncer {
  /** The same database by the same user, through the pooler. */
  through(databaseUrl: string): string
  stop(): Promise<void>
}

/** Fewer than a worker has, so that its statements meet on sessions that others have used. */
const SERVER_CONNECTIONS = 3

let available: boolean | undefined

function pgbouncerAvailable(): boolean {
  available ??= spawnSync('pgbouncer', ['--version']).status === 0
  return available
}

/** A suite that needs `pgbouncer`: skipped loudly where it is missing, and a failure with `CI=true`. */
export function describePgBouncer(name: string, suite: () => void): void {
  if (!pgbouncerAvailable()) announceMissing(name)
  describe.skipIf(!pgbouncerAvailable())(name, suite)
}

function announceMissing(name: string): void {
  const message = `pgbouncer is not installed: "${name}" needs it`
  if (process.env['CI'] === 'true')
    throw new Error(`${message}, and with CI=true nothing is skipped. Install it (apt-get install pgbouncer).`)
  console.warn(`SKIPPED: ${message}`)
}

/**
 * @param databaseUrl of the server behind it
 * @param settings more lines of pgbouncer.ini, such as `{ ignore_startup_parameters: 'statement_timeout' }`
 */
export async function startPgBouncer(databaseUrl: string, settings: Readonly<Record<string, string>> = {}): Promise<PgBouncer> {
  const server = new URL(databaseUrl)
  const dir = await mkdtemp(join(tmpdir(), 'dingtalk-delivery-pgbouncer-'))
  // It refuses to run as root; the account that it runs as must get in here.
  await chmod(dir, 0o711)
  const account = await accountFor(join(dir, 'nothing'))
  const port = await freePort()
  const [ini, users] = [join(dir, 'pgbouncer.ini'), join(dir, 'users.txt')]
  await writeFile(users, usersOf(databaseUrl))
  await writeFile(ini, iniOf({ server, port, users, settings }))
  const child = spawn('pgbouncer', [ini], {
    ...(account && { uid: account.uid, gid: account.gid }),
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let output = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-4_000)
  })
  const exited = once(child, 'exit')
  const atExit = () => void child.kill('SIGKILL')
  process.once('exit', atExit)
  const through = (url: string): string => {
    const pooled = new URL(url)
    pooled.hostname = '127.0.0.1'
    pooled.port = String(port)
    return pooled.href
  }
  await Promise.race([
    until(() => answers(through(databaseUrl)), { what: 'pgbouncer answers' }),
    exited.then(() => Promise.reject(new Error(`pgbouncer ended: ${output}`))),
  ])
  return {
    through,
    async stop() {
      process.off('exit', atExit)
      child.kill('SIGKILL')
      await exited
      await rm(dir, { recursive: true, force: true })
    },
  }
}

interface Ini {
  readonly server: URL
  readonly port: number
  readonly users: string
  readonly settings: Readonly<Record<string, string>>
}

function iniOf({ server, port, users, settings }: Ini): string {
  const all = {
    listen_addr: '127.0.0.1',
    listen_port: String(port),
    unix_socket_dir: '',
    auth_type: 'trust',
    auth_file: users,
    pool_mode: 'transaction',
    default_pool_size: String(SERVER_CONNECTIONS),
    max_client_conn: '500',
    ...settings,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`)
  return ['[databases]', `* = host=${server.hostname} port=${server.port}`, '[pgbouncer]', ...lines, ''].join('\n')
}

/** Whoever may connect, and with which password at the server. */
function usersOf(databaseUrl: string): string {
  const users = [new URL(databaseUrl), ...ROLES.map((role) => new URL(urlAs(role, databaseUrl)))]
  return users.map(({ username, password }) => `"${username}" "${decodeURIComponent(password || CANARIES.databasePassword)}"\n`).join('')
}

async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('SELECT 1')
    return true
  } finally {
    await client.end().catch(() => undefined)
  }
}
