import { parseWorkerOptions } from './app/config/worker-options.ts'
import { startWorker } from './app/worker.ts'
import type { Credentials } from './dingtalk/app.ts'
import type { PollTimes } from './domain/schedule/custom.ts'
import { createLogger, type Logger } from './ops/logger.ts'
import { createMetrics } from './ops/metrics.ts'
import type { GivenRedis } from './queue/given-redis.ts'
import type { HealthReport } from './web/health.ts'

export type { Credentials } from './dingtalk/app.ts'
export { TrackerError, type TrackerErrorCode } from './domain/errors.ts'
export type { PollTimes, TaskToPoll } from './domain/schedule/custom.ts'
export type { HealthCheck, HealthReport } from './web/health.ts'

/** A worker inside another program. What is left out has the default of the environment variable of the same meaning. */
export interface WorkerOptions {
  /** `postgres://` */
  readonly databaseUrl: string | undefined
  /** The schema of the tracker's tables. Default: that of `?schema=` in `databaseUrl`, else the one that is found in the database. */
  readonly schema?: string
  /** `redis://`, `rediss://`, `redis+sentinel://`, `redis+cluster://` or `postgres://`. Default: `databaseUrl`. */
  readonly queueUrl?: string
  /**
   * Instead of `queueUrl`: a client of ioredis (`Redis` or `Cluster`), which is duplicated and left open, the options of one, or
   * `{ nodes, ...options }` of a cluster. Time limits and retries are the worker's.
   */
  readonly queue?: GivenRedis
  readonly queueName?: string
  /** How many queues share the apps, for Redis only: `NAME-0`, `NAME-1` and so on. The same for all processes. Default 1. */
  readonly queueShards?: number
  readonly queuePrefix?: string
  /** The schema of the queue's tables, for a queue in PostgreSQL. Default `bullmq`. */
  readonly queueSchema?: string
  readonly apps: readonly WorkerApp[]
  /** Names and addresses in private networks that base URLs may lead to. Default: none but loopback that is written as such. */
  readonly privateHosts?: readonly string[]
  /**
   * The outgoing proxy for calls to DingTalk, `http://user:password@host:port`; with an object also the hosts that are reached directly, in the
   * notation of NO_PROXY. Default: none: the environment is not read, so give `process.env.HTTPS_PROXY` where it is meant.
   */
  readonly proxy?: string | WorkerProxy | undefined
  /**
   * How polls are planned: `learned` from when people read, `growing` gaps that are the same for all tasks, `custom` at `pollTimes`. Default
   * `learned`.
   */
  readonly schedule?: 'learned' | 'growing' | 'custom'
  /**
   * How many polls a task gets in its 24 hours, the final one included; 1 to 500. With `schedule: 'learned'` and a budget or `targetWidth` it is
   * how many at most. Default 24; at most 64 where a budget or a width decides.
   */
  readonly pollsPerTask?: number
  /** The mean bracket that a learned plan reaches with the fewest polls: a duration such as `15m`, from 1m to 12h. Default: none. */
  readonly targetWidth?: string
  /** Ages at which the share of readers is reported, such as `['1h', '4h']`; a learned plan of 24 polls or more has a poll at each. Default these two. */
  readonly reportAges?: readonly string[]
  /** The longest time between two polls of a learned plan, from 10m to 24h. One that is given is always kept. Default 6h, which is not. */
  readonly maxGap?: string
  /** For `schedule: 'custom'`: a function that gives the polls of a task, or durations since the send for all tasks, such as `['5m', '1h']`. */
  readonly pollTimes?: PollTimes | readonly string[]
  /** The zone in which people work, a name of the IANA database. Default `Asia/Shanghai`, whose holidays are known. */
  readonly organisationTimeZone?: string
  /** Days off and work days, `YYYY-MM-DD`, besides those that are known. Default: none. */
  readonly freeDays?: readonly string[]
  readonly workDays?: readonly string[]
  /**
   * Local time at a real moment, from which time runs `timeScale` times as fast: `2026-12-01T10:00@2026-11-30T15:44:00.000Z`. For demos and tests.
   * Default: the real clock.
   */
  readonly clockStart?: string
  /** Polls under way at once. Default 200. */
  readonly concurrency?: number
  /** Connections to the database at most. Default: `connection_limit` of `databaseUrl`, else 3. */
  readonly databaseConnections?: number
  /** Connections to a queue in PostgreSQL at most, 3 at least. Default: `connection_limit` of `queueUrl`, else 3. */
  readonly queueConnections?: number
  /** How long `close` lets running polls finish, in seconds. Default 25. */
  readonly shutdownGraceSeconds?: number
  /** Days from a task's end until the names of its people are replaced by pseudonyms; the figures stay. Null: never. Default 90. */
  readonly retainDetailsDays?: number | null
  /** Days from a task's end until it is deleted whole; not less than `retainDetailsDays`. Null: never. Default null. */
  readonly retainTotalsDays?: number | null
  /** Divides every duration of the tracking plan. For demos and tests. Default 1. */
  readonly timeScale?: number
  /** A pino logger. Default: one that writes JSON lines to stderr. */
  readonly logger?: Logger
}

export interface WorkerProxy {
  readonly https?: string | undefined
  /** Where `https` is left out. */
  readonly http?: string | undefined
  readonly no?: string | undefined
}

export interface WorkerApp {
  /** What `track` calls the app. Default `default`. */
  readonly name?: string
  readonly agentId?: string
  /** `kind: 'function'` brings your own tokens. */
  readonly credentials: Credentials
  /** Default `intl`. */
  readonly region?: 'intl' | 'cn'
  /** Instead of the region's hosts; https, or http on loopback. */
  readonly oapiUrl?: string
  readonly apiUrl?: string
  /** Calls a second, over all workers together. Default 15. */
  readonly callsPerSecond?: number
  /** Calls a month that are never exceeded. Default: none. */
  readonly monthlyCallBudget?: number
  /** Calls a month of that budget that other programs of the organisation make, or their share, such as `20%`. Default 0. */
  readonly callsUsedElsewhere?: number | string
}

export interface EmbeddedWorker {
  /** Resolves when polls are being made; rejects with `SCHEMA_MISMATCH` when the database needs `npx dingtalk-delivery migrate`. */
  readonly ready: Promise<void>
  health(): Promise<HealthReport>
  /** The metrics in Prometheus' text format. */
  metrics(): Promise<string>
  close(): Promise<void>
}

/**
 * Starts a worker in this process.
 * @throws {TrackerError} `INVALID_CONFIG` with a line for each wrong option: its path, what was given and what is accepted, never a secret
 */
export function createWorker(options: WorkerOptions): EmbeddedWorker {
  const config = parseWorkerOptions(options)
  const metrics = createMetrics()
  const log = options.logger ?? createLogger({ level: 'info', pretty: false })
  const running = startWorker(config, log, { metrics })
  return {
    ready: running.ready,
    health: () => running.health(),
    metrics: () => metrics.text(),
    close: () => running.close(),
  }
}
