import { createPostgresBackend, createRedisBackend, type JobsOptions, type Processor, Queue, Worker, type WorkerOptions } from 'bullmq'
import { Redis, type RedisOptions } from 'ioredis'
import { patiently } from './patience.ts'

/** What we use of a BullMQ queue, whichever backend it has. */
export interface JobQueue extends BullQueue {
  /** What Redis says of itself (INFO); null where the queue is in PostgreSQL. */
  serverInfo(): Promise<string | null>
}

interface BullQueue {
  add(name: string, data: unknown, options: JobsOptions): Promise<unknown>
  addBulk(jobs: Array<{ name: string; data: unknown; opts: JobsOptions }>): Promise<unknown>
  getJob(id: string): Promise<QueuedJob | undefined>
  /** Jobs that wait or sleep. A cheap question to see whether the server answers. */
  count(): Promise<number>
  /** Somebody has stopped all workers through BullMQ. */
  isPaused(): Promise<boolean>
  waitUntilReady(): Promise<unknown>
}

export interface JobWorker {
  isRunning(): boolean
  /** Locks of jobs of this worker ran out, or were taken by another. Said at each attempt to renew them. */
  on(event: 'lockRenewalFailed', listener: (jobIds: string[]) => void): unknown
  /** A job was found whose lock had run out; it waits again. */
  on(event: 'stalled', listener: (jobId: string) => void): unknown
}

export interface QueuedJob {
  getState(): Promise<string>
  remove(): Promise<void>
  changeDelay(delayMs: number): Promise<void>
}

/** Where the queue lives. */
export interface QueueAddress {
  /** `redis://`, `rediss://` or `postgres://` */
  readonly url: string
  /** Default `dingtalk-delivery`. */
  readonly name: string
  /** Redis only; on PostgreSQL the schema `bullmq` separates the queue. Default `bull`. */
  readonly prefix: string
}

/** `producer`: fails at once while the server is away. `consumer`: waits for it and goes on. */
export type Role = 'producer' | 'consumer'

/** A queue or worker with the connection that was opened for it. */
export interface Opened<T> {
  readonly it: T
  /** Waits for what runs; bounded by the caller. */
  close(): Promise<void>
}

/** Reconnects every two seconds at the latest; BullMQ's own pause grows to 20 s. */
const retryDelayMs = (times: number): number => Math.min(times * 200, 2_000)
/** While closing, a server that stays away for longer than these few attempts is given up. */
const RETRIES_WHILE_CLOSING = 5
/** BullMQ's own namespace in the database. */
export const POSTGRES_SCHEMA = 'bullmq'
const CONNECT_TIMEOUT_MS = 2_000
/** A server that says nothing for this long after a question is gone, and the connection is made anew. A worker blocks for up to 10 s. */
const SILENCE_MS: Readonly<Record<Role, number>> = { producer: 2_000, consumer: 30_000 }
/** Whoever waits for the first connection is told after this long; without it they would pile up while the server is away. */
const FIRST_CONNECTION_MS = 10_000
const STATEMENT_TIMEOUT_MS = 30_000
const READY_BEFORE_CLOSE_MS = 2_000

export function isPostgres(url: string): boolean {
  return /^postgres(ql)?:/.test(url)
}

export function openQueue(address: QueueAddress, role: Role, onError: (error: unknown) => void): Opened<JobQueue> {
  const tell = oncePerError(onError)
  const options = { prefix: address.prefix, streams: { events: { maxLen: 100 } } }
  if (isPostgres(address.url)) {
    const queue = reopened(
      () => new Queue(address.name, { ...options, connection: postgresOf(address.url, 3) }, createPostgresBackend),
      tell,
    )
    return { it: { ...queue.it, serverInfo: async () => null }, close: queue.close }
  }
  const link = openRedis(address.url, role, tell)
  const queue = reopened(() => new Queue(address.name, { ...options, connection: link.redis }, createRedisBackend), tell)
  return { it: { ...queue.it, serverInfo: () => link.redis.info() }, close: () => link.close(queue.close) }
}

export function openWorker(
  address: QueueAddress,
  process: Processor,
  options: Omit<WorkerOptions, 'connection' | 'prefix'>,
  onError: (error: unknown) => void,
): Opened<JobWorker> {
  const tell = oncePerError(onError)
  if (isPostgres(address.url)) {
    const connection = postgresOf(address.url, 6)
    const worker = new Worker(address.name, process, { ...options, connection }, createPostgresBackend)
    worker.on('error', tell)
    return { it: worker, close: () => closeListening(worker) }
  }
  const link = openRedis(address.url, 'consumer', tell)
  const worker = new Worker(address.name, process, { ...options, prefix: address.prefix, connection: link.redis }, createRedisBackend)
  worker.on('error', tell)
  return { it: worker, close: () => link.close(() => worker.close()) }
}

