import { migrateQueueSchema } from '../../src/queue/schema.ts'
import { type ApiPageServer, startApiPageServer } from './api-page-server.ts'
import { CANARIES } from './canaries.ts'
import { assertNoLeakInDatabase, assertNoLeakInProbes, assertNoLeakInRedis } from './leaks.ts'
import { createTestDatabase } from './postgres.ts'
import { type NodeProcess, startCli } from './process.ts'
import { redisAvailable, startRedis } from './redis.ts'
import { giveRights, urlAs } from './roles.ts'
import { startProxy, type TcpProxy } from './tcp-proxy.ts'

export type Backend = 'redis' | 'postgres'

/**
 * A database, a queue and a DingTalk for workers in processes of their own. Closed with the test, which fails when any of the secrets that
 * the workers were given can be read in their logs and probes, in the database, or in Redis.
 */
export interface World {
  /** Of the owner; the workers have the rights of `delivery_worker` alone. */
  readonly databaseUrl: string
  /** With the rights of `delivery_send` alone. */
  readonly sendersUrl: string
  /** With the rights of a worker alone. */
  readonly queueUrl: string
  readonly server: ApiPageServer
  /** Between the workers and their servers; the test itself goes past them. */
  readonly toDatabase: TcpProxy
  readonly toQueue: TcpProxy
  /** A worker as operators run it. Resolves when it looks. */
  start(): Promise<NodeProcess>
}

export interface Day {
  readonly timeScale: number
  readonly pollsPerTask: number
}

/** The queue's backends that this machine has. Where one is missing, the Redis suites of `queue` say so loudly, and fail in CI. */
export function backends(): Backend[] {
  return redisAvailable() || process.env['CI'] === 'true' ? ['redis', 'postgres'] : ['postgres']
}

export async function makeWorld(backend: Backend, day: Day, onTestFinished: (close: () => Promise<void>) => void): Promise<World> {
  const database = await createTestDatabase({ migrated: true })
  onTestFinished(() => database.drop())
  await giveRights(database.url)
  const server = await startApiPageServer()
  onTestFinished(() => server.close())
  const workersUrl = urlAs('worker', database.url)
  if (backend === 'postgres') await migrateQueueSchema(urlAs('migrate', database.url), ['dingtalk-delivery'])
  const queueUrl = backend === 'redis' ? await openRedis(onTestFinished) : workersUrl
  onTestFinished(() => assertNoLeakInDatabase(database.url))
  const [toDatabase, toQueue] = await Promise.all([workersUrl, queueUrl].map((url) => startProxy(Number(new URL(url).port))))
  if (toDatabase === undefined || toQueue === undefined) throw new Error('two proxies were started')
  onTestFinished(() => toDatabase.close())
  onTestFinished(() => toQueue.close())
  const env = {
    DATABASE_URL: through(toDatabase, workersUrl),
    QUEUE_URL: through(toQueue, queueUrl),
    DINGTALK_OAPI_URL: server.url,
    DINGTALK_API_URL: server.url,
    DINGTALK_APP_KEY: CANARIES.appKey,
    DINGTALK_APP_SECRET: CANARIES.appSecret,
    DINGTALK_AGENT_ID: '836390886',
    TIME_SCALE: String(day.timeScale),
    POLLS_PER_TASK: String(day.pollsPerTask),
    HEALTH_PORT: '0',
  }
  return {
    databaseUrl: database.url,
    sendersUrl: urlAs('send', database.url),
    ...{ queueUrl, server, toDatabase, toQueue },
    async start() {
      const worker = startCli(['worker'], { env, onTestFinished })
      // Before it is reaped: what was registered last is done first.
      onTestFinished(async () => assertNoLeakInProbes(/"health":"([^"]+)"/.exec(worker.stderr())?.[1] ?? ''))
      await worker.waitForLine(/worker ready/)
      return worker
    },
  }
}

async function openRedis(onTestFinished: (close: () => Promise<void>) => void): Promise<string> {
  const redis = await startRedis({ users: true })
  onTestFinished(() => redis.stop())
  onTestFinished(() => assertNoLeakInRedis(redis.adminUrl))
  return redis.url
}

function through(proxy: TcpProxy, url: string): string {
  const proxied = new URL(url)
  proxied.hostname = '127.0.0.1'
  proxied.port = String(proxy.port)
  return proxied.href
}
