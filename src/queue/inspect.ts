import { TrackerError } from '../domain/errors.ts'
import { type Finding, type Found, toFinding } from '../lib/finding.ts'
import { hasHashTag } from '../lib/redis-address.ts'
import { withTimeout } from '../lib/timeout.ts'
import { isPostgres, type JobQueue, type QueueAddress } from './connection.ts'
import { describeQueueError, isOnlyGone, queueError } from './errors.ts'
import { prefixFor } from './given-redis.ts'
import { findSessions } from './pooler.ts'
import { openRedis, type RedisBehaviour, type RedisConnection, type ServerInfo } from './redis.ts'
import { assertQueueSchema } from './schema.ts'

const CONNECT_TIMEOUT_MS = 3_000

/** Checks whether the queue's server is fit for jobs that live 24 hours. Never rejects. */
export async function inspectQueue(address: QueueAddress): Promise<Finding[]> {
  try {
    return isPostgres(address.url) ? await inspectPostgres(address) : await inspectRedis(address)
  } catch (error) {
    const isExplained = error instanceof TrackerError && error.code !== 'QUEUE_UNAVAILABLE'
    const { detail, remedy } = describeQueueError(error)
    return [{ name: 'queue', ok: false, detail, remedy: isExplained ? 'see the finding' : (remedy ?? 'check QUEUE_URL and the server') }]
  }
}

async function inspectPostgres({ url, schema }: QueueAddress): Promise<Finding[]> {
  await assertQueueSchema(url, schema)
  const isPooled = (await findSessions(url)) === 'session pooler'
  return [{ name: 'queue', ok: true, detail: `PostgreSQL${isPooled ? ' behind a pooler in session mode' : ''}, schema up to date` }]
}

/** Commands fail at once: what is away is a finding. */
const ONCE: RedisBehaviour = { waits: false, silenceMs: CONNECT_TIMEOUT_MS }

async function inspectRedis(address: QueueAddress): Promise<Finding[]> {
  let lastError: unknown
  const link = openRedis(address, ONCE, (error) => {
    lastError = error
  })
  try {
    await waitUntilReady(link.redis, () => lastError)
    const servers = await link.info()
    const { isReplica, memory } = parseServers(servers)
    const other = findOtherKind(servers, prefixFor(address))
    if (other?.isUseless === true) return [{ name: 'queue', ok: false, ...other.found }]
    const reached = other === null ? version(servers, link.redis) : toFinding('queue', other.found)
    return [
      isReplica ? { name: 'queue', ok: false, ...REPLICA } : reached,
      await rights(link.redis, address),
      toFinding('queue memory', memory),
      persistence(servers),
    ]
  } catch (error) {
    // The command fails with "Connection is closed."; the event before it has the reason.
    throw isOnlyGone(error) ? (lastError ?? error) : error
  } finally {
    link.redis.disconnect()
  }
}

/**
 * @param lastError of the connection
 * @throws the first error: the connection itself would go on trying
 */
async function waitUntilReady(redis: RedisConnection, lastError: () => unknown): Promise<void> {
  if (redis.status === 'ready') return
  const settled = new Promise<boolean>((resolve) => {
    redis.once('ready', () => resolve(true))
    // After the listener that keeps the error.
    redis.once('error', () => resolve(false))
    redis.once('end', () => resolve(false))
  })
  if (!(await withTimeout(CONNECT_TIMEOUT_MS, settled))) throw lastError()
}

/** The state of Redis that decides whether timers are kept. */
export interface RedisServer {
  readonly isReplica: boolean
  /** Has a remedy where timers may be lost or refused. */
  readonly memory: Found
}

/** @param servers what Redis answers to INFO; null: the queue is in PostgreSQL */
export function readServers(servers: readonly ServerInfo[] | null): RedisServer | null {
  return servers === null ? null : parseServers(servers)
}

function parseServers(servers: readonly ServerInfo[]): RedisServer {
  // Nodes of a cluster have a name: their client finds the primaries by itself.
  const isReplica = servers.some(({ node, text }) => node === null && parseInfo(text).get('role') === 'slave')
  return { isReplica, memory: findWorst(servers, checkMemory) }
}

