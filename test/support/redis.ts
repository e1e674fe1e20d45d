import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { describe } from 'vitest'
import { until } from './wait.ts'

export interface RedisOptions {
  /** Default true. */
  readonly appendonly?: boolean
  /** Default: a free one. */
  readonly port?: number
  /** Default: a new one, removed by `stop`. */
  readonly dir?: string
  /** More settings, as in redis.conf, such as `{ maxmemory: '4mb' }`. */
  readonly config?: Readonly<Record<string, string>>
}

export interface RedisServer {
  readonly url: string
  readonly port: number
  readonly dir: string
  readonly pid: number
  /** Resolves when the process has got it: for SIGKILL and SIGTERM when it has ended. */
  kill(signal: NodeJS.Signals): Promise<void>
  /** The same port and data; ends the old process first if it runs (SIGKILL). */
  restart(): Promise<void>
  stop(): Promise<void>
}

let available: boolean | undefined

export function redisAvailable(): boolean {
  available ??= spawnSync('redis-server', ['--version']).status === 0
  return available
}

/** A suite that needs `redis-server`: skipped loudly where it is missing, and a failure with `CI=true`. */
export function describeRedis(name: string, suite: () => void): void {
  if (!redisAvailable()) announceMissing(name)
  describe.skipIf(!redisAvailable())(name, suite)
}

function announceMissing(name: string): void {
  const message = `redis-server is not installed: "${name}" needs it`
  if (process.env['CI'] === 'true')
    throw new Error(`${message}, and with CI=true nothing is skipped. Install it (apt-get install redis-server).`)
  console.warn(`SKIPPED: ${message}`)
}

/** A Redis server of the test's own, as production has it: noeviction, AOF. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'dingtalk-delivery-redis-')))
  const port = options.port ?? (await freePort())
  const args = argumentsOf({ ...options, dir, port })
  let child = await launch(args, port)
  const end = () => endProcess(child)
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
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
      child = await launch(args, port)
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

async function launch(args: readonly string[], port: number): Promise<ChildProcess> {
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'ignore'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-2_000)
  })
  const atExit = () => void child.kill('SIGKILL')
  process.once('exit', atExit)
  child.once('exit', () => process.off('exit', atExit))
  const client = new Redis({ port, host: '127.0.0.1', lazyConnect: true, retryStrategy: () => 20, maxRetriesPerRequest: null })
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

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (address === null || typeof address === 'string' ? reject(new Error('no free port')) : resolve(address.port)))
    })
  })
}
