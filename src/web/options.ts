import type { Tracking } from '../polling/ports.ts'
import type { RateReader } from '../report/rates.ts'
import type { ProbeOptions } from './probes.ts'

export interface HttpServerOptions extends ProbeOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** Null: everybody who reaches the server may ask, which is for loopback only. */
  readonly apiToken: string | null
  /** Names, in lower case, that a Host header may have besides loopback, addresses and `host`. */
  readonly allowedHosts: readonly string[]
  readonly rates: RateReader
  readonly tracking: Tracking
  readonly now: () => Date
  /** Milliseconds that only go forward: it measures what answers cost and how old they are. Default: the process's. */
  readonly monotonicMs?: () => number
  /** How many polls a task gets, for the planned ones ahead. */
  readonly pollsPerTask: number
  /** Calls a month by app; an app that is not in it has no budget. */
  readonly budgets: ReadonlyMap<string, number>
  readonly version: string
  /** Requests to track that one address may make in a second. Default: 100. */
  readonly enqueuesPerSecond?: number
  /** How long {@link HttpServer.close} waits for answers under way. Default: 5,000. */
  readonly closeGraceMs?: number
  readonly timeouts?: Partial<Timeouts>
  /** One request was answered. `route`: the pattern that matched, never the path. */
  readonly onRequest?: (event: RequestEvent) => void
  /** What went wrong here, and not with the request. */
  readonly onError?: (error: unknown, route: string) => void
}

export interface RequestEvent {
  readonly route: string
  readonly method: string
  readonly status: number
  readonly seconds: number
}

/** In milliseconds. They bound what one slow or idle client can hold. */
export interface Timeouts {
  /** From the first byte of a request to the end of its headers. Default: 5,000. */
  readonly headers: number
  /** To the end of its body. Default: 10,000. */
  readonly request: number
  /** A connection on which nothing moves, also while an answer is read slowly. Default: 60,000. */
  readonly idle: number
}
