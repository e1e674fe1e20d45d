import { execFile, spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { describe } from 'vitest'
import { accountFor } from '../../src/embedded/home.ts'
import { freePort } from './free-port.ts'
import { until } from './wait.ts'

/** A PostgreSQL that the system has installed, with the programs that the embedded one lacks: pg_dump refuses a server that is newer than itself. */
export interface InstalledPostgres {
  /** Of a superuser. */
  readonly url: string
  /** A hot standby that streams from this server. Stop it first. */
  standby(): Promise<InstalledPostgres>
  stop(): Promise<void>
}

/** Where Debian and its descendants have the programs of each version. */
const VERSIONS = '/usr/lib/postgresql'
const NEEDED = ['initdb', 'postgres', 'pg_dump', 'pg_restore', 'psql']

/** The folder with all programs of one version, the latest first; undefined where none is installed. */
export function installedPrograms(): string | undefined {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS).filter((name) => /^\d+$/.test(name)) : []
  return versions
    .toSorted((a, b) => Number(b) - Number(a))
    .map((version) => join(VERSIONS, version, 'bin'))
    .find((bin) => NEEDED.every((program) => existsSync(join(bin, program))))
}

/** Skipped loudly where no server with its programs is installed, and a failure with `CI=true`. */
export function describeInstalledPostgres(name: string, suite: () => void): void {
  const isMissing = installedPrograms() === undefined
  if (isMissing) {
    const message = `no PostgreSQL server with pg_dump is installed below ${VERSIONS}: "${name}" needs it`
    if (process.env['CI'] === 'true')
      throw new Error(`${message}, and with CI=true nothing is skipped. Install it (apt-get install postgresql).`)
    console.warn(`SKIPPED: ${message}`)
  }
  describe.skipIf(isMissing)(name, suite)
}

/** @param primaryUrl of the server to stream from; without one it is a server of its own */
export async function startInstalledPostgres(primaryUrl?: string): Promise<InstalledPostgres> {
  const bin = installedPrograms()
  if (bin === undefined) throw new Error('no PostgreSQL is installed')
  const directory = await mkdtemp(join(tmpdir(), 'dingtalk-delivery-installed-'))
  const account = await accountFor(join(directory, 'data'))
  if (account !== undefined) await chown(directory, account.uid, account.gid)
  await chmod(directory, 0o700)
  const options = {
    ...(account && { uid: account.uid, gid: account.gid }),
    cwd: '/',
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
  }
  const data = join(directory, 'data')
  const [program, args] =
    primaryUrl === undefined
      ? ['initdb', ['-D', data, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--locale=C']]
      : ['pg_basebackup', ['-d', primaryUrl, '-D', data, '-R', '-X', 'stream', '-c', 'fast']]
  await promisify(execFile)(join(bin, program), args, options)
  const port = await freePort()
  const settings = { listen_addresses: '127.0.0.1', port, unix_socket_directories: '', fsync: 'off', max_connections: 200 }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const child = spawn(join(bin, 'postgres'), ['-D', data, ...flags], { ...options, stdio: 'ignore' })
  process.once('exit', () => child.kill('SIGQUIT'))
  const url = `postgres://postgres:trusted@127.0.0.1:${port}/postgres`
  await until(() => answers(url), { what: 'the installed PostgreSQL answers', timeoutMs: 60_000 })
  return {
    url,
    standby: () => startInstalledPostgres(url),
    async stop() {
      // Immediate shutdown: nothing of it is kept.
      child.kill('SIGQUIT')
      await until(() => child.exitCode !== null || child.signalCode !== null, { what: 'the installed PostgreSQL has ended' })
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return true
  } finally {
    await client.end().catch(() => undefined)
  }
}
