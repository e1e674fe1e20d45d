import { createPostgresBackend, createRedisBackend, type Job, type Processor, Queue, Worker, type WorkerOptions } from 'bullmq'
import { poolSize } from '../lib/postgres-client.ts'
import { explainKind } from './errors.ts'
import { type GivenRedis, prefixFor } from './given-redis.ts'
import { openQueuePool, openSockets, POSTGRES_SCHEMA, type PostgresTimeouts } from './postgres.ts'
import { findBusyQueues, openRedis, type RedisBehaviour, type ServerInfo } from './redis.ts'
import { queueTelemetry } from './telemetry.ts'
import {
  closeWhenReady,
  limitBlocking,
  type ReopenedQueue,
  reopenQueue,
  reportOnce,
  retryFirstConnection,
  setPoolOptions,
  waitInBlocks,
} from './workarounds.ts'

type BullQueue = Pick<Queue<unknown>, 'add' | 'addBulk' | 'getRanges' | 'count' | 'getFailedCount' | 'isPaused' | 'waitUntilReady'> & {
  getJob(id: string): Promise<QueuedJob | undefined>
}

/** The calls of a BullMQ queue that the tracker makes; the same on both backends. */
export interface JobQueue extends BullQueue {
  /** Empties the stream of events, where the backend can: it holds the reasons of failed jobs. */
  forgetEvents(): Promise<void>
  /** Those of the given queues of this server that have jobs in any state. None where the queue is in PostgreSQL. */
  findBusy(names: readonly string[]): Promise<string[]>
  /** The answers to INFO of the servers of Redis; null where the queue is in PostgreSQL. */
  serverInfo(): Promise<readonly ServerInfo[] | null>
}

export interface QueuedJob extends Pick<Job<unknown>, 'data' | 'updateData' | 'getState' | 'remove' | 'changeDelay'> {
  /** BullMQ's type lacks `undefined`, which a job that has not failed has. */
  readonly failedReason: string | undefined
}

export interface JobWorker extends Pick<Worker, 'isRunning'> {
  /** Locks of jobs of this worker expired, or another worker has them. Emitted at each attempt to renew them. */
  on(event: 'lockRenewalFailed', listener: (jobIds: string[]) => void): unknown
  /** The lock of a job had expired; the job waits again. */
  on(event: 'stalled', listener: (jobId: string) => void): unknown
}

/** Where the queue is. */
export interface QueueAddress {
  /** `redis://`, `rediss://`, `redis+sentinel://`, `redis+cluster://` or `postgres://` */
  readonly url: string
  /** Instead of the URL, which then is for messages only. */
  readonly given?: GivenRedis | undefined
  /** Default `dingtalk-delivery`. */
  readonly name: string
  /** Redis only. Default `bull`; on a cluster that becomes `{bull}`. */
  readonly prefix: string
  /** PostgreSQL only: the schema of BullMQ's tables. Default `bullmq`. */
  readonly schema?: string
  /** PostgreSQL only: connections of this process at most. Default: `connection_limit` of the address, else 3. */
  readonly connections?: number | null | undefined
}

/** `producer`: calls fail at once while the server is away. `sender`: also when the server is slow. `consumer`: calls wait for the server. */
export type Role = 'producer' | 'sender' | 'consumer'

/** A queue or worker with the connection that was opened for it. */
export interface Opened<T> {
  readonly it: T
  /** Waits for running work; the caller bounds it. */
  close(): Promise<void>
}

export interface OpenedQueue extends Opened<JobQueue> {
  /** Drops what is still open, after a `close` that took too long. */
  destroy(): void
}

/**
 * Of PostgreSQL: a statement of a sender ends before the sender's own timeout, so that one that timed out was not stored. A worker's connection
 * times out before its statement may: BullMQ promotes a backlog of any size in one statement, which the server finishes without the client too.
 */
const ROLES: Readonly<Record<Role, { readonly redis: RedisBehaviour; readonly postgres: PostgresTimeouts }>> = {
  producer: { redis: { waits: false, silenceMs: 2_000 }, postgres: { statementMs: 30_000, queryMs: 10_000, waitsForDisk: false } },
  sender: { redis: { waits: false, silenceMs: 1_500 }, postgres: { statementMs: 1_200, queryMs: 1_700, waitsForDisk: true } },
  consumer: { redis: { waits: true, silenceMs: 5_000 }, postgres: { statementMs: 30_000, queryMs: 10_000, waitsForDisk: false } },
}
/** Connections of a process to a queue in PostgreSQL. A worker needs as many: one adds jobs, one listens, one takes jobs. */
const QUEUE_CONNECTIONS = 3

