import { assertAddress, assertName, DATABASE_SCHEMES, QUEUE_NAME, QUEUE_PREFIX, QUEUE_SCHEMES } from './core/address.ts'
import { InvalidInputError, TrackerError } from './core/errors.ts'
import { assertOptions } from './core/options.ts'
import { patienceMsFor } from './core/patience.ts'
import { show } from './core/show.ts'
import { parseTrackRequest, type TrackInput, type TrackRequest } from './core/track-request.ts'

export { InvalidInputError, TrackerError, type TrackerErrorCode } from './core/errors.ts'
export type { TrackInput } from './core/track-request.ts'

/** Exactly one of `queueUrl` and `databaseUrl`. */
export interface TrackerOptions {
  /** `redis://`, `rediss://` or `postgres://`: the task is handed to the queue, and a worker stores it. */
  readonly queueUrl?: string | undefined
  /** `postgres://`: the task is committed to the database before `track` returns, queue or no queue. */
  readonly databaseUrl?: string | undefined
  /** Default `dingtalk-delivery`; must be the worker's `QUEUE_NAME`. */
  readonly queueName?: string | undefined
  /** Default `bull`; must be the worker's `QUEUE_PREFIX`. */
  readonly queuePrefix?: string | undefined
}

export interface TrackResult {
  readonly app: string
  readonly taskId: string
  /** The task was tracked already, and nothing changed. Null through a queue: only the worker can know. */
  readonly duplicate: boolean | null
}

export interface Tracker {
  /**
   * Starts tracking a sent work notification. Idempotent on app and task id: the first request counts.
   * @throws {InvalidInputError} when a field is not what it must be (`INVALID_INPUT`, `TOO_MANY_RECIPIENTS`)
   * Answers within two seconds, whatever the server does: taken, or an error. After an error that leaves open whether it was taken,
   * track the task again; `duplicate` may then be true because of the first attempt.
   * @throws {TrackerError} `QUEUE_UNAVAILABLE`, `DATABASE_UNAVAILABLE`, `SCHEMA_MISMATCH`, `NOT_PERMITTED` or `CLOSED`
   */
  track(input: TrackInput): Promise<TrackResult>
  /**
   * As `track`, for many at once. All are checked before any is taken; with a database, all are taken or none.
   * With more than 10,000 people altogether it may take a second longer for each 10,000.
   */
  trackMany(inputs: readonly TrackInput[]): Promise<TrackResult[]>
  /** Closes the connections, within two seconds. Safe to call twice. */
  close(): Promise<void>
}

/** Takes checked requests; says for each whether it was there already, where that can be known. */
interface Door {
  /** @param giveUpAt by the clock of `performance` */
  add(requests: readonly TrackRequest[], giveUpAt: number): Promise<ReadonlyArray<boolean | null>>
  close(): Promise<void>
}

/** A machine so busy that our own code takes seconds to load the first time has this much left for the server. */
const LOADED_LATE_MS = 1_000

/**
 * The door for sending code. Connects when the first task is tracked, and loads neither Prisma nor undici.
 * @throws {TrackerError} `INVALID_CONFIG` when not exactly one URL is given, or one of another kind, or a name that no queue has
 */
export function createTracker(options: TrackerOptions): Tracker {
  assertOptions('createTracker', options, ['queueUrl', 'databaseUrl', 'queueName', 'queuePrefix'])
  const open = doorOf(options)
  let door: Promise<Door> | null = null
  let closed = false

  async function trackMany(inputs: readonly TrackInput[]): Promise<TrackResult[]> {
    if (closed) throw new TrackerError('CLOSED', 'This tracker is closed. Create another one.')
    const now = new Date()
    if (!Array.isArray(inputs)) throw new InvalidInputError('inputs', `trackMany takes a list of requests, not ${show(inputs)}.`)
    // A hole in a list is a request that is missing.
    const requests = Array.from(inputs, (input: unknown) => parseTrackRequest(input, now))
    if (requests.length === 0) return []
    const giveUpAt = performance.now() + patienceMsFor(requests)
    door ??= open()
    const opened = await door
    const isNew = await opened.add(requests, Math.max(giveUpAt, performance.now() + LOADED_LATE_MS))
    return requests.map(({ app, taskId }, i) => ({ app, taskId, duplicate: duplicateOf(isNew[i]) }))
  }

  return {
    trackMany,
    async track(input) {
      const [result] = await trackMany([input])
      if (result === undefined) throw new TypeError('one request gives one result')
      return result
    },
    async close() {
      if (closed) return
      closed = true
      if (door !== null) await (await door).close()
    },
  }
}

function duplicateOf(isNew: boolean | null | undefined): boolean | null {
  return typeof isNew === 'boolean' ? !isNew : null
}

function doorOf(options: TrackerOptions): () => Promise<Door> {
  const { queueUrl, databaseUrl } = options
  if ((queueUrl === undefined) === (databaseUrl === undefined)) {
    throw new TrackerError(
      'INVALID_CONFIG',
      'createTracker needs exactly one of queueUrl and databaseUrl. Is the environment variable set?',
    )
  }
  if (databaseUrl !== undefined) {
    assertAddress('databaseUrl', databaseUrl, DATABASE_SCHEMES)
    return async () => (await import('./store/track-door.ts')).openTrackDoor(databaseUrl)
  }
  const url = queueUrl ?? ''
  assertAddress('queueUrl', url, QUEUE_SCHEMES)
  const { queueName = 'dingtalk-delivery', queuePrefix = 'bull' } = options
  assertName('queueName', queueName, QUEUE_NAME)
  assertName('queuePrefix', queuePrefix, QUEUE_PREFIX)
  return async () => {
    const { openTrackQueue } = await import('./queue/track-queue.ts')
    const queue = openTrackQueue({ url, name: queueName, prefix: queuePrefix })
    return {
      async add(requests, giveUpAt) {
        await queue.add(requests, giveUpAt)
        return requests.map(() => null)
      },
      close: () => queue.close(),
    }
  }
}
