import { InvalidInputError, TrackerError } from '../domain/errors.ts'
import { quote } from '../domain/quote.ts'
import { type TrackOutcome, type TrackResult, trackResult } from '../domain/track-outcome.ts'
import { assertAddress, assertConnections, assertName, DATABASE_SCHEMES, QUEUE_NAME, QUEUE_PREFIX, QUEUE_SCHEMES } from '../lib/address.ts'
import { DEFAULT_QUEUE_SCHEMA, QUEUE_SCHEMA_NAME, withSchema } from '../lib/database-schema.ts'
import { MAX_QUEUE_SHARDS, shardFaults, splitServers } from '../lib/queue-shards.ts'
import { assertGivenRedis, describeGivenRedis, type GivenRedis, prefixFor } from '../queue/given-redis.ts'
import { sendTimeoutMs } from './timeout.ts'
import { parseTrackRequest, type TrackInput, type TrackRequest } from './track-request.ts'

/** Exactly one of `queueUrl`, `queue` and `databaseUrl`. */
export interface TrackerOptions {
  /**
   * `redis://`, `rediss://`, `redis+sentinel://`, `redis+cluster://` or `postgres://`: the task is handed to the queue, and a worker stores it.
   * docs/queue.md has every form.
   */
  readonly queueUrl?: string | undefined
  /**
   * Instead of `queueUrl`: a client of ioredis (`Redis` or `Cluster`), which is duplicated and left open, the options of one, or
   * `{ nodes, ...options }` of a cluster. Time limits and retries are the tracker's.
   */
  readonly queue?: GivenRedis | undefined
  /** `postgres://`: the task is committed to the database before `track` returns, queue or no queue. */
  readonly databaseUrl?: string | undefined
  /** With `databaseUrl`: the schema of the tracker's tables. Default: that of its `?schema=`, else the one that is found in the database. */
  readonly schema?: string | undefined
  /** Default `dingtalk-delivery`; must be the worker's `QUEUE_NAME`. */
  readonly queueName?: string | undefined
  /** Default 1; must be the worker's `QUEUE_SHARDS`. For Redis. */
  readonly queueShards?: number | undefined
  /** Default `bull`; must be the worker's `QUEUE_PREFIX`. On a cluster it becomes `{bull}` by itself. */
  readonly queuePrefix?: string | undefined
  /** Default `bullmq`; must be the worker's `QUEUE_SCHEMA`. For a queue in PostgreSQL. */
  readonly queueSchema?: string | undefined
  /**
   * Connections to PostgreSQL at most. Default: `connection_limit` of the URL, else 4 to a database and 3 to a queue. Redis has one.
   */
  readonly connections?: number | undefined
}

/** `result` is what the package returns. `outcome` has details for the command `track`; null through a queue. */
export interface Taken {
  readonly result: TrackResult
  readonly outcome: TrackOutcome | null
}

export interface OpenTracker {
  /** @throws {TrackerError} see `Tracker` in `index.ts` */
  trackMany(inputs: readonly TrackInput[]): Promise<Taken[]>
  close(): Promise<void>
}

/** Takes checked requests. */
interface Intake {
  /**
   * @param giveUpAt by the clock of `performance`
   * @param onTaken is called for each request that is taken, with its outcome where that is known
   */
  add(requests: readonly TrackRequest[], giveUpAt: number, onTaken: (place: number, outcome: TrackOutcome | null) => void): Promise<void>
  close(): Promise<void>
}

/** What is left for the server where a busy machine takes seconds to load this package's code. */
const LOADED_LATE_MS = 1_000

/** @throws {TrackerError} `INVALID_CONFIG` */
export function openTracker(options: TrackerOptions): OpenTracker {
  const open = intakeFor(options)
  let intake: Promise<Intake> | null = null
  let closed = false
  return {
    async trackMany(inputs) {
      if (closed) throw new TrackerError('CLOSED', 'This tracker is closed. Create another one.')
      const requests = parseAll(inputs)
      if (requests.length === 0) return []
      const giveUpAt = performance.now() + sendTimeoutMs(requests)
      intake ??= open()
      const opened = await intake
      const taken: Taken[] = []
      try {
        await opened.add(requests, Math.max(giveUpAt, performance.now() + LOADED_LATE_MS), (place, outcome) => {
          const request = requests[place]
          if (request !== undefined) taken[place] = { result: trackResult(request, outcome), outcome }
        })
      } catch (error) {
        throw requests.length > 1 ? withTaken(error, taken, requests.length) : error
      }
      return taken
    },
    async close() {
      if (closed) return
      closed = true
      if (intake !== null) await (await intake).close()
    },
  }
}

