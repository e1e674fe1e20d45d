import type { CallForecast } from '../../domain/schedule/call-forecast.ts'
import type { Tracking } from '../../polling/ports.ts'
import type { RateReader } from '../../report/rates.ts'
import type { ScheduleReader } from '../../report/schedule.ts'
import type { ApiToken, Role } from '../access.ts'
import type { Proxies } from '../proxies.ts'
import type { Freshness, SharedReads } from '../shared-reads.ts'
import type { Format, Language } from './components/format.ts'
import type { Html } from './components/html.ts'
import { en, type Messages } from './locales/en.ts'
import { zh } from './locales/zh.ts'

export interface DashboardOptions {
  readonly rates: RateReader
  readonly schedules: ScheduleReader
  /** Shared with the API, so that both show the same figures. */
  readonly reads: SharedReads
  readonly tracking: Pick<Tracking, 'resuming' | 'track'>
  readonly now: () => Date
  /** Tokens that sign in. Null: none does, and without the header of a proxy everybody may do everything, which is allowed on loopback only. */
  readonly apiToken: readonly ApiToken[] | null
  /** The header by which a proxy signs users in; null or left out: none. */
  readonly authHeader?: string | null
  /** What these users may do. Default: `read`. */
  readonly authHeaderRole?: Role
  /** Default: there is none. */
  readonly proxies?: Proxies
  /** How many polls a task gets, for the planned polls. */
  readonly pollsPerTask: number
  /** How long the calls of each app with a budget last, by name. */
  forecastCalls(): Promise<readonly CallForecast[]>
}

export const THEMES = ['auto', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

export const MESSAGES: Readonly<Record<Language, Messages>> = { en, zh }

/** The settings of one request that all parts of its page need. */
export interface Page {
  readonly language: Language
  readonly theme: Theme
  readonly messages: Messages
  readonly format: Format
  readonly now: Date
  /** Path and query of the page itself, for a form that leads back to it. */
  readonly path: string
  /** What comes before every path of this server in an address that the browser requests: empty, or such as `/dingtalk`. */
  readonly prefix: string
  /** The request has a session, which the page can end. */
  readonly hasSession: boolean
  /** The reader may resume tasks and apps. */
  readonly canWrite: boolean
  /** The reader may see names and departments. */
  readonly canSeeNames: boolean
  /** There is more than one app: with one only, its name is not shown. */
  readonly severalApps: boolean
  /** What the token of the reader is called; null: nothing. */
  readonly callerName: string | null
}

/** The content of a page; the layout around it is the same for all. */
export interface Content {
  readonly title: string
  readonly body: Html
  /** The page's script loads it again after this time, or later where the figures are costly; null: never. */
  readonly refreshSeconds: number | null
}

/** One request to a page. */
export interface PageRequest {
  readonly page: Page
  /** `rates` is the reader of this request: it records the age and the cost of its answers. */
  readonly options: DashboardOptions
  readonly freshness: () => Freshness
  readonly params: Readonly<Record<string, string | undefined>>
  readonly query: URLSearchParams
  /** The fields of a form that was sent; empty for a page. */
  readonly form: Readonly<Record<string, string>>
}

export type RenderPage = (request: PageRequest) => Promise<Content>

/** While a task is open. */
export const ACTIVE_REFRESH_SECONDS = 5
/** While no task is open: new tasks may come. */
export const IDLE_REFRESH_SECONDS = 60
