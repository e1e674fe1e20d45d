import type { TrackResult } from './domain/track-outcome.ts'
import type { TrackInput } from './intake/track-request.ts'
import { openTracker, type TrackerOptions } from './intake/tracker.ts'
import { assertOptions } from './lib/options.ts'

export { InvalidInputError, TrackerError, type TrackerErrorCode } from './domain/errors.ts'
export type { TrackResult } from './domain/track-outcome.ts'
export type { TrackInput } from './intake/track-request.ts'
export type { TrackerOptions } from './intake/tracker.ts'

export interface Tracker {
  /**
   * Starts tracking a sent work notification. Retrying is safe: a task is identified by app and task id. A second request with other data is
   * taken while no poll of the task has succeeded (`updated`), and refused afterwards (`conflict`).
   * @throws {InvalidInputError} when a field is not what it must be (`INVALID_INPUT`, `TOO_MANY_RECIPIENTS`)
   * Resolves or rejects within two seconds, also while the server is away. After an error that leaves open whether the task was taken,
   * track the task again; `duplicate` may then be true because of the first attempt.
   * @throws {TrackerError} `QUEUE_UNAVAILABLE`, `DATABASE_UNAVAILABLE`, `SCHEMA_MISMATCH`, `NOT_PERMITTED` or `CLOSED`
   */
  track(input: TrackInput): Promise<TrackResult>
  /**
   * As `track`, for many at once. All are checked before any is taken. They are taken in parts of at most 500 tasks (with a database, of at most
   * 10,000 people too); a part is taken whole or not at all. Where there is one part it takes two seconds at most. With a database each of several
   * parts takes ten seconds at most; a queue may take a second longer for each 10,000 people beyond 10,000.
   * @throws {TrackerError} as `track`; where it fails in the middle, `taken` has the results so far
   */
  trackMany(inputs: readonly TrackInput[]): Promise<TrackResult[]>
  /** Closes the connections, within two seconds. Safe to call twice. */
  close(): Promise<void>
}

/**
 * For sending code. Connects when the first task is tracked, and loads neither Prisma nor undici.
 * @throws {TrackerError} `INVALID_CONFIG` when not exactly one of the three places is given, or one of another kind, or a name that no queue has
 */
export function createTracker(options: TrackerOptions): Tracker {
  assertOptions('createTracker', options, [
    ...['queueUrl', 'queue', 'databaseUrl', 'schema', 'queueName', 'queueShards', 'queuePrefix', 'queueSchema', 'connections'],
  ])
  const tracker = openTracker(options)
  const trackMany = async (inputs: readonly TrackInput[]): Promise<TrackResult[]> =>
    (await tracker.trackMany(inputs)).map(({ result }) => result)
  return {
    trackMany,
    async track(input) {
      const [result] = await trackMany([input])
      if (result === undefined) throw new TypeError('one request gives one result')
      return result
    },
    close: () => tracker.close(),
  }
}
