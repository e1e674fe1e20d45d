import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis'
import { TrackerError } from '../domain/errors.ts'
import { type ClusterAddress, parseSeveralRedis, type SentinelAddress } from '../lib/redis-address.ts'
import { connectionMessage, isOnlyGone } from './errors.ts'
import { type GivenRedis, isClusterOfCaller, isRedisClient, type RedisTarget } from './given-redis.ts'
import { closeWithClients, MAX_BLOCK_SECONDS } from './workarounds.ts'

/** Reconnects after two seconds at most; BullMQ's own delay grows to 20 s. */
const retryDelayMs = (times: number): number => Math.min(times * 200, 2_000)
/** While closing, a server that does not answer these few attempts is given up. */
const RETRIES_WHILE_CLOSING = 5
const CONNECT_TIMEOUT_MS = 2_000
/** A sender that has two seconds must get past a node or a sentinel that hangs. */
const HANGING_HOST_MS = 700
/** On the connection on which a worker blocks for the next job. */
const BLOCKING_SILENCE_MS = MAX_BLOCK_SECONDS * 1_000 + 1_000
/** Between two attempts to send a command to a cluster that has lost the node for it. */
const FAILOVER_RETRY_MS = 100
/** For a command that waits: it is sent again for this many attempts, a minute. */
const WAITING_REDIRECTIONS = 600
/** For a command that fails with the connection: half a second, so that a sender hears of it in time. */
const FAILING_REDIRECTIONS = 5

export interface RedisBehaviour {
  /** True: commands wait until the server is back. False: they fail with the connection. */
  readonly waits: boolean
  /** A server that does not answer for this long is gone, and the connection is made anew. */
  readonly silenceMs: number
}

export type RedisConnection = Redis | Cluster

/** The answer of one server to INFO. */
export interface ServerInfo {
  /** `host:port` of a node of a cluster; null where there is one server. */
  readonly node: string | null
  readonly text: string
}

/** A Redis client for BullMQ. */
export interface RedisLink {
  readonly redis: RedisConnection
  /** Of each server that holds a part of the data. @throws what the client says where none of them answers */
  info(): Promise<ServerInfo[]>
  /** Runs `close` and disconnects; does not wait for a server that is away. */
  close(close: () => Promise<void>): Promise<void>
}

export function openRedis(target: RedisTarget, behaviour: RedisBehaviour, onError: (error: unknown) => void): RedisLink {
  let closing = false
  let closed: Promise<void> | undefined
  const retry = (times: number): number | null => (closing && times > RETRIES_WHILE_CLOSING ? null : retryDelayMs(times))
  const redis = connect(target, optionsFor(behaviour, retry))
  clarifyErrors(redis)
  const duplicates = keepDuplicates(redis)
  // Of one node of a cluster. The client goes on with the others, and a command for that node waits or fails.
  redis.on('node error', (error: Error) => {
    if (!isOnlyGone(error)) onError(error)
  })
  redis.on('error', (error: Error) => {
    // The server has no database of that number. ioredis would go on in database 0, where no worker polls.
    if (/DB index/i.test(error.message)) redis.disconnect()
    onError(error)
  })
  return {
    redis,
    info: () => readInfo(redis),
    close(close) {
      closing = true
      // Once: a cluster that has ended reports itself as closing for ever.
      closed ??= closeWithClients([redis, ...duplicates], close)
      return closed
    },
  }
}

/**
 * Puts the reason into each error of the connection. The error stays the same object, because BullMQ emits it again: this comes before the
 * listeners of BullMQ.
 */
function clarifyErrors(redis: RedisConnection): void {
  // Why no sentinel names a server comes as an event of its own, before the error that none did.
  let fromSentinel: unknown
  redis.on('sentinelError', (error: unknown) => {
    fromSentinel = error
  })
  // The same of a node of a cluster, such as a certificate that is not accepted.
  let fromNode: unknown
  redis.on('node error', (error: unknown) => {
    if (!isOnlyGone(error)) fromNode = error
  })
  redis.on('ready', () => {
    fromSentinel = undefined
    fromNode = undefined
  })
  redis.on('error', (error: Error) => {
    error.message = connectionMessage(error, fromSentinel, fromNode)
  })
}

/** A sentinel, a node of a cluster and a server by itself: what differs are the options that the same behaviour has. */
interface Behaviours {
  readonly single: Options
  readonly cluster: Omit<ClusterOptions, 'redisOptions'> & { readonly redisOptions: Options }
}

/** BullMQ reads replies in the shapes that every server has. */
type Options = Omit<RedisOptions, 'replyMapping'> & { readonly replyMapping: 'legacy' }

function optionsFor({ waits, silenceMs }: RedisBehaviour, retry: (times: number) => number | null): Behaviours {
  const connection: Options = {
    replyMapping: 'legacy',
    maxRetriesPerRequest: waits ? null : 0,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: silenceMs,
    keepAlive: 10_000,
    lazyConnect: false,
  }
  return {
    single: {
      ...connection,
      enableOfflineQueue: waits,
      retryStrategy: retry,
      sentinelRetryStrategy: retry,
      sentinelCommandTimeout: HANGING_HOST_MS,
    },
    cluster: {
      enableOfflineQueue: waits,
      lazyConnect: false,
      clusterRetryStrategy: retry,
      // A cluster that has lost a part is used all the same: a command then fails with the reason, or waits.
      enableReadyCheck: false,
      slotsRefreshTimeout: HANGING_HOST_MS,
      scaleReads: 'master',
      maxRedirections: waits ? WAITING_REDIRECTIONS : FAILING_REDIRECTIONS,
      retryDelayOnFailover: FAILOVER_RETRY_MS,
      retryDelayOnClusterDown: FAILOVER_RETRY_MS,
      redisOptions: connection,
    },
  }
}