/** @returns at least {@link QUEUE_CONNECTIONS}, because a worker cannot do with less */
export function queueConnections({ url, connections }: QueueAddress): number {
  return Math.max(QUEUE_CONNECTIONS, connections ?? poolSize(url, QUEUE_CONNECTIONS))
}

/** Of a process that sends. */
export function senderConnections({ url, connections }: QueueAddress): number {
  return connections ?? poolSize(url, QUEUE_CONNECTIONS)
}

/** A worker's jobs are added in batches. Most connections take and delay jobs. */
const ADDING_SHARE = 1 / 3

function producerConnections(address: QueueAddress): number {
  return Math.floor(queueConnections(address) * ADDING_SHARE)
}

export function isPostgres(url: string): boolean {
  return /^postgres(ql)?:/.test(url)
}

/** Connects with the first call. */
export function openQueue(address: QueueAddress, role: Role, onError: (error: unknown) => void): OpenedQueue {
  const report = reportOnce((error) => onError(explainKind(error)))
  const options = { streams: { events: { maxLen: 100 } }, ...queueTelemetry() }
  if (isPostgres(address.url)) {
    const { schema = POSTGRES_SCHEMA } = address
    const max = role === 'sender' ? senderConnections(address) : producerConnections(address)
    const queue = reopenQueue((sockets) => {
      const { pool, end } = openQueuePool(address, max, ROLES[role].postgres, sockets)
      return { queue: new Queue(address.name, { ...options, connection: pool }, setPoolOptions(createPostgresBackend, schema)), end }
    }, report)
    // BullMQ has no call that empties the events on PostgreSQL; it keeps the last ones only.
    const it = { ...createJobQueue(queue), forgetEvents: async () => undefined, findBusy: async () => [], serverInfo: async () => null }
    return { it, close: queue.close, destroy: queue.destroy }
  }
  const prefix = prefixFor(address)
  const link = openRedis(address, ROLES[role].redis, report)
  const create = () => new Queue(address.name, { ...options, prefix, connection: link.redis }, createRedisBackend)
  const queue = reopenQueue(() => ({ queue: create(), end: async () => undefined }), report)
  const forgetEvents = () => queue.call(async (opened) => void (await opened.trimEvents(0)))
  const findBusy = (names: readonly string[]) => queue.call(() => findBusyQueues(link.redis, prefix, names))
  const it = { ...createJobQueue(queue), forgetEvents, findBusy, serverInfo: () => link.info() }
  return { it, close: () => link.close(queue.close), destroy: () => link.redis.disconnect() }
}

function createJobQueue({ call }: ReopenedQueue<BullQueue>): BullQueue {
  return {
    add: (name, data, options) => call((queue) => queue.add(name, data, options)),
    addBulk: (jobs) => call((queue) => queue.addBulk(jobs)),
    getJob: (id) => call((queue) => queue.getJob(id)),
    getRanges: (states, start, end) => call((queue) => queue.getRanges(states, start, end)),
    count: () => call((queue) => queue.count()),
    getFailedCount: () => call((queue) => queue.getFailedCount()),
    isPaused: () => call((queue) => queue.isPaused()),
    waitUntilReady: () => call((queue) => queue.waitUntilReady()),
  }
}

export function openWorker(
  address: QueueAddress,
  process: Processor,
  options: Omit<WorkerOptions, 'connection' | 'prefix'>,
  onError: (error: unknown) => void,
): Opened<JobWorker> {
  const report = reportOnce((error) => onError(explainKind(error)))
  if (isPostgres(address.url)) {
    const { schema = POSTGRES_SCHEMA } = address
    const max = queueConnections(address) - producerConnections(address)
    const { pool, end } = openQueuePool(address, max, ROLES.consumer.postgres, openSockets())
    const create = limitBlocking(retryFirstConnection(setPoolOptions(createPostgresBackend, schema)))
    const worker = new Worker(address.name, process, { ...options, ...queueTelemetry(), connection: pool }, create)
    worker.on('error', report)
    const close = async (): Promise<void> => {
      try {
        await closeWhenReady(worker)
      } finally {
        await end()
      }
    }
    return { it: worker, close }
  }
  const prefix = prefixFor(address)
  const link = openRedis(address, ROLES.consumer.redis, report)
  const workerOptions = { ...options, ...queueTelemetry(), prefix, connection: link.redis }
  const worker = new Worker(address.name, process, workerOptions, waitInBlocks(limitBlocking(createRedisBackend)))
  worker.on('error', report)
  return { it: worker, close: () => link.close(() => worker.close()) }
}
