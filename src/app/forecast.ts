import { HOUR_MS } from '../domain/delivery.ts'
import { TrackerError } from '../domain/errors.ts'
import { buildTiming } from '../domain/poll-times.ts'
import { quote } from '../domain/quote.ts'
import { priceOfCampaign } from '../domain/schedule/campaign-price.ts'
import { curveOf, curveOfDensity } from '../domain/schedule/curve.ts'
import { toOffsetsMs } from '../domain/schedule/custom.ts'
import { DEFAULT_POLLS, type PlaceSettings } from '../domain/schedule/place.ts'
import { PRIOR_LAW } from '../domain/schedule/prior.ts'
import type { Calendar } from '../domain/schedule/types.ts'
import type { CallOutlooks } from '../polling/call-outlook.ts'
import { createCallPrices } from '../polling/call-prices.ts'
import { createPlanCache } from '../polling/plan-cache.ts'
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
  readonly rates: Pick<RateReader, 'apps'>
  readonly outlooks: CallOutlooks
}

/** Forecasts with the settings of the worker, and with what the database knows. */
export function createForecaster(deps: ForecastDeps): (question: ForecastQuestion) => Promise<Forecast> {
  const { schedule, timeScale, now } = deps
  const calendar = createCalendar(schedule.calendar, timeScale)
  return async (question) => {
    const { recipients, sentAt = now(), law: given } = question
    const { app, usage, learned } = await readKnown(deps, question)
    const known: Known = {
      ...{ app, recipients, sentAt, settings: settingsFor(schedule, question), budget: findBudget(deps, { app, usage, sentAt }) },
      ...(given === undefined
        ? { law: describeLaw(learned), curve: curveOf(learned?.law ?? PRIOR_LAW, sentAt, calendar) }
        : { law: GIVEN_LAW, curve: curveOfDensity(given) }),
    }
    const isByPrice = question.polls === undefined && question.targetWidthMs === undefined
    const price = isByPrice ? await findPrice(deps, { known, learned, usage, calendar }) : null
    return buildForecast({ ...known, placing: placingFor(schedule, known, given !== undefined, price) })
  }
}

interface KnownApp {
  /** Null: which one is not known, and not needed. */
  readonly app: string | null
  /** Undefined: it has no task and made no call. */
  readonly usage: AppUsage | undefined
  /** Null: none was learned, or one was given. */
  readonly learned: LearnedLaw | null
}

async function readKnown({ apps, stored }: ForecastDeps, question: ForecastQuestion): Promise<KnownApp> {
  const usages = (await stored?.rates.apps()) ?? []
  const app = chooseApp(question, [...new Set([...apps, ...usages.map((each) => each.app)])])
  const isLawRead = stored !== null && question.law === undefined && app !== null
  return { app, usage: usages.find((each) => each.app === app), learned: isLawRead ? await stored.laws.latest(app) : null }
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

function monthOf(at: Date): string {
  return new Date(at.getTime() + CHINA_OFFSET_MS).toISOString().slice(0, 7)
}

function findBudget(
  { budgets, stored, now }: ForecastDeps,
  { app, usage, sentAt }: Pick<KnownApp, 'app' | 'usage'> & { readonly sentAt: Date },
): MonthlyCalls | null {
  const monthlyCallBudget = app === null ? undefined : budgets.get(app)
  if (monthlyCallBudget === undefined) return null
  const isKnown = stored !== null && monthOf(sentAt) === monthOf(now())
  return { monthlyCallBudget, callsUsed: isKnown ? (usage?.callsUsed ?? 0) : null }
}

type Known = Omit<ForecastParts, 'placing'>

interface Pricing extends Pick<KnownApp, 'usage' | 'learned'> {
  readonly known: Known
  readonly calendar: Calendar
}

/**
 * What a call will cost when all tasks of the campaign wait for their plans: as the worker finds it where the campaign is sent in this month, else
 * as in a month of which nothing is known.
 */
async function findPrice({ stored, timeScale, now }: ForecastDeps, { known, learned, usage, calendar }: Pricing): Promise<number | null> {
  const { app, recipients, curve, settings, sentAt, budget } = known
  if (budget === null) return null
  const { monthlyCallBudget, callsUsed } = budget
  const tasks = Math.ceil(recipients / BATCH_RECIPIENTS)
  const people = Math.min(recipients, BATCH_RECIPIENTS)
  const assume = (): number =>
    priceOfCampaign({
      ...{ curve, settings, sentAt, calendar, tasks, people, budget: monthlyCallBudget },
      ...{ left: Math.max(0, monthlyCallBudget - (callsUsed ?? 0)), openTasks: callsUsed === null ? 0 : (usage?.openTasks ?? 0) },
    })
  if (stored === null || app === null || callsUsed === null) return assume()
  const outlooks: CallOutlooks = {
    ...stored.outlooks,
    async read(...question) {
      const outlook = await stored.outlooks.read(...question)
      return { ...outlook, waiting: outlook.waiting + tasks }
    },
  }
  const plans = createPlanCache({ calendar, settings, hasPrice: true })
  const law = learned ?? { law: PRIOR_LAW, version: null }
  try {
    const readPrices = createCallPrices({ outlooks, plans, calendar, timing: buildTiming(DEFAULT_POLLS, timeScale), now })
    const prices = await readPrices(app, { budget: monthlyCallBudget, law, batch: { id: 0, waiting: tasks } })
    return prices.priceFor(plans.costs(await plans.plansAt(law, calendar.localAt(sentAt), 0), people).steps)
  } catch (error) {
    // Tasks, of which the outlook is made, may be hidden from a role that only reads reports.
    if (error instanceof TrackerError && error.code === 'NOT_PERMITTED') return assume()
    throw error
  }
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
