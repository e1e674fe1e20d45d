import { Redis } from 'ioredis'
import { TrackerError } from '../core/errors.ts'
import { isPostgres, type QueueAddress } from './connection.ts'
import { queueError } from './errors.ts'
import { assertQueueSchema } from './schema.ts'

/** One thing about the queue's server that can be right or wrong. */
export interface QueueFinding {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  /** What to do where it is not ok. */
  readonly remedy?: string
}

const CONNECT_TIMEOUT_MS = 3_000

/** Looks whether the queue's server is fit for jobs that live 24 hours. Never rejects. */
export async function inspectQueue(address: QueueAddress): Promise<QueueFinding[]> {
  try {
    return isPostgres(address.url) ? await inspectPostgres(address.url) : await inspectRedis(address)
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    const isExplained = error instanceof TrackerError && error.code !== 'QUEUE_UNAVAILABLE'
    return [{ name: 'queue', ok: false, detail, remedy: isExplained ? 'see the finding' : 'check QUEUE_URL and the server' }]
  }
}

async function inspectPostgres(url: string): Promise<QueueFinding[]> {
  await assertQueueSchema(url)
  return [{ name: 'queue', ok: true, detail: 'PostgreSQL, schema up to date' }]
}

async function inspectRedis(address: QueueAddress): Promise<QueueFinding[]> {
  const redis = new Redis(address.url, {
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  })
  let said: unknown
  redis.on('error', (error) => {
    said = error
  })
  try {
    await redis.connect()
    const info = infoOf(await redis.info())
    return [version(info), await rights(redis, address), eviction(info), persistence(info)]
  } catch (error) {
    // "Connection is closed." hides what happened; the event before it says it.
    throw said ?? error
  } finally {
    redis.disconnect()
  }
}

type Info = ReadonlyMap<string, string>

function infoOf(text: string): Info {
  return new Map(text.split(/\r?\n/).map((line) => [line.split(':', 1)[0] ?? '', line.slice(line.indexOf(':') + 1)]))
}

function version(info: Info): QueueFinding {
  const found = info.get('redis_version') ?? 'unknown'
  const [major = 0, minor = 0] = found.split('.').map(Number)
  const ok = major > 6 || (major === 6 && minor >= 2)
  return { name: 'queue', ok, detail: `Redis ${found}`, ...(!ok && { remedy: 'BullMQ needs Redis 6.2 or newer' }) }
}

/** As BullMQ asks: by a script, about a key below the prefix. */
async function rights(redis: Redis, { prefix, name }: QueueAddress): Promise<QueueFinding> {
  try {
    await redis.eval("return redis.call('EXISTS', KEYS[1])", 1, `${prefix}:${name}:meta`)
    return { name: 'queue rights', ok: true, detail: `may use the keys under "${prefix}:"` }
  } catch (error) {
    return { name: 'queue rights', ok: false, detail: queueError(error).message, remedy: 'see the finding' }
  }
}

function eviction(info: Info): QueueFinding {
  const policy = info.get('maxmemory_policy') ?? 'unknown'
  const ok = policy === 'noeviction'
  return {
    name: 'queue memory',
    ok,
    detail: `maxmemory-policy ${policy}`,
    ...(!ok && { remedy: 'set maxmemory-policy noeviction: an evicted timer wakes nobody until the reconciler comes' }),
  }
}

/** Without it a restart loses all timers. The reconciler puts them back, so this is advice more than a fault. */
function persistence(info: Info): QueueFinding {
  const ok = info.get('aof_enabled') === '1'
  return {
    name: 'queue persistence',
    ok,
    detail: ok ? 'append-only file on' : 'append-only file off',
    ...(!ok && { remedy: 'set appendonly yes: a restart loses every timer, and looks are late until the reconciler has put them back' }),
  }
}
