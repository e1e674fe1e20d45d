import { setTimeout as sleep } from 'node:timers/promises'
import type { BackendFactory, IQueueBackend } from 'bullmq'
import type { Cluster, Redis } from 'ioredis'
import { isQueryTimeout, openSockets, type Sockets } from './postgres.ts'
import { withQueueTimeout } from './timeout.ts'

/**
 * Every workaround for BullMQ 6.7.0, the version that package.json pins. test/queue/workarounds.test.ts shows for each that the installed release
 * still needs it: when such a test fails after an upgrade, delete the workaround with it.
 */

/**
 * Longest time in seconds that a worker blocks for the next job. BullMQ blocks for 10 s on Redis and for an hour on PostgreSQL, and a worker
 * notices a connection that was cut silently only when the block ends. There is no option for it.
 */
export const MAX_BLOCK_SECONDS = 5

/** Applies `MAX_BLOCK_SECONDS`. */
export function limitBlocking<T extends IQueueBackend, O>(create: BackendFactory<T, O>): BackendFactory<T, O> {
  return (...given) => Object.defineProperty(create(...given), 'maximumBlockTimeout', { value: MAX_BLOCK_SECONDS })
}

/** A block that took longer or shorter than this, in milliseconds, was cut. ioredis connects again after 200 ms at the earliest. */
const PUNCTUAL_MS = 150

/**
 * After each block BullMQ looks for a job with a script of eight commands, also where the queue has no job at all: then nothing can be due, and an
 * added job ends the block. So on Redis such a wait is made of several blocks. A connection that was cut in one of them ends the wait: the
 * news of a job may have been lost with it.
 */
export function waitInBlocks<T extends IQueueBackend, O>(create: BackendFactory<T, O>): BackendFactory<T, O> {
  return (...given) => {
    const backend = create(...given)
    const block = backend.waitForJob.bind(backend)
    backend.waitForJob = async (seconds) => {
      for (let left = seconds; ; left -= MAX_BLOCK_SECONDS) {
        const blockMs = Math.min(left, MAX_BLOCK_SECONDS) * 1_000
        const startedMs = performance.now()
        const found = await block(blockMs / 1_000)
        const isPunctual = Math.abs(performance.now() - startedMs - blockMs) < PUNCTUAL_MS
        if (found !== null || !isPunctual || left <= MAX_BLOCK_SECONDS) return found
      }
    }
    return backend
  }
}

/**
 * With a pool of the caller BullMQ takes no options. It would check the migrations of the schema `bullmq`, whatever the search path of the pool is,
 * and print a warning for PostgreSQL 13, past any log; our client checks the version.
 * @param schema of BullMQ's tables
 */
export function setPoolOptions<T extends IQueueBackend, O>(create: BackendFactory<T, O>, schema: string): BackendFactory<T, O> {
  return (...given) => {
    const backend = create(...given)
    Object.assign(backend, { schema })
    Object.assign(readFirstConnection(backend), { schema, skipVersionCheck: true })
    return backend
  }
}

/** BullMQ waits after a refused connection, but not after one that broke off. */
const RECONNECT_PAUSE_MS = 200

/**
 * On PostgreSQL BullMQ keeps the promise of its first connection, also when that was rejected: a worker whose server was away in that moment
 * would fail in a loop without a pause, and could not be closed. Here each call connects anew until one has succeeded.
 */
