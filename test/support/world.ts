import { fileURLToPath } from 'node:url'
import { migrateQueueSchema } from '../../src/queue/schema.ts'
import { migrate } from '../../src/store/migrate.ts'
import { type ApiPageServer, startApiPageServer } from './api-page-server.ts'
import { CANARIES } from './canaries.ts'
import { assertNoLeakInDatabase, assertNoLeakInProbes, assertNoLeakInRedis } from './leaks.ts'
import { createTestDatabase, setSearchPath } from './postgres.ts'
import { type PostgresServer, startPostgresServer } from './postgres-server.ts'
import { type NodeProcess, startCli } from './process.ts'
import type { RedisGroup } from './redis-groups.ts'
import { type RedisOptions, type RedisServer, redisAvailable, startRedis } from './redis-server.ts'
import { giveRights, urlAs } from './roles.ts'
import { startProxy, type TcpProxy } from './tcp-proxy.ts'

export type Backend = 'redis' | 'postgres'

/**
 * A database, a queue and a DingTalk for workers in processes of their own. Closed with the test, which fails when any of the secrets that
 * the workers were given can be read in their logs and probes, in the database, or in Redis.
 */
export interface World {
  readonly backend: Backend
  /** Of the owner; the workers have the rights of `delivery_worker` alone. */
  readonly databaseUrl: string
  /** With the rights of `delivery_send` alone. */
  readonly sendersUrl: string
  /** With the rights of a worker alone. */
  readonly queueUrl: string
  /** The same as a worker sees them, behind the proxies. */
  readonly proxied: { readonly databaseUrl: string; readonly queueUrl: string }
  readonly server: ApiPageServer
  /** Between the workers and their servers; the test itself goes past them. */
  readonly toDatabase: TcpProxy
  readonly toQueue: TcpProxy
  /** Null where the queue is PostgreSQL. */
  readonly redis: RedisServer | null
  /** Null where the database is one of the run's own server, which nobody may stop. */
  readonly postgres: PostgresServer | null
  readonly day: Day
  /** All workers that were started, the dead ones too. */
  readonly workers: readonly NodeProcess[]
  /** A worker as operators run it. Resolves when it polls. */
  start(env?: Readonly<Record<string, string>>): Promise<NodeProcess>
  /** The same, not waited for. */
  launch(env?: Readonly<Record<string, string>>): NodeProcess
  /** Done when the test is over. */
  later(close: () => Promise<void>): void
}

export interface Day {
  readonly timeScale: number
  readonly pollsPerTask: number
}

export interface WorldOptions {
  /** A PostgreSQL server of its own, which the test may stop. Default: a database of the run's server. */
  readonly ownPostgres?: boolean
  readonly redis?: RedisOptions
  /** Several servers that the test has started, instead of one Redis. Workers reach them without a proxy: `toQueue` leads nowhere. */
  readonly redisGroup?: RedisGroup
  /** More variables for every worker. */
  readonly env?: Readonly<Record<string, string>>
}

/** The length of a task's window, in real milliseconds. */
export function dayMs({ timeScale }: Day): number {
  return 86_400_000 / timeScale
}

/** Makes a worker do something at a fail point; see fail-point.mjs. */
export function atFailPoint(point: string, action: string, nth = 1): Record<string, string> {
  const preload = fileURLToPath(new URL('./fail-point.mjs', import.meta.url))
  return { NODE_OPTIONS: `--import=${preload}`, FAIL_POINT: point, FAIL_ACTION: action, FAIL_NTH: String(nth) }
}

/** What is taken away from a worker: texts of the build that are replaced, and packages that are had from another folder. */
export interface Sabotage {
  readonly edits?: ReadonlyArray<{ readonly file: string; readonly from: string; readonly to: string }>
  readonly packages?: Readonly<Record<string, string>>
}

/** The environment of a sabotaged worker; see sabotage.mjs. */
export function atSabotage(sabotage: Sabotage): Record<string, string> {
  const preload = fileURLToPath(new URL('./sabotage.mjs', import.meta.url))
  return { NODE_OPTIONS: `--import=${preload}`, SABOTAGE: JSON.stringify(sabotage) }
}

/** The queue's backends that this machine has. Where one is missing, the Redis suites of `queue` say so loudly, and fail in CI. */
export function backends(): Backend[] {
  return redisAvailable() || process.env['CI'] === 'true' ? ['redis', 'postgres'] : ['postgres']
}

