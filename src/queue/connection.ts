import { setTimeout as sleep } from 'node:timers/promises'
import {
  type BackendFactory,
  createPostgresBackend,
  createRedisBackend,
  type IQueueBackend,
  type JobsOptions,
  type JobType,
  type Processor,
  Queue,
  Worker,
  type WorkerOptions,
} from 'bullmq'
import { Redis, type RedisOptions } from 'ioredis'
import { openSockets, type Sockets } from './sockets.ts'
import { withQueueTimeout } from './timeout.ts'

/** What we use of a BullMQ queue, whichever backend it has. */
export interface JobQueue extends BullQueue {
  /** What Redis says of itself (INFO); null where the queue is in PostgreSQL. */
  serverInfo(): Promise<string | null>
}

interface BullQueue {
  add(name: string, data: unknown, options: JobsOptions): Promise<unknown>
  addBulk(jobs: Array<{ name: string; data: unknown; opts: JobsOptions }>): Promise<unknown>
  getJob(id: string): Promise<QueuedJob | undefined>
  /** Ids of the jobs in a state, from place `start` to place `end`. */
  getRanges(states: JobType[], start: number, end: number): Promise<string[]>
  /** Empties the stream of events, where the backend can: the reason of a failed job is in it. */
  forgetEvents(): Promise<void>
  /** Jobs that wait or sleep. A cheap question to see whether the server answers. */
  count(): Promise<number>
  /** Jobs that were refused: our own jobs never fail otherwise. */
  getFailedCount(): Promise<number>
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
  readonly name: string
  readonly data: unknown
  readonly failedReason: string | undefined
  updateData(data: unknown): Promise<void>
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

/** `producer`: fails at once while the server is away. `sender`: so does a server that is slow. `consumer`: waits for it and goes on. */
export type Role = 'producer' | 'sender' | 'consumer'

/** A queue or worker with the connection that was opened for it. */
export interface Opened<T> {
  readonly it: T
  /** Waits for what runs; bounded by the caller. */
  close(): Promise<void>
}

export interface OpenedQueue extends Opened<JobQueue> {
  /** After a `close` that took too long: whatever is still open ends without a word. */
  leave(): void
}

/** Reconnects every two seconds at the latest; BullMQ's own pause grows to 20 s. */
const retryDelayMs = (times: number): number => Math.min(times * 200, 2_000)
/** While closing, a server that stays away for longer than these few attempts is given up. */
const RETRIES_WHILE_CLOSING = 5
/** BullMQ's own namespace in the database. */
export const POSTGRES_SCHEMA = 'bullmq'
/** Of a queue on PostgreSQL, which is no worker's. */
export const SENDER_CONNECTIONS = 3
const CONNECT_TIMEOUT_MS = 2_000
/** A server that says nothing for this long after a question is gone, and the connection is made anew. */
const SILENCE_MS: Readonly<Record<Role, number>> = { producer: 2_000, sender: 1_500, consumer: 5_000 }
/**
 * How long a worker blocks for the next job at most, in seconds: it learns that the connection was cut silently when the time is over.
 * BullMQ's own limits are 10 s on Redis and an hour on PostgreSQL.
 */
export const MAX_BLOCK_SECONDS = 5
/** On the connection that a worker blocks on. */
const BLOCKING_SILENCE_MS = MAX_BLOCK_SECONDS * 1_000 + 1_000
/** Whoever waits for the first connection is told after this long; without it they would pile up while the server is away. */
const FIRST_CONNECTION_MS = 10_000
/** How long a statement may run in a PostgreSQL queue. For a sender the server gives up before its patience ends, so that given up means not taken. */
const STATEMENT_TIMEOUT_MS: Readonly<Record<Role, number>> = { producer: 30_000, sender: 1_200, consumer: 30_000 }
/**
 * When a server that has not answered counts as silent. For a worker that is shorter than a statement may run: BullMQ wakes a backlog of any
 * size in one, and when nobody waits for it any more it is done all the same.
 */
const SILENT_AFTER_MS: Readonly<Record<Role, number>> = { producer: 10_000, sender: 1_700, consumer: 10_000 }
const READY_BEFORE_CLOSE_MS = 2_000

export function isPostgres(url: string): boolean {
  return /^postgres(ql)?:/.test(url)
}

export function openQueue(address: QueueAddress, role: Role, onError: (error: unknown) => void): OpenedQueue {
  const tell = oncePerError(onError)
  const options = { prefix: address.prefix, streams: { events: { maxLen: 100 } } }
  if (isPostgres(address.url)) {
    // On PostgreSQL BullMQ has no call that empties the events; it keeps the last ones only.
    const queue = reopened(
      (sockets) => {
        const connection = { ...postgresOf(address.url, SENDER_CONNECTIONS, role), stream: sockets.open }
        return new Queue(address.name, { ...options, connection }, createPostgresBackend)
      },
      async () => undefined,
      tell,
    )
    return { ...queue, it: { ...queue.it, serverInfo: async () => null } }
  }
  const link = openRedis(address.url, role, tell)
  const queue = reopened(
    () => new Queue(address.name, { ...options, connection: link.redis }, createRedisBackend),
    async (made) => void (await made.trimEvents(0)),
    tell,
  )
  const it = { ...queue.it, serverInfo: () => link.redis.info() }
  return { it, close: () => link.close(queue.close), leave: () => link.redis.disconnect() }
}

export function openWorker(
  address: QueueAddress,
  process: Processor,
  options: Omit<WorkerOptions, 'connection' | 'prefix'>,
  onError: (error: unknown) => void,
): Opened<JobWorker> {
  const tell = oncePerError(onError)
  if (isPostgres(address.url)) {
    const connection = postgresOf(address.url, 6, 'consumer')
    const worker = new Worker(address.name, process, { ...options, connection }, blockingBriefly(connectingAgain(createPostgresBackend)))
    worker.on('error', tell)
    return { it: worker, close: () => closeListening(worker) }
  }
  const link = openRedis(address.url, 'consumer', tell)
  const worker = new Worker(
    address.name,
    process,
    { ...options, prefix: address.prefix, connection: link.redis },
    blockingBriefly(createRedisBackend),
  )
  worker.on('error', tell)
  return { it: worker, close: () => link.close(() => worker.close()) }
}

function blockingBriefly<T extends IQueueBackend, O>(create: BackendFactory<T, O>): BackendFactory<T, O> {
  return (...given) => Object.defineProperty(create(...given), 'maximumBlockTimeout', { value: MAX_BLOCK_SECONDS })
}

/**
 * BullMQ (6.7.0) on PostgreSQL never forgets a first connection that failed. A worker whose server went away in that moment would ask again and
 * again without a pause, and not even hear that it is told to stop. So here each question makes the first connection anew until one holds.
 */
function connectingAgain<T extends IQueueBackend, O>(create: BackendFactory<T, O>): BackendFactory<T, O> {
  return (...given) => {
    const backend = create(...given)
    const connection = firstConnectionOf(backend)
    const connect = connection.waitUntilReady.bind(connection)
    connection.waitUntilReady = async () => {
      try {
        await connect()
      } catch (error) {
        connection.readyPromise = undefined
        await sleep(RECONNECT_PAUSE_MS)
        throw error
      }
    }
    return backend
  }
}

/** BullMQ itself pauses after a refused connection only, not after one that broke off. */
const RECONNECT_PAUSE_MS = 200

interface FirstConnection {
  readyPromise: Promise<void> | undefined
  waitUntilReady(): Promise<void>
}

/** @throws {TypeError} where a release of BullMQ has it elsewhere: better at the start than as a worker that spins */
function firstConnectionOf(backend: object): FirstConnection {
  const connection: unknown = Reflect.get(backend, 'connection')
  if (!isFirstConnection(connection)) throw new TypeError('this release of BullMQ connects in another way')
  return connection
}

function isFirstConnection(value: unknown): value is FirstConnection {
  return typeof value === 'object' && value !== null && 'waitUntilReady' in value && typeof value.waitUntilReady === 'function'
}

/**
 * A worker on PostgreSQL that is closed while it makes its LISTEN connection forgets it, and that connection keeps the process alive:
 * so wait until it is made, but not for a server that is away.
 */
async function closeListening(worker: { waitUntilReady(): Promise<unknown>; close(): Promise<void> }): Promise<void> {
  await withQueueTimeout(READY_BEFORE_CLOSE_MS, worker.waitUntilReady()).catch(() => undefined)
  await worker.close()
}

/** A BullMQ queue on either backend. */
interface Closable extends Omit<BullQueue, 'forgetEvents'> {
  on(event: 'error', listener: (error: Error) => void): unknown
  close(): Promise<void>
}

/**
 * BullMQ never tries again after a first connection that failed (on PostgreSQL; on Redis when it breaks at once),
 * so a new queue is made until one has connected, and after a connection was silent: the others are as old, and likely as dead.
 * Opens nothing before it is used.
 */
function reopened<Q extends Closable>(
  create: (sockets: Sockets) => Q,
  forgetEvents: (queue: Q) => Promise<void>,
  onError: (error: unknown) => void,
): Opened<BullQueue> & Pick<OpenedQueue, 'leave'> {
  let current: { readonly queue: Q; readonly ready: Promise<unknown>; readonly sockets: Sockets } | null = null
  let closed = false

  function open() {
    if (closed) throw new Error('the queue is closed')
    const sockets = openSockets()
    const queue = create(sockets)
    queue.on('error', onError)
    return { queue, sockets, ready: Promise.race([queue.waitUntilReady(), firstConnectionIsLate()]) }
  }

  function forget(mine: NonNullable<typeof current>): void {
    if (current !== mine) return
    current = null
    mine.sockets.endSoon()
    mine.queue.close().catch(onError)
  }

  async function ready() {
    const mine = (current ??= open())
    try {
      await mine.ready
    } catch (error) {
      forget(mine)
      throw error
    }
    return mine
  }

  async function ask<T>(question: (queue: Q) => Promise<T>): Promise<T> {
    const mine = await ready()
    try {
      return await question(mine.queue)
    } catch (error) {
      if (isSilence(error)) forget(mine)
      throw error
    }
  }

  return {
    it: {
      add: (name, data, options) => ask((queue) => queue.add(name, data, options)),
      addBulk: (jobs) => ask((queue) => queue.addBulk(jobs)),
      getJob: (id) => ask((queue) => queue.getJob(id)),
      getRanges: (states, start, end) => ask((queue) => queue.getRanges(states, start, end)),
      forgetEvents: () => ask(forgetEvents),
      count: () => ask((queue) => queue.count()),
      getFailedCount: () => ask((queue) => queue.getFailedCount()),
      isPaused: () => ask((queue) => queue.isPaused()),
      waitUntilReady: ready,
    },
    async close() {
      closed = true
      await current?.queue.close()
    },
    leave: () => current?.sockets.end(),
  }
}

/** What `pg` says of a server that did not answer within `query_timeout`. */
function isSilence(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout'
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
    // A database number that the server does not have. The client would go on in database 0, where no worker polls.
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

/** Knows the client that BullMQ makes for a worker to block on, which may be silent for longer. */
class CountedRedis extends Redis {
  readonly copies: Redis[] = []

  override duplicate(options?: Partial<RedisOptions>): Redis {
    const copy = super.duplicate({ ...options, socketTimeout: BLOCKING_SILENCE_MS })
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

function postgresOf(url: string, max: number, role: Role) {
  return {
    connectionString: url,
    max,
    schema: POSTGRES_SCHEMA,
    keepAlive: true,
    connectionTimeoutMillis: 5_000,
    statement_timeout: STATEMENT_TIMEOUT_MS[role],
    query_timeout: SILENT_AFTER_MS[role],
  }
}
