import { HOUR_MS } from '../domain/delivery.ts'
import { TrackerError } from '../domain/errors.ts'
import { quote } from '../domain/quote.ts'
import { priceOfCampaign } from '../domain/schedule/campaign-price.ts'
import { curveOf, curveOfDensity } from '../domain/schedule/curve.ts'
import { toOffsetsMs } from '../domain/schedule/custom.ts'
import type { PlaceSettings } from '../domain/schedule/place.ts'
import { PRIOR_LAW } from '../domain/schedule/prior.ts'
import type { Calendar } from '../domain/schedule/types.ts'
import type { Laws, LearnedLaw } from '../polling/ports.ts'
import {
  BATCH_RECIPIENTS,
  buildForecast,
  type Forecast,
  type ForecastLaw,
  type ForecastParts,
  type ForecastRequest,
  type MonthlyCalls,
  type Placing,
} from '../report/forecast.ts'
import type { AppUsage, RateReader } from '../report/rates.ts'
import { createCalendar } from './calendar.ts'
import type { DensityLaw } from './config/law-file.ts'
import type { ScheduleSettings } from './config/schedule.ts'

export interface ForecastQuestion extends ForecastRequest {
  /** Instead of what is known of the app. */
  readonly law?: DensityLaw | undefined
}

export interface ForecastDeps {
  readonly schedule: ScheduleSettings
  readonly timeScale: number
  /** Names of the apps that are configured. */
  readonly apps: readonly string[]
  /** Calls a month by app; an app that is not in it has no budget. */
  readonly budgets: ReadonlyMap<string, number>
  readonly now: () => Date
  /** Null: without a database. */
  readonly stored: ForecastSource | null
}

/** What the database knows. */
export interface ForecastSource {
  readonly laws: Laws
  readonly rates: Pick<RateReader, 'apps' | 'tasks'>
}

/** Forecasts with the settings of the worker, and with what the database knows. */
export function createForecaster(deps: ForecastDeps): (question: ForecastQuestion) => Promise<Forecast> {
  const { schedule, timeScale, budgets, now, stored } = deps
  const calendar = createCalendar(schedule.calendar, timeScale)
  return async (question) => {
    const { recipients, sentAt = now(), law: given } = question
    const usage = (await stored?.rates.apps()) ?? []
    const app = chooseApp(question, [...new Set([...deps.apps, ...usage.map((each) => each.app)])])
    const learned = given === undefined && app !== null ? ((await stored?.laws.latest(app)) ?? null) : null
    const law = given === undefined ? describeLaw(learned) : GIVEN_LAW
    const curve = given === undefined ? curveOf(learned?.law ?? PRIOR_LAW, sentAt, calendar) : curveOfDensity(given)
    const settings = settingsFor(schedule, question)
    const used = usage.find((each) => each.app === app)
    const budget = findBudget(app === null ? undefined : budgets.get(app), used, sentAt, stored !== null)
    const known = { app, recipients, sentAt, law, curve, settings, budget }
    const isAsked = question.polls !== undefined || question.targetWidthMs !== undefined
    const price = budget === null || isAsked ? null : ((await lastPrice(deps, app, sentAt)) ?? newPrice(known, used, calendar))
    return buildForecast({ ...known, placing: placingFor(schedule, known, given !== undefined, price) })
  }
}

/** Where one law was given, an app is only needed for its budget. */
function chooseApp({ app, law }: ForecastQuestion, known: readonly string[]): string | null {
  if (app !== undefined && (known.length === 0 || known.includes(app))) return app
  if (app !== undefined) {
    const message = `No app ${quote(app)} is configured, has a task or has made a call. Known: ${known.join(', ')}.`
    throw new TrackerError('APP_NOT_FOUND', message)
  }
  const [only] = known
  if (known.length <= 1) return only ?? 'default'
  if (law !== undefined) return null
  throw new TrackerError('SEVERAL_APPS', `There are several apps, and each has its own forecast: ${known.join(', ')}.`)
}