export async function makeWorld(
  backend: Backend,
  day: Day,
  onTestFinished: (close: () => Promise<void>) => void,
  options: WorldOptions = {},
): Promise<World> {
  const postgres = options.ownPostgres === true ? await openPostgres(onTestFinished) : null
  const databaseUrl = postgres?.url ?? (await openDatabase(onTestFinished))
  await giveRights(databaseUrl)
  const server = await startApiPageServer()
  onTestFinished(() => server.close())
  const workersUrl = urlAs('worker', databaseUrl)
  await setSearchPath(databaseUrl, 'dingtalk, public')
  // The worker finds its tables without one.
  await setSearchPath(databaseUrl, 'pg_catalog', new URL(workersUrl).username)
  if (backend === 'postgres') await migrateQueueSchema(urlAs('migrate', databaseUrl), ['dingtalk-delivery'])
  const { group, redis, ...opened } = await openQueueServers(backend, onTestFinished, options)
  const queueUrl = opened.url ?? workersUrl
  onTestFinished(() => assertNoLeakInDatabase(databaseUrl))
  const [toDatabase, toQueue] = await Promise.all(
    [workersUrl, redis?.url ?? workersUrl].map((url) => startProxy(Number(new URL(url).port))),
  )
  if (toDatabase === undefined || toQueue === undefined) throw new Error('two proxies were started')
  onTestFinished(() => toDatabase.close())
  onTestFinished(() => toQueue.close())
  const proxied = { databaseUrl: through(toDatabase, workersUrl), queueUrl: group?.url ?? through(toQueue, queueUrl) }
  const env = { ...environmentOf(proxied, server, day), ...options.env }
  const workers: NodeProcess[] = []
  const launch = (more: Readonly<Record<string, string>> = {}): NodeProcess => {
    const worker = startCli(['worker'], { env: { ...env, ...more }, onTestFinished })
    workers.push(worker)
    // Before it is reaped: what was registered last is done first.
    onTestFinished(async () => assertNoLeakInProbes(/"health":"([^"]+)"/.exec(worker.stderr())?.[1] ?? ''))
    return worker
  }
  return {
    ...{
      backend,
      databaseUrl,
      sendersUrl: urlAs('send', databaseUrl),
      queueUrl,
      proxied,
      server,
      toDatabase,
      toQueue,
      redis,
      postgres,
      day,
      workers,
      launch,
      later: onTestFinished,
    },
    async start(more) {
      const worker = launch(more)
      await worker.waitForLine(/worker ready/, 60_000)
      return worker
    },
  }
}

/** Null where the queue is PostgreSQL, or the other of the two. */
async function openQueueServers(
  backend: Backend,
  onTestFinished: (close: () => Promise<void>) => void,
  { redisGroup: group = null, redis }: { readonly redisGroup?: RedisGroup | null; readonly redis?: RedisOptions | undefined },
): Promise<{ readonly group: RedisGroup | null; readonly redis: RedisServer | null; readonly url: string | null }> {
  if (backend === 'postgres') return { group: null, redis: null, url: null }
  if (group === null) {
    const server = await openRedis(onTestFinished, redis)
    return { group, redis: server, url: server.url }
  }
  for (const url of group.adminUrls) onTestFinished(() => assertNoLeakInRedis(url))
  return { group, redis: null, url: group.url }
}

function environmentOf(proxied: World['proxied'], server: ApiPageServer, day: Day): Record<string, string> {
  return {
    DATABASE_URL: proxied.databaseUrl,
    QUEUE_URL: proxied.queueUrl,
    DINGTALK_OAPI_URL: server.url,
    DINGTALK_API_URL: server.url,
    DINGTALK_APP_KEY: CANARIES.appKey,
    DINGTALK_APP_SECRET: CANARIES.appSecret,
    DINGTALK_AGENT_ID: '836390886',
    TIME_SCALE: String(day.timeScale),
    POLLS_PER_TASK: String(day.pollsPerTask),
    // In a compressed day all final polls are due within a moment.
    MAX_CALLS_PER_SECOND: '200',
    // It has a thousand times the polls of a real one, on a machine that others use too: more than the default connections suffice for.
    DATABASE_CONNECTIONS: '6',
    QUEUE_CONNECTIONS: '6',
    HEALTH_PORT: '0',
  }
}

async function openDatabase(onTestFinished: (close: () => Promise<void>) => void): Promise<string> {
  const database = await createTestDatabase({ migrated: true })
  onTestFinished(() => database.drop())
  return database.url
}

async function openPostgres(onTestFinished: (close: () => Promise<void>) => void): Promise<PostgresServer> {
  const postgres = await startPostgresServer()
  onTestFinished(() => postgres.stop())
  await migrate(postgres.url)
  return postgres
}

async function openRedis(onTestFinished: (close: () => Promise<void>) => void, options?: RedisOptions): Promise<RedisServer> {
  const redis = await startRedis({ users: true, ...options })
  onTestFinished(() => redis.stop())
  onTestFinished(() => assertNoLeakInRedis(redis.adminUrl))
  return redis
}

function through(proxy: TcpProxy, url: string): string {
  const proxied = new URL(url)
  proxied.hostname = '127.0.0.1'
  proxied.port = String(proxy.port)
  return proxied.href
}

/** Variables that make Node run a file of `test/support` before the program. */
export function preloaded(file: string): Readonly<Record<string, string>> {
  return { NODE_OPTIONS: `--import ${new URL(file, import.meta.url).href}` }
}

/** A page of the health server of a worker that is ready. */
export async function pageOf(worker: NodeProcess, path: '/readyz' | '/metrics'): Promise<{ status: number; text: string }> {
  const url = /"health":"([^"]+)"/.exec(worker.stderr())?.[1] ?? ''
  const response = await fetch(`${url}${path}`)
  return { status: response.status, text: await response.text() }
}