/** A primary that has become a replica: the sentinels know the new one, and the command is sent again. */
const FOLLOW_PRIMARY: Pick<RedisOptions, 'reconnectOnError'> = {
  reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 2 : false),
}

function connect({ url, given }: RedisTarget, options: Behaviours): RedisConnection {
  if (given !== undefined) return connectGiven(given, options)
  const several = parseSeveralRedis(url)
  if (several === null) return new Redis(url, options.single)
  if (several.kind === 'cluster') return connectCluster(several, options.cluster)
  return new Redis({ ...sentinelOptions(several), ...options.single, ...FOLLOW_PRIMARY })
}

function connectGiven(given: GivenRedis, { single, cluster }: Behaviours): RedisConnection {
  if (isClusterOfCaller(given)) {
    const { nodes, redisOptions, ...rest } = given
    return new Cluster([...nodes], { ...rest, ...cluster, redisOptions: { ...redisOptions, ...cluster.redisOptions } })
  }
  const follow = Reflect.get(isRedisClient(given) ? given.options : given, 'sentinels') ? FOLLOW_PRIMARY : {}
  if (!isRedisClient(given)) return new Redis({ ...given, ...single, ...follow })
  const options: unknown[] = isCluster(given) ? [[], cluster] : [{ ...single, ...follow }]
  const duplicate: unknown = Reflect.apply(given.duplicate, given, options)
  if (!isConnection(duplicate)) throw new TrackerError('INVALID_CONFIG', 'queue is no client of ioredis: its duplicate() returns none.')
  return duplicate
}

/** It may be of another copy of ioredis than ours. */
function isConnection(value: unknown): value is RedisConnection {
  return typeof value === 'object' && value !== null && 'status' in value && 'defineCommand' in value
}

function sentinelOptions(address: SentinelAddress): Omit<Options, 'replyMapping'> {
  const { hosts, master, database, username, password, sentinelUsername, sentinelPassword, tls, sentinelTls, family } = address
  return {
    sentinels: hosts.map((host) => ({ ...host, ...(family !== null && { family }) })),
    name: master,
    db: database,
    ...credentials(username, password),
    ...(sentinelUsername !== null && { sentinelUsername }),
    ...(sentinelPassword !== null && { sentinelPassword }),
    ...(tls && { tls: {}, enableTLSForSentinelMode: true }),
    ...(sentinelTls && { sentinelTLS: {} }),
    ...(family !== null && { family }),
  }
}

function connectCluster({ hosts, username, password, tls, family }: ClusterAddress, options: Behaviours['cluster']): Cluster {
  const redisOptions = {
    ...options.redisOptions,
    ...credentials(username, password),
    ...(tls && { tls: {} }),
    ...(family !== null && { family }),
  }
  return new Cluster([...hosts], { ...options, redisOptions })
}

function credentials(username: string | null, password: string | null): Pick<RedisOptions, 'username' | 'password'> {
  return { ...(username !== null && { username }), ...(password !== null && { password }) }
}

function isCluster(redis: object): redis is Cluster {
  return Reflect.get(redis, 'isCluster') === true
}

/** BullMQ duplicates the client for a worker to block on; the duplicate may be silent for longer. */
function keepDuplicates(redis: RedisConnection): RedisConnection[] {
  const duplicates: RedisConnection[] = []
  const keep = <C extends RedisConnection>(duplicate: C): C => {
    clarifyErrors(duplicate)
    duplicates.push(duplicate)
    return duplicate
  }
  const socketTimeout = BLOCKING_SILENCE_MS
  if (isCluster(redis)) {
    const original = redis.duplicate.bind(redis)
    redis.duplicate = (nodes, options) => keep(original(nodes, { ...options, redisOptions: { ...options?.redisOptions, socketTimeout } }))
  } else {
    const original = redis.duplicate.bind(redis)
    redis.duplicate = (options) => keep(original({ ...options, socketTimeout }))
  }
  return duplicates
}

async function readInfo(redis: RedisConnection): Promise<ServerInfo[]> {
  if (!isCluster(redis)) return [{ node: null, text: await redis.info() }]
  const asked = redis.nodes('master').map(async (node) => ({ node: `${node.options.host}:${node.options.port}`, text: await node.info() }))
  // A node that is away has no part of this queue, or the queue itself does not answer.
  const answers = await Promise.allSettled(asked)
  const answered = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  if (answered.length === 0)
    throw answers.find((answer) => answer.status === 'rejected')?.reason ?? new Error('no node of the cluster is known yet')
  return answered
}

/** BullMQ's keys of the jobs of a queue, by state. Redis deletes such a key with its last job. */
const STATE_KEYS = ['wait', 'paused', 'active', 'prioritized', 'delayed', 'waiting-children', 'failed', 'completed']

/** Those of the queues that have jobs. One command where none of them has any. */
export async function findBusyQueues(redis: RedisConnection, prefix: string, names: readonly string[]): Promise<string[]> {
  const keysOf = (name: string): string[] => STATE_KEYS.map((state) => `${prefix}:${name}:${state}`)
  if (names.length === 0 || (await redis.exists(...names.flatMap(keysOf))) === 0) return []
  const counts = await Promise.all(names.map((name) => redis.exists(...keysOf(name))))
  return names.filter((_, i) => counts[i] !== 0)
}