/**
 * A worker on PostgreSQL that is closed while it makes its LISTEN connection forgets it, and that connection keeps the process alive:
 * so wait until it is made, but not for a server that is away.
 */
async function closeListening(worker: { waitUntilReady(): Promise<unknown>; close(): Promise<void> }): Promise<void> {
  await patiently(READY_BEFORE_CLOSE_MS, worker.waitUntilReady()).catch(() => undefined)
  await worker.close()
}

/** A BullMQ queue on either backend. */
interface Closable extends BullQueue {
  on(event: 'error', listener: (error: Error) => void): unknown
  close(): Promise<void>
}

/**
 * BullMQ never tries again after a first connection that failed (on PostgreSQL; on Redis when it breaks at once),
 * so a new queue is made until one has connected. Opens nothing before it is used.
 */
function reopened(create: () => Closable, onError: (error: unknown) => void): Opened<BullQueue> {
  let current: { readonly queue: Closable; readonly ready: Promise<unknown> } | null = null
  let closed = false

  function open() {
    if (closed) throw new Error('the queue is closed')
    const queue = create()
    queue.on('error', onError)
    return { queue, ready: Promise.race([queue.waitUntilReady(), firstConnectionIsLate()]) }
  }

  async function ready(): Promise<BullQueue> {
    const mine = (current ??= open())
    try {
      await mine.ready
    } catch (error) {
      if (current === mine) {
        current = null
        mine.queue.close().catch(onError)
      }
      throw error
    }
    return mine.queue
  }

  return {
    it: {
      add: async (name, data, options) => (await ready()).add(name, data, options),
      addBulk: async (jobs) => (await ready()).addBulk(jobs),
      getJob: async (id) => (await ready()).getJob(id),
      count: async () => (await ready()).count(),
      isPaused: async () => (await ready()).isPaused(),
      waitUntilReady: ready,
    },
    async close() {
      closed = true
      await current?.queue.close()
    },
  }
}

/** The timer keeps no process alive: whoever waits has a shorter patience of their own. */
function firstConnectionIsLate(): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`no connection within ${FIRST_CONNECTION_MS} ms`)), FIRST_CONNECTION_MS).unref()
  })
}

/** A Redis client, and how to leave it. */
interface Link {
  readonly redis: Redis
  /** Does `close` and disconnects; a server that is away is not waited for. */
  close(close: () => Promise<void>): Promise<void>
}

function openRedis(url: string, role: Role, onError: (error: unknown) => void): Link {
  let closing = false
  const redis = new CountedRedis(url, {
    // A worker's commands wait for the server to come back; a producer's fail with the connection.
    maxRetriesPerRequest: role === 'consumer' ? null : 0,
    enableOfflineQueue: role === 'consumer',
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_MS[role],
    keepAlive: 10_000,
    retryStrategy: (times) => (closing && times > RETRIES_WHILE_CLOSING ? null : retryDelayMs(times)),
  })
  redis.on('error', (error) => {
    // A database number that the server does not have. The client would go on in database 0, where no worker looks.
    if (/DB index/i.test(error.message)) redis.disconnect()
    onError(error)
  })
  return {
    redis,
    async close(close) {
      closing = true
      // BullMQ waits for the end of a connection that is just being made again, which never comes (taskforcesh/bullmq#4656).
      await Promise.all(redis.copies.map(readyOrEnded))
      try {
        await close()
      } finally {
        // BullMQ leaves a client that it was given open.
        redis.disconnect()
      }
    },
  }
}

/** Knows the client that BullMQ makes for a worker to block on. */
class CountedRedis extends Redis {
  readonly copies: Redis[] = []

  override duplicate(options?: Partial<RedisOptions>): Redis {
    const copy = super.duplicate(options)
    this.copies.push(copy)
    return copy
  }
}

async function readyOrEnded(redis: Redis): Promise<void> {
  if (redis.status === 'ready' || redis.status === 'end') return
  await new Promise<void>((resolve) => {
    redis.once('ready', resolve)
    redis.once('end', resolve)
  })
}

/** BullMQ passes on what its client says, so each error comes twice. */
function oncePerError(tell: (error: unknown) => void): (error: unknown) => void {
  let told: unknown
  return (error) => {
    if (error === told) return
    told = error
    tell(error)
  }
}

function postgresOf(url: string, max: number) {
  return {
    connectionString: url,
    max,
    schema: POSTGRES_SCHEMA,
    keepAlive: true,
    connectionTimeoutMillis: 5_000,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS + 5_000,
  }
}