const UNKNOWN_SAMPLE = { version: null, tasks: 0, people: 0, lastSentAt: null, learnedAt: null }
const GIVEN_LAW: ForecastLaw = { kind: 'law', ...UNKNOWN_SAMPLE }

function describeLaw(learned: LearnedLaw | null): ForecastLaw {
  if (learned === null) return { kind: 'prior', ...UNKNOWN_SAMPLE }
  const { version, tasks, people, lastSentAt, learnedAt } = learned
  return { kind: lastSentAt === null ? 'pooled' : 'learned', version, tasks, people, lastSentAt, learnedAt }
}

/** What is asked for goes before what is set. */
function settingsFor(
  { pollsPerTask, targetWidthMs, reportAgesMs, maxGap }: PlaceSettings,
  { polls, targetWidthMs: target }: ForecastQuestion,
) {
  return {
    pollsPerTask: polls ?? pollsPerTask,
    targetWidthMs: polls === undefined ? (target ?? targetWidthMs) : null,
    ...{ reportAgesMs, maxGap },
  }
}

/** Months are China's: DingTalk counts calls by them. */
const CHINA_OFFSET_MS = 8 * HOUR_MS

function findBudget(
  monthlyCallBudget: number | undefined,
  usage: AppUsage | undefined,
  sentAt: Date,
  isStored: boolean,
): MonthlyCalls | null {
  if (monthlyCallBudget === undefined) return null
  const month = new Date(sentAt.getTime() + CHINA_OFFSET_MS).toISOString().slice(0, 7)
  if (!isStored || (usage !== undefined && usage.month !== month)) return { monthlyCallBudget, callsUsed: null }
  return { monthlyCallBudget, callsUsed: usage?.callsUsed ?? 0 }
}

/** A price that is older than this tells little. */
const PRICE_AGE_MS = 7 * 24 * HOUR_MS

/** What a call cost when the latest task of the app was scheduled. */
async function lastPrice({ stored }: ForecastDeps, app: string | null, sentAt: Date): Promise<number | null> {
  if (stored === null || app === null) return null
  const { items } = await stored.rates.tasks({ app, since: new Date(sentAt.getTime() - PRICE_AGE_MS), limit: LATEST_TASKS })
  const prices = items.map(({ plan }) => plan?.['price']).filter((price) => typeof price === 'number')
  return prices[0] ?? null
}

/** Tasks that were refused, or whose send time was not given, have no price. */
const LATEST_TASKS = 20

type Known = Omit<ForecastParts, 'placing'>

function newPrice({ recipients, curve, settings, budget, sentAt }: Known, usage: AppUsage | undefined, calendar: Calendar): number | null {
  if (budget === null) return null
  const { monthlyCallBudget, callsUsed } = budget
  return priceOfCampaign({
    ...{ curve, settings, sentAt, calendar, budget: monthlyCallBudget, left: Math.max(0, monthlyCallBudget - (callsUsed ?? 0)) },
    ...{
      tasks: Math.ceil(recipients / BATCH_RECIPIENTS),
      people: Math.min(recipients, BATCH_RECIPIENTS),
      openTasks: usage?.openTasks ?? 0,
    },
  })
}

/** A law that is given is asked about, whatever the worker does. */
function placingFor(
  { kind, pollTimes }: ScheduleSettings,
  { app, sentAt, recipients }: Known,
  isLawGiven: boolean,
  price: number | null,
): Placing {
  if (isLawGiven || kind === 'learned') return { by: 'law', price }
  if (kind === 'growing' || pollTimes === null) return { by: 'growing' }
  const people = Math.min(recipients, BATCH_RECIPIENTS)
  const given = pollTimes({ app: app ?? 'default', taskId: '', sentAt, people, campaign: null })
  return { by: 'custom', offsetsMs: toOffsetsMs(given, sentAt) ?? [] }
}
