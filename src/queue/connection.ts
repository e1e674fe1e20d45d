import { createPostgresBackend, createRedisBackend, type JobsOptions, type Processor, Queue, Worker, type WorkerOptions } from 'bullmq'
import { Redis } from 'ioredis'

/** What we use of a BullMQ queue, whichever backend it has. */
export interface JobQueue {
  add(name: string, data: unknown, options: JobsOptions): Promise<unknown>
  addBulk(jobs: Array<{ name: string; data: unknown; opts: JobsOptions }>): Promise<unknown>
  getJob(id: string): Promise<QueuedJob | undefined>
  /** Jobs that wait or sleep. A cheap question to see whether the server answers. */
  count(): Promise<number>
  waitUntilReady(): Promise<unknown>
}

export interface JobWorker {
  isRunning(): boolean
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
  /** Bounded by the caller: BullMQ's own close waits for an unreachable server without end (taskforcesh/bullmq#4656). */
  close(): Promise<void>
}

/** Reconnects every two seconds at the latest; BullMQ's own pause grows to 20 s. */
const retryStrategy = (times: number): number => Math.min(times * 200, 2_000)
/** BullMQ's own namespace in the database. */
export const POSTGRES_SCHEMA = 'bullmq'
const CONNECT_TIMEOUT_MS = 2_000

export function isPostgres(url: string): boolean {
  return /^postgres(ql)?:/.test(url)
}

export function openQueue(address: QueueAddress, role: Role, onError: (error: unknown) => void): Opened<JobQueue> {
  const options = { prefix: address.prefix, streams: { events: { maxLen: 100 } } }
  if (isPostgres(address.url)) {
    const queue = new Queue(address.name, { ...options, connection: postgresOf(address.url, 3) }, createPostgresBackend)
    queue.on('error', onError)
    return { it: queue, close: () => queue.close() }
  }
  const redis = openRedis(address.url, role, onError)
  const queue = new Queue(address.name, { ...options, connection: redis }, createRedisBackend)
  queue.on('error', onError)
  return { it: queue, close: () => closeWith(redis, () => queue.close()) }
}

export function openWorker(
  address: QueueAddress,
  process: Processor,
  options: Omit<WorkerOptions, 'connection' | 'prefix'>,
  onError: (error: unknown) => void,
): Opened<JobWorker> {
  if (isPostgres(address.url)) {
    const connection = postgresOf(address.url, 6)
    const worker = new Worker(address.name, process, { ...options, connection }, createPostgresBackend)
    worker.on('error', onError)
    return { it: worker, close: () => worker.close() }
  }
  const redis = openRedis(address.url, 'consumer', onError)
  const worker = new Worker(address.name, process, { ...options, prefix: address.prefix, connection: redis }, createRedisBackend)
  worker.on('error', onError)
  return { it: worker, close: () => closeWith(redis, () => worker.close()) }
}

function openRedis(url: string, role: Role, onError: (error: unknown) => void): Redis {
  const redis = new Redis(url, {
    maxRetriesPerRequest: null,
    enableOfflineQueue: role === 'consumer',
    connectTimeout: CONNECT_TIMEOUT_MS,
    keepAlive: 10_000,
    retryStrategy,
  })
  redis.on('error', onError)
  return redis
}

/** BullMQ leaves a client that it was given open. */
async function closeWith(redis: Redis, close: () => Promise<void>): Promise<void> {
  await close()
  redis.disconnect()
}

function postgresOf(url: string, max: number) {
  return { connectionString: url, max, schema: POSTGRES_SCHEMA, keepAlive: true, connectionTimeoutMillis: 5_000, statement_timeout: 30_000 }
}
