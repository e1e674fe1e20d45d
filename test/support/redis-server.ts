import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { CANARIES } from './canaries.ts'
import { freePort } from './free-port.ts'
import { until } from './wait.ts'

export interface RedisOptions {
  /** Default `redis-server`. */
  readonly program?: 'redis-server' | 'valkey-server'
  /** Default true. */
  readonly appendonly?: boolean
  /** Default: a free one. */
  readonly port?: number
  /** Default: a new one, removed by `stop`. */
  readonly dir?: string
  /** More settings, as in redis.conf, such as `{ maxmemory: '4mb' }`. */
  readonly config?: Readonly<Record<string, string>>
  /** Of the default user. Default: none. */
  readonly password?: string
  /** Files of a certificate: TLS at a port of its own, and between servers. The plain port stays, for the test. */
  readonly tls?: TlsFiles | undefined
  /** With the users of deploy/redis/users.acl; `url` is then that of the worker. Default: everybody may do everything. */
  readonly users?: boolean
}

export interface TlsFiles {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export interface RedisServer {
  readonly url: string
  /** Of somebody who may do everything. */
  readonly adminUrl: string
  readonly port: number
  /** Where clients and other servers find it: the TLS port where there is one. */
  readonly peerPort: number
  readonly dir: string
  readonly pid: number
  /** Resolves when the process has got it: for SIGKILL and SIGTERM when it has ended. */
  kill(signal: NodeJS.Signals): Promise<void>
  /** The same port and data; ends the old process first if it runs (SIGKILL). */
  restart(): Promise<void>
  stop(): Promise<void>
}

const available = new Map<string, boolean>()

export function redisAvailable(program: NonNullable<RedisOptions['program']> = 'redis-server'): boolean {
  const known = available.get(program) ?? spawnSync(program, ['--version']).status === 0
  available.set(program, known)
  return known
}

/** A Redis server of the test's own, as production has it: noeviction, AOF. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'dingtalk-delivery-redis-')))
  const port = options.port ?? (await freePort())
  const users = options.users === true ? await writeUsers(dir) : {}
  const { password = '' } = options
  const tlsPort = options.tls === undefined ? null : await freePort()
  const tls = options.tls === undefined || tlsPort === null ? {} : tlsConfig(options.tls, tlsPort)
  const config = { ...users, ...(password !== '' && { requirepass: password }), ...tls, ...options.config }
  const args = argumentsOf({ ...options, dir, port, config })
  const ofDefault = password === '' ? '' : `:${password}@`
  const as = (user: string): string =>
    `redis://${options.users === true ? `${user}:${CANARIES.redisPassword}@` : ofDefault}127.0.0.1:${port}`
  const adminUrl = as('delivery_admin')
  const program = options.program ?? 'redis-server'
  let child = await launch(program, args, adminUrl)
  const end = () => endProcess(child)
  return {
    url: as('delivery_worker'),
    adminUrl,
    port,
    peerPort: tlsPort ?? port,
    dir,
    get pid() {
      return child.pid ?? -1
    },
    kill: async (signal) => {
      if (signal === 'SIGKILL' || signal === 'SIGTERM') await endProcess(child, signal)
      else child.kill(signal)
    },
    restart: async () => {
      await end()
      child = await launch(program, args, adminUrl)
    },
    stop: async () => {
      await end()
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true })
    },
  }
}

function argumentsOf({ appendonly = true, port, dir, config = {} }: RedisOptions & { port: number; dir: string }): string[] {
  const fixed = {
    port: String(port),
    bind: '127.0.0.1',
    dir,
    save: '',
    'maxmemory-policy': 'noeviction',
    appendonly: appendonly ? 'yes' : 'no',
  }
  return Object.entries({ ...fixed, ...config }).flatMap(([name, value]) => [`--${name}`, value])
}

/** Of a server, and of a sentinel. Clients have no certificate of their own. */
export function tlsConfig({ ca, cert, key }: TlsFiles, port: number): Record<string, string> {
  return {
    ...{ 'tls-port': String(port), 'tls-ca-cert-file': ca, 'tls-cert-file': cert, 'tls-key-file': key },
    ...{ 'tls-auth-clients': 'no', 'tls-replication': 'yes' },
  }
}

/** The file as it is shipped, with a password of this suite for everybody. */
async function writeUsers(dir: string): Promise<{ aclfile: string }> {
  const shipped = await readFile(new URL('../../deploy/redis/users.acl', import.meta.url), 'utf8')
  const hash = createHash('sha256').update(CANARIES.redisPassword).digest('hex')
  const aclfile = join(dir, 'users.acl')
  await writeFile(aclfile, shipped.replaceAll(/#SHA256_\w+/g, `#${hash}`))
  return { aclfile }
}

async function launch(program: string, args: readonly string[], url: string): Promise<ChildProcess> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-2_000)
  })
  const atExit = () => void child.kill('SIGKILL')
  process.once('exit', atExit)
  child.once('exit', () => process.off('exit', atExit))
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => 20, maxRetriesPerRequest: null })
  client.on('error', () => undefined)
  try {
    await Promise.race([client.ping(), once(child, 'exit').then(() => Promise.reject(new Error(`redis-server ended: ${output}`)))])
  } finally {
    client.disconnect()
  }
  return child
}

/** SIGKILL also ends a process that SIGSTOP has stopped. */
async function endProcess(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill(signal)
  await until(() => child.exitCode !== null || child.signalCode !== null, { what: `redis-server has ended by ${signal}` })
}
