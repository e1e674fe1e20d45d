/** Everything that can be set from outside, parsed and checked once. */
export interface Config {
  /** Null: not set. `start` and `demo` then run the embedded PostgreSQL; other commands refuse. */
  readonly databaseUrl: string | null
  /** Null when neither QUEUE_URL nor DATABASE_URL is set. */
  readonly queue: QueueConfig | null
  readonly apps: readonly AppConfig[]
  /** Names and addresses in private networks, in lower case, that an app's base URLs may lead to. */
  readonly privateHosts: readonly string[]
  /** Of every app that names none of its own. A server that has no credentials, and so no apps, shows it for the app named `default`. */
  readonly monthlyCallBudget: number | null
  readonly pollsPerTask: number
  readonly timeScale: number
  readonly workerConcurrency: number
  readonly host: string
  readonly port: number
  readonly healthPort: number
  readonly apiToken: string | null
  /** Names, in lower case, that a request's Host header may have besides loopback, IP addresses and `host`. */
  readonly allowedHosts: readonly string[]
  readonly logLevel: LogLevel
  /** `auto`: on when the log goes to a terminal. */
  readonly logPretty: boolean | 'auto'
  readonly shutdownGraceSeconds: number
  /** Days from a task's end until the names of its people go; null: never. */
  readonly retainDetailsDays: number | null
  /** Days from a task's end until it goes whole, not less than `retainDetailsDays`; null: never. */
  readonly retainTotalsDays: number | null
}

export interface QueueConfig {
  readonly url: string
  readonly backend: 'redis' | 'postgres'
  readonly name: string
  readonly prefix: string
}

/** One DingTalk application in one organisation. */
export interface AppConfig {
  readonly name: string
  /** Null: every tracked task must bring its own. */
  readonly agentId: string | null
  readonly oapiUrl: string
  readonly apiUrl: string
  readonly credentials: Credentials
  /** Over all workers together. */
  readonly callsPerSecond: number
  readonly monthlyCallBudget: number | null
}

/** Structurally equal to what `src/dingtalk/app.ts` takes. */
export type Credentials =
  | { readonly kind: 'internal'; readonly appKey: string; readonly appSecret: string; readonly endpoint: 'new' | 'old' }
  | {
      readonly kind: 'thirdParty'
      readonly suiteKey: string
      readonly suiteSecret: string
      readonly authCorpId: string
      readonly suiteTicket: string
    }
  | { readonly kind: 'fixed'; readonly accessToken: string }

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]
