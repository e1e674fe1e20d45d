import type { Resuming } from '../../polling/ports.ts'
import type { RateReader } from '../../report/rates.ts'
import type { Freshness, SharedReads } from '../shared-reads.ts'
import type { Format, Language } from './components/format.ts'
import type { Html } from './components/html.ts'
import type { Words } from './locales/index.ts'

export interface DashboardOptions {
  readonly rates: RateReader
  /** Shared with the API, so that both show the same figures. */
  readonly reads: SharedReads
  readonly tracking: { readonly resuming: Resuming }
  readonly now: () => Date
  /** Null: everybody may look, which is for loopback only. */
  readonly apiToken: string | null
  /** How many polls a task gets, for the planned ones ahead. */
  readonly pollsPerTask: number
  /** Calls a month by app; an app that is not in it has no budget. */
  readonly budgets: ReadonlyMap<string, number>
}

export const THEMES = ['auto', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

/** How one reader sees a page. */
export interface View {
  readonly language: Language
  readonly theme: Theme
  readonly words: Words
  readonly format: Format
  readonly now: Date
  /** Path and query of the page itself, to come back to. */
  readonly path: string
  /** Somebody is signed in, and may sign out. */
  readonly session: boolean
}

/** What a page is made of; the frame around it is the same for all. */
export interface Content {
  readonly title: string
  readonly body: Html
  /** The page's script asks again this often, or less often where the figures are costly; null: never. */
  readonly refreshSeconds: number | null
}

/** One request to a page, with everything that a page may need. */
export interface PageRequest {
  readonly view: View
  /** `rates` is the reader of this request: it notes how old and how costly its answers are. */
  readonly options: DashboardOptions
  readonly freshness: () => Freshness
  readonly params: Readonly<Record<string, string | undefined>>
  readonly query: URLSearchParams
}

export type Page = (visit: PageRequest) => Promise<Content>

/** While tasks are open; what has ended changes no more, but may get company. */
export const ACTIVE_REFRESH_SECONDS = 5
export const QUIET_SECONDS = 60