export function retryFirstConnection<T extends IQueueBackend, O>(create: BackendFactory<T, O>): BackendFactory<T, O> {
  return (...given) => {
    const backend = create(...given)
    const connection = readFirstConnection(backend)
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

interface FirstConnection {
  readyPromise: Promise<void> | undefined
  waitUntilReady(): Promise<void>
}

/** @throws {TypeError} where a release of BullMQ has no such private field: an error at the start, not a worker in a loop */
export function readFirstConnection(backend: object): FirstConnection {
  const connection: unknown = Reflect.get(backend, 'connection')
  if (!isFirstConnection(connection)) throw new TypeError('this release of BullMQ connects in another way')
  return connection
}

function isFirstConnection(value: unknown): value is FirstConnection {
  return typeof value === 'object' && value !== null && 'waitUntilReady' in value && typeof value.waitUntilReady === 'function'
}

const READY_BEFORE_CLOSE_MS = 2_000

/**
 * A worker on PostgreSQL that is closed while it opens its LISTEN connection leaves that connection open, which keeps the process alive.
 * So the close waits until the connection is there, but not for a server that is away.
 */
export async function closeWhenReady(worker: { waitUntilReady(): Promise<unknown>; close(): Promise<void> }): Promise<void> {
  await withQueueTimeout(READY_BEFORE_CLOSE_MS, worker.waitUntilReady()).catch(() => undefined)
  await worker.close()
}

/**
 * BullMQ waits without end for a Redis connection that is being made again (taskforcesh/bullmq#4656), so the close first waits until each of
 * the connections is made or given up. Afterwards BullMQ leaves a client open that it did not make itself.
 * @param clients those that are closed; the first was made by us, the others by BullMQ
 */
export async function closeWithClients(
  [own, ...duplicates]: readonly [Redis | Cluster, ...Array<Redis | Cluster>],
  close: () => Promise<void>,
): Promise<void> {
  await Promise.all(duplicates.map(readyOrEnded))
  try {
    await close()
  } finally {
    own.disconnect()
  }
}

async function readyOrEnded(redis: Redis | Cluster): Promise<void> {
  if (redis.status === 'ready' || redis.status === 'end') return
  await new Promise<void>((resolve) => {
    redis.once('ready', resolve)
    redis.once('end', resolve)
  })
}

/** BullMQ emits the errors of its client again, so each error arrives twice. */
export function reportOnce(report: (error: unknown) => void): (error: unknown) => void {
  let last: unknown
  return (error) => {
    if (error === last) return
    last = error
    report(error)
  }
}

/** A call fails after this long without a first connection, or calls would pile up while the server is away. */
const FIRST_CONNECTION_MS = 10_000

interface BullQueue {
  on(event: 'error', listener: (error: Error) => void): unknown
  waitUntilReady(): Promise<unknown>
  close(): Promise<void>
}

/** A queue that is opened with the first call, and anew after a failure. */
export interface ReopenedQueue<Q> {
  call<T>(work: (queue: Q) => Promise<T>): Promise<T>
  close(): Promise<void>
  /** Closes the sockets at once, for a `close` that takes too long. */
  destroy(): void
}

/**
 * A BullMQ queue whose first connection failed never connects (always on PostgreSQL; on Redis when the connection breaks at once). So a new queue
 * is made until one has connected, and also after a statement without an answer: the other connections of its pool are as old and likely as dead.
 */
export function reopenQueue<Q extends BullQueue>(
  create: (sockets: Sockets) => { readonly queue: Q; end(): Promise<void> },
  onError: (error: unknown) => void,
): ReopenedQueue<Q> {
  let current: { readonly queue: Q; readonly ready: Promise<unknown>; readonly sockets: Sockets; close(): Promise<void> } | null = null
  let closed = false

  function open() {
    if (closed) throw new Error('the queue is closed')
    const sockets = openSockets()
    const { queue, end } = create(sockets)
    queue.on('error', onError)
    const close = async (): Promise<void> => {
      try {
        await queue.close()
      } finally {
        await end()
      }
    }
    return { queue, sockets, close, ready: Promise.race([queue.waitUntilReady(), rejectLateConnection()]) }
  }

  function drop(opened: NonNullable<typeof current>): void {
    if (current !== opened) return
    current = null
    opened.sockets.destroyLater()
    opened.close().catch(onError)
  }

  return {
    async call(work) {
      const opened = (current ??= open())
      let connected = false
      try {
        await opened.ready
        connected = true
        return await work(opened.queue)
      } catch (error) {
        if (!connected || isQueryTimeout(error)) drop(opened)
        throw error
      }
    },
    async close() {
      closed = true
      await current?.close()
    },
    destroy: () => current?.sockets.destroy(),
  }
}

/** The timer keeps no process alive: each caller has a shorter timeout of its own. */
function rejectLateConnection(): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`no connection within ${FIRST_CONNECTION_MS} ms`)), FIRST_CONNECTION_MS).unref()
  })
}

/**
 * BullMQ counts the stalls of a job over its whole life and fails it after one: 25 SIGKILLs over 300 tasks lost 100 of them. A job here lives
 * for 24 hours and many deployments, so no count is too high.
 */
export const MAX_STALLED_COUNT = 2 ** 31 - 1

/** BullMQ's own refusals (lock lost, job not active) have no class, only a negative code. Repeating the call would not help. */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && error.code < 0
}

/** `JobLockNotExist` and `JobLockMismatch` of BullMQ's error codes. */
const LOCK_CODES: ReadonlySet<unknown> = new Set([-2, -6])

export function isLockLost(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && LOCK_CODES.has(error.code)
}

/** Only the message has the job: "Missing lock for job ID. command", "Lock mismatch for job ID. Cmd …" */
export function jobIdOfLostLock(error: Error): string {
  return / for job (\S+)\. /.exec(error.message)?.[1] ?? ''
}
