import type pg from 'pg'
import { TrackerError } from '../domain/errors.ts'
import type { TrackOutcome } from '../domain/track-outcome.ts'
import { errorText } from '../lib/error-text.ts'
import { classifyPostgresError, connectFault, notPermitted, postgresRemedy, roleIn } from '../lib/postgres-errors.ts'
import { TimeoutError, withTimeout } from '../lib/timeout.ts'
import { createTrackPool, STATEMENT_TIMEOUT_MS } from './pool.ts'
import { SENDER_TIMEOUT_MS } from './timeout.ts'
import type { TrackRequest } from './track-request.ts'
import { byKey, decodeOutcome, refusedInput, requestsAsJson, TRACK, type TrackRow } from './track-rows.ts'

/** Writes requests into the database with `pg` alone, so that sending code loads no Prisma. */
export interface IntakeDatabase {
  /**
   * Stores requests in parts of bounded size, each committed before the next. One part takes two seconds at most, each of several parts ten.
   * @returns what became of each request, in their order
   */
  add(requests: readonly TrackRequest[], options?: AddOptions): Promise<TrackOutcome[]>
  close(): Promise<void>
}

export interface AddOptions {
  /** For requests that are one part: by the clock of `performance`. Default: two seconds from now. */
  readonly giveUpAt?: number
  /** Called for each request when its part is committed. */
  readonly onTaken?: (place: number, outcome: TrackOutcome) => void
}

/** A part takes some 0.1 s of the server's time, so that six senders at once, or a sender of one task beside one of ten thousand, wait a short time. */
const MAX_TASKS = 500
const MAX_PEOPLE = 10_000
/** PostgreSQL works at one part on one core. */
const PARALLEL_PARTS = 2
/** For each of several parts. Longer than for a single part, because many parts at once keep the server busy. */
const PART_TIMEOUT_MS = 10_000
/** The server's limit ends this long before the sender's, so that an expired statement is surely not stored. */
const SERVER_FIRST_MS = SENDER_TIMEOUT_MS - STATEMENT_TIMEOUT_MS

/** A sender that has waited longer for a connection has no time left for a statement. */
const SHORTEST_STATEMENT_MS = 200

/**
 * @param connections at most; default: `connection_limit` of the URL, else 4
 * @throws {TrackerError} from its methods: `DATABASE_UNAVAILABLE`, `SCHEMA_MISMATCH` where `migrate` has not run, `NOT_PERMITTED`, or
 * `INVALID_INPUT` where the database's clock refuses a send time
 */
export function openIntakeDatabase(databaseUrl: string, connections?: number): IntakeDatabase {
  const pool = createTrackPool(databaseUrl, connections)
  const role = roleIn(databaseUrl)

  async function connected(timeoutMs: number): Promise<pg.PoolClient> {
    try {
      return await pool.connect(timeoutMs - SHORTEST_STATEMENT_MS)
    } catch (error) {
      throw explained(error, role, 'Nothing was stored')
    }
  }

  async function addPart(requests: readonly TrackRequest[], timeoutMs: number): Promise<TrackOutcome[]> {
    const giveUpAt = performance.now() + timeoutMs
    const client = await connected(timeoutMs)
    // The pool does not listen to a connection that is in use, and an error without a listener ends the process. The statement fails as well.
    client.on('error', ignore)
    const leftMs = giveUpAt - performance.now()
    const isLong = timeoutMs > SENDER_TIMEOUT_MS
    try {
      // Connecting is a part of the time that the sender has waited.
      const waited = (): Error => new TimeoutError(`no answer within ${Math.round(timeoutMs)} ms`)
      const { rows } = await withTimeout(leftMs, isLong ? trackSlowly(client, requests, leftMs) : track(client, requests), waited)
      release(client, false)
      return rows.map(decodeOutcome)
    } catch (error) {
      const answered = isAnswer(error)
      release(client, !answered || isLong)
      // A server that is reachable would have answered by then.
      if (!answered && giveUpAt - performance.now() <= 0 && leftMs > timeoutMs - SERVER_FIRST_MS) pool.renew()
      throw explained(error, role, answered ? 'Nothing was stored' : 'It may have been stored nevertheless')
    }
  }

  return {
    async add(requests, { giveUpAt = performance.now() + SENDER_TIMEOUT_MS, onTaken } = {}) {
      const parts = splitRequests(requests)
      const outcomes: TrackOutcome[] = []
      await forEach(parts, PARALLEL_PARTS, async (part) => {
        const timeoutMs = parts.length === 1 ? giveUpAt - performance.now() : PART_TIMEOUT_MS
        const done = await addPart(
          part.map(({ request }) => request),
          timeoutMs,
        )
        for (const [i, { place }] of part.entries()) {
          const outcome = done[i]
          if (outcome === undefined) throw new TypeError('one request gives one result')
          outcomes[place] = outcome
          onTaken?.(place, outcome)
        }
      })
      return outcomes
    },
    close: () => pool.close(),
  }
}