/** Of several servers the one with a remedy, by its name. */
function findWorst(servers: readonly ServerInfo[], check: (info: Info) => Found): Found {
  const found = servers.map(({ node, text }) => ({ node, ...check(parseInfo(text)) }))
  const { node = null, detail = '', remedy } = found.find((each) => each.remedy !== undefined) ?? found[0] ?? {}
  return { detail: node === null || remedy === undefined ? detail : `${node}: ${detail}`, ...(remedy !== undefined && { remedy }) }
}

interface OtherKind {
  /** Nothing else can be asked. */
  readonly isUseless: boolean
  readonly found: Found
}

/** What a plain address leads to besides a server by itself. Clients of sentinels and of a cluster find out by themselves. */
function findOtherKind(servers: readonly ServerInfo[], prefix: string): OtherKind | null {
  const [{ node, text } = { node: null, text: '' }] = servers
  const mode = parseInfo(text).get('redis_mode')
  if (node !== null || mode === undefined || mode === 'standalone') return null
  if (mode === 'sentinel') return { isUseless: true, found: SENTINEL }
  return { isUseless: !hasHashTag(prefix), found: CLUSTER_NODE }
}

const SENTINEL: Found = {
  detail: 'a Redis Sentinel, which holds no data',
  remedy: 'write QUEUE_URL as redis+sentinel://HOST:26379,HOST:26379/MASTER',
}
const CLUSTER_NODE: Found = {
  detail: 'one node of a Redis Cluster, which has a part of the keys only',
  remedy: 'write QUEUE_URL as redis+cluster://HOST:PORT,HOST:PORT with several of its nodes',
}

/** Jobs can be read from a replica, but neither taken nor delayed. */
export const REPLICA: Found & { readonly remedy: string } = {
  detail: 'Redis is a replica, which takes no writes: no poll can be taken or timed.',
  remedy: 'Point QUEUE_URL at the primary, or promote this server (REPLICAOF NO ONE).',
}

type Info = ReadonlyMap<string, string>

function parseInfo(text: string): Info {
  return new Map(text.split(/\r?\n/).map((line) => [line.split(':', 1)[0] ?? '', line.slice(line.indexOf(':') + 1)]))
}

/** The oldest of the servers counts. */
function version(servers: readonly ServerInfo[], redis: RedisConnection): Finding {
  const infos = servers.map(({ text }) => parseInfo(text))
  const found =
    infos.map((info) => info.get('redis_version') ?? 'unknown').toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))[0] ?? ''
  const [major = 0, minor = 0] = found.split('.').map(Number)
  const ok = major > 6 || (major === 6 && minor >= 2)
  const detail = `${productOf(infos[0], found)}${placeOf(redis, servers.length)}`
  return { name: 'queue', ok, detail, ...(!ok && { remedy: 'BullMQ needs Redis 6.2 or newer' }) }
}

/** Valkey reports the version of Redis that it replaces, and its own. */
function productOf(info: Info | undefined, redisVersion: string): string {
  const valkey = info?.get('valkey_version')
  return valkey === undefined ? `Redis ${redisVersion}` : `Valkey ${valkey}`
}

function placeOf(redis: RedisConnection, servers: number): string {
  if ('nodes' in redis) return `, a cluster of ${servers} primaries`
  const { sentinels, name } = redis.options
  return sentinels ? `, the primary of "${name}" by its sentinels` : ''
}

/** As BullMQ does it: a script that reads a key below the prefix. */
async function rights(redis: RedisConnection, address: QueueAddress): Promise<Finding> {
  const prefix = prefixFor(address)
  try {
    await redis.eval("return redis.call('EXISTS', KEYS[1])", 1, `${prefix}:${address.name}:meta`)
    const note = prefix === address.prefix ? '' : ', as a cluster needs it: senders in other languages give this prefix to BullMQ'
    return { name: 'queue rights', ok: true, detail: `may use the keys under "${prefix}:"${note}` }
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
function persistence(servers: readonly ServerInfo[]): Finding {
  const remedy = 'set appendonly yes: a restart loses every timer, and polls are late until the reconciler has set them again'
  const check = (info: Info): Found =>
    info.get('aof_enabled') === '1' ? { detail: 'append-only file on' } : { detail: 'append-only file off', remedy }
  return toFinding('queue persistence', findWorst(servers, check))
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
