import { Redis } from 'ioredis'
import { TrackerError } from '../domain/errors.ts'
import { type Finding, type Found, toFinding } from '../lib/finding.ts'
import { isPostgres, type JobQueue, type QueueAddress } from './connection.ts'
import { queueError } from './errors.ts'
import { findSessions } from './pooler.ts'
import { assertQueueSchema } from './schema.ts'

const CONNECT_TIMEOUT_MS = 3_000

/** Checks whether the queue's server is fit for jobs that live 24 hours. Never rejects. */
export async function inspectQueue(address: QueueAddress): Promise<Finding[]> {
  try {
    return isPostgres(address.url) ? await inspectPostgres(address) : await inspectRedis(address)
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    const isExplained = error instanceof TrackerError && error.code !== 'QUEUE_UNAVAILABLE'
    return [{ name: 'queue', ok: false, detail, remedy: isExplained ? 'see the finding' : 'check QUEUE_URL and the server' }]
  }
}

async function inspectPostgres({ url, schema }: QueueAddress): Promise<Finding[]> {
  await assertQueueSchema(url, schema)
  const isPooled = (await findSessions(url)) === 'session pooler'
  return [{ name: 'queue', ok: true, detail: `PostgreSQL${isPooled ? ' behind a pooler in session mode' : ''}, schema up to date` }]
}

async function inspectRedis(address: QueueAddress): Promise<Finding[]> {
  const redis = new Redis(address.url, {
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    // For a server that accepts the connection and never answers.
    commandTimeout: CONNECT_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  })
  let lastError: unknown
  redis.on('error', (error) => {
    lastError = error
  })
  try {
    await redis.connect()
    const text = await redis.info()
    const { isReplica, memory } = parseServer(text)
    const info = parseInfo(text)
    const reached = isReplica ? { name: 'queue', ok: false, ...REPLICA } : version(info)
    return [reached, await rights(redis, address), toFinding('queue memory', memory), persistence(info)]
  } catch (error) {
    // The command fails with "Connection is closed."; the event before it has the reason.
    throw lastError ?? error
  } finally {
    redis.disconnect()
  }
}

/** The state of Redis that decides whether timers are kept. */
export interface RedisServer {
  readonly isReplica: boolean
  /** Has a remedy where timers may be lost or refused. */
  readonly memory: Found
}

/** @param text Redis' answer to INFO; null: the queue is in PostgreSQL */
export function readServer(text: string | null): RedisServer | null {
  return text === null ? null : parseServer(text)
}

function parseServer(text: string): RedisServer {
  const info = parseInfo(text)
  return { isReplica: info.get('role') === 'slave', memory: checkMemory(info) }
}

/** Jobs can be read from a replica, but neither taken nor delayed. */
export const REPLICA = {
  detail: 'Redis is a replica, which takes no writes: no poll can be taken or timed.',
  remedy: 'Point QUEUE_URL at the primary, or promote this server (REPLICAOF NO ONE).',
}

type Info = ReadonlyMap<string, string>

function parseInfo(text: string): Info {
  return new Map(text.split(/\r?\n/).map((line) => [line.split(':', 1)[0] ?? '', line.slice(line.indexOf(':') + 1)]))
}

function version(info: Info): Finding {
  const found = info.get('redis_version') ?? 'unknown'
  const [major = 0, minor = 0] = found.split('.').map(Number)
  const ok = major > 6 || (major === 6 && minor >= 2)
  return { name: 'queue', ok, detail: `Redis ${found}`, ...(!ok && { remedy: 'BullMQ needs Redis 6.2 or newer' }) }
}

/** As BullMQ does it: a script that reads a key below the prefix. */
async function rights(redis: Redis, { prefix, name }: QueueAddress): Promise<Finding> {
  try {
    await redis.eval("return redis.call('EXISTS', KEYS[1])", 1, `${prefix}:${name}:meta`)
    return { name: 'queue rights', ok: true, detail: `may use the keys under "${prefix}:"` }
  } catch (error) {
    return { name: 'queue rights', ok: false, detail: queueError(error).message, remedy: 'see the finding' }
  }
}

/** Share of maxmemory that is reported as full. Beyond maxmemory Redis refuses every timer. */
const FULL_SHARE = 0.9

function checkMemory(info: Info): Found {
  const policy = info.get('maxmemory_policy') ?? 'unknown'
  const [used, max] = [Number(info.get('used_memory') ?? 0), Number(info.get('maxmemory') ?? 0)]
  const share = max > 0 ? used / max : 0
  const detail = `maxmemory-policy ${policy}${max > 0 ? `; ${Math.round(share * 100)} % of maxmemory used` : ''}`
  if (policy !== 'noeviction')
    return { detail, remedy: 'set maxmemory-policy noeviction: an evicted timer does not fire until the reconciler has set it again' }
  if (share > FULL_SHARE)
    return {
      detail,
      remedy: 'raise maxmemory, or find out what else is in this Redis: beyond it every timer is refused, and polls come late',
    }
  return { detail }
}

/** Without persistence a restart loses all timers. The reconciler sets them again, so this is a warning and no fault. */
function persistence(info: Info): Finding {
  const ok = info.get('aof_enabled') === '1'
  const remedy = 'set appendonly yes: a restart loses every timer, and polls are late until the reconciler has set them again'
  return toFinding('queue persistence', ok ? { detail: 'append-only file on' } : { detail: 'append-only file off', remedy })
}

/** A job that was refused. It stays in the failed set for a week. */
export interface RefusedJob {
  readonly id: string
  /** Names the field, the value and the remedy. */
  readonly reason: string
}

/** The job that was refused last, or null. */
export async function latestRefused(queue: Pick<JobQueue, 'getRanges' | 'getJob'>): Promise<RefusedJob | null> {
  const [id] = await queue.getRanges(['failed'], 0, 0)
  const job = id === undefined ? undefined : await queue.getJob(id)
  return id === undefined || job === undefined ? null : { id, reason: job.failedReason ?? '' }
}