/** Runs `work` for every item, `atOnce` at a time. After a failure no other is started, and it rejects when the running ones have ended. */
async function forEach<Item>(items: readonly Item[], atOnce: number, work: (item: Item) => Promise<void>): Promise<void> {
  const waiting = items.values()
  let hasFailed = false
  const lane = async (): Promise<void> => {
    for (const item of waiting) {
      if (hasFailed) return
      await work(item).catch((error: unknown) => {
        hasFailed = true
        throw error
      })
    }
  }
  const done = await Promise.allSettled(Array.from({ length: atOnce }, lane))
  for (const each of done) if (each.status === 'rejected') throw each.reason
}

interface Placed {
  readonly request: TrackRequest
  readonly place: number
}

/** Parts in the order in which every writer locks tasks, of bounded size. Requests for one task are never in two parts, since two parts run at once. */
function splitRequests(requests: readonly TrackRequest[]): Placed[][] {
  const sorted = requests.map((request, place) => ({ request, place })).sort((a, b) => byKey(a.request, b.request))
  const parts: Placed[][] = []
  let people = 0
  for (const each of sorted) {
    const more = each.request.userIds?.length ?? 0
    const part = parts.at(-1)
    const before = part?.at(-1)
    const isFull = people + more > MAX_PEOPLE || (part?.length ?? 0) >= MAX_TASKS
    if (before === undefined || (isFull && byKey(before.request, each.request) !== 0)) {
      parts.push([])
      people = 0
    }
    people += more
    parts.at(-1)?.push(each)
  }
  return parts
}

type Tracking = Promise<pg.QueryResult<TrackRow>>

function track(client: pg.PoolClient, requests: readonly TrackRequest[]): Tracking {
  return client.query<TrackRow>(TRACK, [requestsAsJson(requests)])
}

/** In a transaction of its own, so that the longer limit ends with it, also behind a pooler that shares connections. */
async function trackSlowly(client: pg.PoolClient, requests: readonly TrackRequest[], timeoutMs: number): Tracking {
  await client.query('BEGIN')
  await client.query("SELECT set_config('statement_timeout', $1, true)", [
    String(Math.max(SHORTEST_STATEMENT_MS, Math.ceil(timeoutMs - SERVER_FIRST_MS))),
  ])
  const result = await track(client, requests)
  await client.query('COMMIT')
  return result
}

const ignore = (): void => undefined

function release(client: pg.PoolClient, forGood: boolean): void {
  client.off('error', ignore)
  client.release(forGood)
}

/** The server refused the statement, so nothing was stored. After a broken connection that is unknown. */
function isAnswer(error: unknown): boolean {
  return error instanceof Error && 'severity' in error && error.severity === 'ERROR'
}

/** @param outcome what became of the tasks */
function explained(cause: unknown, role: string | null, outcome: string): TrackerError {
  const refused = refusedInput(cause)
  if (refused !== null) return refused
  const said = errorText(cause)
  const connect = connectFault(cause, said, 'DATABASE_URL')
  if (connect !== null) {
    connect.message += ` ${outcome}; tracking it again is safe.`
    return connect
  }
  switch (classifyPostgresError(cause)) {
    case 'schema':
      return new TrackerError('SCHEMA_MISMATCH', `The database has no tables for tracking (${said}). Run: npx dingtalk-delivery migrate`, {
        cause,
      })
    case 'rights':
      return notPermitted({ said, role, groups: ['delivery_send', 'delivery_worker'] }, cause)
    default: {
      const remedy = postgresRemedy(cause, 'DATABASE_URL') ?? 'Check DATABASE_URL and the server.'
      const message = `The database did not take the task (${said}). ${outcome}; tracking it again is safe. ${remedy}`
      return new TrackerError('DATABASE_UNAVAILABLE', message, { cause })
    }
  }
}
