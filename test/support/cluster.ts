import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { nativeFolder, usableBinaries } from '../../src/embedded/binaries.ts'
import { type Account, accountFor } from '../../src/embedded/home.ts'
import { CLEAN_ENVIRONMENT, run, toIdentity } from '../../src/embedded/processes.ts'
import { freePort } from './free-port.ts'
import { until } from './wait.ts'

/** A PostgreSQL server with settings of a test's own, any release of it. */
export interface Cluster {
  /** Where its files are; the server may read what lies here. */
  readonly directory: string
  /** Of its socket. */
  readonly sockets: string
  readonly port: number
  /** By the superuser, over TCP to 127.0.0.1. */
  readonly url: string
  /** Shuts it down, and keeps its files. */
  halt(): Promise<void>
  stop(): Promise<void>
}

interface ClusterOptions {
  /** The folder `native` of a package of PostgreSQL's programs. Default: the one that the project installs. */
  readonly native?: string
  /** As in postgresql.conf; `{dir}` stands for the directory. */
  readonly settings?: Readonly<Record<string, string>>
  /** Files in the directory, by name. */
  readonly files?: Readonly<Record<string, string>>
  /** Lines of pg_hba.conf. Default: passwords for all. */
  readonly hba?: readonly string[]
  /** Begins as a copy of this cluster, which was halted, and follows it no further: a standby. */
  readonly standbyOf?: Pick<Cluster, 'directory'>
}

export const PASSWORD = 'pA55word'
const SECRET_MODE = 0o600

export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const directory = await mkdtemp(join(tmpdir(), 'dingtalk-delivery-cluster-'))
  // As root, PostgreSQL runs as another user.
  await chmod(directory, 0o711)
  const [data, sockets] = [join(directory, 'data'), join(directory, 'sockets')]
  const account = await accountFor(join(directory, 'nothing'))
  const binaries = await usableBinaries(options.native ?? nativeFolder(), directory, account, () => undefined)
  await Promise.all([data, sockets].map((path) => mkdir(path, { mode: 0o700 })))
  await chmod(sockets, 0o755)
  const files = Object.entries({ ...options.files, password: PASSWORD }).map(([name, text]) => [join(directory, name), text] as const)
  for (const [path, text] of files) await writeFile(path, text, { mode: SECRET_MODE })
  await give(account, [data, sockets, ...files.map(([path]) => path)])
  if (options.standbyOf === undefined) {
    const access = [
      '--username=postgres',
      `--pwfile=${join(directory, 'password')}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
    ]
    const made = await run(binaries.initdb, ['-D', data, ...access], account)
    if (made.code !== 0) throw new Error(`initdb failed: ${made.output}`)
  } else {
    await cp(join(options.standbyOf.directory, 'data'), data, { recursive: true })
    await writeFile(join(data, 'standby.signal'), '')
    await give(account, [data, ...(await readdir(data, { recursive: true })).map((name) => join(data, name))])
  }
  const hba = options.hba ?? ['local all all scram-sha-256', 'host all all all scram-sha-256']
  await writeFile(join(data, 'pg_hba.conf'), `${hba.join('\n')}\n`)
  await give(account, [join(data, 'pg_hba.conf')])
  const port = await freePort()
  const settings = {
    ...{ listen_addresses: '127.0.0.1', port: String(port), fsync: 'off', unix_socket_directories: sockets },
    ...options.settings,
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value.replaceAll('{dir}', directory)}`])
  const server = await launch(binaries.postgres, ['-D', data, ...flags], account)
  const url = `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/postgres`
  await Promise.race([until(() => answers(url), { timeoutMs: 120_000, what: `PostgreSQL answers on ${port}` }), server.ended])
  return {
    ...{ directory, sockets, port, url },
    halt: server.stop,
    async stop() {
      await server.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function give(account: Account | undefined, paths: readonly string[]): Promise<void> {
  if (account !== undefined) for (const path of paths) await chown(path, account.uid, account.gid)
}

async function launch(
  program: string,
  flags: readonly string[],
  account: Account | undefined,
): Promise<{ stop(): Promise<void>; readonly ended: Promise<never> }> {
  const child = spawn(program, flags, { ...toIdentity(account), cwd: '/', env: CLEAN_ENVIRONMENT, stdio: ['ignore', 'ignore', 'pipe'] })
  let output = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-4_000)
  })
  await once(child, 'spawn')
  const exited = once(child, 'exit')
  const atExit = () => void child.kill('SIGQUIT')
  process.once('exit', atExit)
  const ended = exited.then(() => Promise.reject(new Error(`PostgreSQL ended: ${output}`)))
  ended.catch(() => undefined)
  return {
    ended,
    async stop() {
      process.off('exit', atExit)
      child.kill('SIGINT')
      await exited
    },
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: `${url}?sslmode=disable` })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return true
  } catch (error) {
    // A server that wants TLS, or no password, answers as well.
    return error instanceof Error && 'code' in error && String(error.code).startsWith('28')
  } finally {
    await client.end().catch(() => undefined)
  }
}