/** @throws {InvalidInputError} */
function parseAll(inputs: readonly TrackInput[]): TrackRequest[] {
  if (!Array.isArray(inputs)) throw new InvalidInputError('inputs', `trackMany takes a list of requests, not ${quote(inputs)}.`)
  const now = new Date()
  // A hole in a list is a request that is missing.
  return Array.from(inputs, (input: unknown) => parseTrackRequest(input, now))
}

/** @param taken with holes where a request was not taken */
function withTaken(error: unknown, taken: readonly Taken[], requests: number): unknown {
  if (!(error instanceof TrackerError)) return error
  const results = taken.flatMap(({ result }) => [result])
  if (results.length > 0) error.message += ` ${results.length} of ${requests} were taken; tracking all again is safe.`
  return Object.assign(error, { taken: results })
}

function intakeFor(options: TrackerOptions): () => Promise<Intake> {
  const { queueUrl, queue, databaseUrl, connections } = options
  assertConnections(connections)
  if ([queueUrl, queue, databaseUrl].filter((each) => each !== undefined).length !== 1) {
    throw new TrackerError(
      'INVALID_CONFIG',
      'createTracker needs exactly one of queueUrl and databaseUrl, or queue instead of queueUrl. Is the environment variable set?',
    )
  }
  if (databaseUrl !== undefined) {
    assertAddress('databaseUrl', databaseUrl, DATABASE_SCHEMES)
    const url = withSchema({ url: 'databaseUrl', schema: 'schema' }, databaseUrl, options.schema)
    return async () => {
      const { openIntakeDatabase } = await import('./database.ts')
      const intake = openIntakeDatabase(url, connections)
      return {
        add: async (requests, giveUpAt, onTaken) => void (await intake.add(requests, { giveUpAt, onTaken })),
        close: () => intake.close(),
      }
    }
  }
  const address = queueAddress(options)
  return async () => {
    const { openTrackQueues } = await import('./queue.ts')
    const opened = openTrackQueues(address)
    return {
      add: (requests, giveUpAt, onTaken) => opened.add(requests, giveUpAt, (place) => onTaken(place, null)),
      close: () => opened.close(),
    }
  }
}

/** @throws {TrackerError} `INVALID_CONFIG` */
function queueAddress({ queueUrl, queue: given, connections, ...names }: TrackerOptions) {
  const { queueName: name = 'dingtalk-delivery', queueShards: shards = 1, queuePrefix: prefix = 'bull', queueSchema } = names
  const schema = queueSchema ?? DEFAULT_QUEUE_SCHEMA
  if (given !== undefined) assertGivenRedis('queue', given)
  else for (const url of typeof queueUrl === 'string' ? splitServers(queueUrl) : [queueUrl]) assertAddress('queueUrl', url, QUEUE_SCHEMES)
  assertName('queueName', name, QUEUE_NAME)
  assertShards(shards, given === undefined ? queueUrl : undefined)
  assertName('queuePrefix', prefix, QUEUE_PREFIX)
  assertName('queueSchema', schema, QUEUE_SCHEMA_NAME)
  const address = {
    ...(given === undefined ? { url: queueUrl ?? '' } : { url: describeGivenRedis(given), given }),
    name,
    shards,
    prefix,
    schema,
    connections,
  }
  // It throws where a cluster cannot have the prefix.
  prefixFor(address)
  return address
}

/** @throws {TrackerError} `INVALID_CONFIG` */
function assertShards(shards: unknown, url: string | undefined): asserts shards is number {
  if (typeof shards !== 'number' || !Number.isInteger(shards) || shards < 1 || shards > MAX_QUEUE_SHARDS)
    throw new TrackerError(
      'INVALID_CONFIG',
      `queueShards ${quote(shards)} is not accepted. Accepted: a whole number from 1 to ${MAX_QUEUE_SHARDS}, as a number.`,
    )
  const [fault] = shardFaults(url, shards, { url: 'queueUrl', shards: 'queueShards' })
  if (fault !== undefined) throw new TrackerError('INVALID_CONFIG', fault)
}
