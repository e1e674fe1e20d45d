import { z } from 'zod'
import { TrackerError } from '../../domain/errors.ts'
import { quote } from '../../domain/quote.ts'
import { backtest } from '../../domain/schedule/backtest.ts'
import { bracketWidthMs } from '../../domain/schedule/calls.ts'
import { buildComparedOffsets } from '../../domain/schedule/compare.ts'
import { curveOf } from '../../domain/schedule/curve.ts'
import { type PollTimes, toOffsetsMs } from '../../domain/schedule/custom.ts'
import {
  ASSUMED_PEOPLE,
  buildFamily,
  choosePlan,
  DEFAULT_POLLS,
  MEAN_FINAL_OFFSET_MS,
  mostPolls,
  type PlaceSettings,
} from '../../domain/schedule/place.ts'
import { PLACED_BY, type PlacedBy } from '../../domain/schedule/plan-detail.ts'
import { PRIOR_LAW } from '../../domain/schedule/prior.ts'
import type { Curve, Law, ObservedTask } from '../../domain/schedule/types.ts'
import type { TaskRates } from '../../report/rates.ts'
import { scaleOf } from '../../report/read-brackets.ts'
import {
  buildScheduleReport,
  type ScheduleLaw,
  type ScheduleReader,
  type ScheduleReport,
  type ScheduleRequest,
} from '../../report/schedule.ts'
import { BACKTEST_TASKS, type BacktestReport, LEAST_BACKTEST_TASKS } from '../../report/schedule-backtest.ts'
import { Prisma } from '../generated/client.ts'
import type { RawClient } from '../raw-client.ts'
import { text } from '../rows.ts'
import { readLaw, readObservedTasks, readRecentPlans, type StoredLaw } from './laws.ts'
import { createSource, type Source } from './source.ts'
import { APPS_WITH_TASKS } from './tasks.ts'

/** How this process plans polls, or would if it were the worker. */
export interface ScheduleOptions {
  readonly settings: PlaceSettings & { readonly kind: 'learned' | 'growing' | 'custom'; readonly pollTimes: PollTimes | null }
  readonly calendar: ScheduleReader['clock']
  readonly timeScale: number
  /** Names of the apps that are configured; a process that only reads may know none. */
  readonly apps: readonly string[]
  /** Whether the app has a monthly call budget, which decides about the number of polls. */
  hasBudget(app: string): boolean
  now(): Date
}

/** Reads the public views of a database. */
export function createScheduleReader({ prisma }: { readonly prisma: RawClient }, options: ScheduleOptions): ScheduleReader {
  const source = createSource(prisma)
  return {
    schedule: (request) => planFor(source, options, request),
    scheduleOfTask: (task) => explainPlan(source, options, task),
    apps: () => readApps(source, options.apps),
    clock: options.calendar,
  }
}

async function planFor(source: Source, options: ScheduleOptions, request: ScheduleRequest): Promise<ScheduleReport> {
  const { calendar, timeScale } = options
  const app = await chooseApp(source, options.apps, request.app)
  const sentAt = request.sentAt ?? options.now()
  const [law, recent] = app === null ? [null, null] : await Promise.all([readLaw(source, app), readRecentPlans(source, app)])
  const used = useLaw(law)
  const recipients = request.recipients ?? recent?.people ?? ASSUMED_PEOPLE
  const recipientsFrom = request.recipients !== undefined ? 'given' : typeof recent?.people === 'number' ? 'median' : 'assumed'
  const isAsked = request.polls !== undefined || request.targetWidthMs !== undefined
  const price = app !== null && !isAsked && options.hasBudget(app) ? (recent?.price ?? null) : null
  const curve = curveOf(used.law, sentAt, calendar)
  const placed = placePolls(options.settings, { curve, used, price, recipients, sentAt, app, asked: request })
  return buildScheduleReport({
    ...{ app, sentAt, recipients, recipientsFrom, law: used.about },
    ...{ ...placed, price, curve, calendar, timeScale },
  })
}

/** Recomputes an app's past tasks with the polls that would have been learned from the tasks before them. It computes for seconds. */
export async function runBacktest(
  { prisma }: { readonly prisma: RawClient },
  { settings, calendar, apps }: Pick<ScheduleOptions, 'settings' | 'calendar' | 'apps'>,
  wanted: string | undefined,
): Promise<BacktestReport> {
  const source = createSource(prisma)
  const app = await chooseApp(source, apps, wanted)
  const tasks = app === null ? [] : await readObservedTasks(source, { app }, BACKTEST_TASKS)
  const polls = new Map<ObservedTask, number>(tasks.map((task) => [task, task.plannedPolls ?? Math.max(DEFAULT_POLLS, task.polls.length)]))
  const replan = (task: ObservedTask, law: Law): readonly number[] => {
    const asked = { ...settings, pollsPerTask: polls.get(task) ?? DEFAULT_POLLS, targetWidthMs: null }
    const curve = curveOf(law, task.sentAt, calendar)
    const family = buildFamily(curve, asked, { finalOffsetMs: MEAN_FINAL_OFFSET_MS, hasPrice: false })
    return choosePlan(family, asked, { curve, people: task.people, price: null }).offsetsMs
  }
  const isEnough = tasks.length >= LEAST_BACKTEST_TASKS
  return {
    ...{ app, tasks: tasks.length, tasksNeeded: LEAST_BACKTEST_TASKS },
    ...{ firstSentAt: tasks[0]?.sentAt ?? null, lastSentAt: tasks.at(-1)?.sentAt ?? null },
    result: isEnough ? backtest(tasks, replan, { prior: PRIOR_LAW, calendar }) : null,
  }
}

/**
 * Which app a plan is for. Null: none is configured, and none has a task.
 * @throws {TrackerError} `APP_NOT_FOUND`, `SEVERAL_APPS`
 */
async function chooseApp(source: Source, configured: readonly string[], wanted: string | undefined): Promise<string | null> {
  const known = await readApps(source, configured)
  if (wanted === undefined && known.length > 1)
    throw new TrackerError('SEVERAL_APPS', `There are several apps, and each has its own poll plans: ${known.join(', ')}.`)
  if (wanted === undefined) return known[0] ?? null
  if (known.length === 0 || known.includes(wanted)) return wanted
  throw new TrackerError('APP_NOT_FOUND', `No app ${quote(wanted)} is configured or has a task. Known: ${known.join(', ')}.`)
}

async function readApps(source: Source, configured: readonly string[]): Promise<string[]> {
  const rows = await source(Prisma.sql`WITH RECURSIVE ${APPS_WITH_TASKS} SELECT app FROM apps ORDER BY app`)
  return [...new Set([...configured, ...rows.map((row) => text(row, 'app'))])]
}

interface UsedLaw {
  readonly law: Law
  readonly about: ScheduleLaw
}

function useLaw(stored: StoredLaw | null): UsedLaw {
  if (stored === null || stored.law === null) {
    const { attention } = PRIOR_LAW
    const about = { kind: 'prior', version: null, tasks: 0, people: 0, lastSentAt: null, learnedAt: null, attention } as const
    return { law: PRIOR_LAW, about }
  }
  const { law, ...learned } = stored
  return { law, about: { ...learned, kind: learned.tasks === 0 ? 'pooled' : 'learned', attention: law.attention } }
}

interface ToPlace extends Pick<ScheduleReport, 'app' | 'sentAt' | 'recipients' | 'price'> {
  readonly curve: Curve
  readonly used: UsedLaw
  readonly asked: Pick<ScheduleRequest, 'polls' | 'targetWidthMs'>
}

function placePolls(settings: ScheduleOptions['settings'], given: ToPlace): { placedBy: PlacedBy; offsetsMs: readonly number[] } {
  const { curve, used, price, recipients: people, asked, app, sentAt } = given
  const finalOffsetMs = MEAN_FINAL_OFFSET_MS
  const custom =
    settings.pollTimes === null
      ? null
      : toOffsetsMs(settings.pollTimes({ app: app ?? '', taskId: '', sentAt, people, campaign: null }), sentAt)
  if (settings.kind === 'custom' && custom !== null)
    return { placedBy: 'custom', offsetsMs: [...custom.filter((offsetMs) => offsetMs < finalOffsetMs), finalOffsetMs] }
  if (settings.kind !== 'learned') {
    const { polls, targetWidthMs = null } = asked
    const most = polls ?? mostPolls({ ...settings, targetWidthMs }, false)
    return { placedBy: 'growing', offsetsMs: growingOffsets(curve, most, polls === undefined ? targetWidthMs : null) }
  }
  const { polls, targetWidthMs = settings.targetWidthMs } = asked
  const wanted = polls === undefined ? { ...settings, targetWidthMs } : { ...settings, pollsPerTask: polls, targetWidthMs: null }
  const family = buildFamily(curve, wanted, { finalOffsetMs, hasPrice: price !== null })
  const { offsetsMs } = choosePlan(family, wanted, { curve, people, price })
  return { placedBy: used.about.kind === 'prior' ? 'prior' : 'learned', offsetsMs }
}

/** @param targetWidthMs the fewest polls that reach it, no more than `most`. Null: `most` */
function growingOffsets(curve: Curve, most: number, targetWidthMs: number | null): readonly number[] {
  const offsetsOf = (polls: number): readonly number[] => buildComparedOffsets(polls, MEAN_FINAL_OFFSET_MS).growing
  if (targetWidthMs === null) return offsetsOf(most)
  let polls = 1
  while (polls < most && bracketWidthMs(curve, offsetsOf(polls)) > targetWidthMs) polls++
  return offsetsOf(polls)
}

async function explainPlan(source: Source, { calendar }: ScheduleOptions, task: TaskRates): Promise<ScheduleReport | null> {
  const { app, sentAt, pollOffsets, plan } = task
  if (pollOffsets === null || pollOffsets.length === 0) return null
  const { law: version, people, price, placedBy } = PLAN.parse(plan)
  // Versions that no open task names are removed after a time.
  const named = version === null ? null : await readLaw(source, app, version)
  const used = useLaw(named ?? (await readLaw(source, app)))
  const timeScale = scaleOf(task)
  return buildScheduleReport({
    ...{ app, sentAt, law: used.about, placedBy, price, calendar, timeScale, curve: curveOf(used.law, sentAt, calendar) },
    ...{ recipients: task.targeted > 0 ? task.targeted : Math.max(1, people), recipientsFrom: task.targeted > 0 ? 'task' : 'median' },
    offsetsMs: pollOffsets.map((offset) => offset * timeScale),
  })
}

/** Of a `PlanDetail`. What is missing, or what another version wrote in another form, is not known. */
const PLAN = z
  .object({
    law: z.number().nullable().catch(null),
    people: z.number().catch(0),
    price: z.number().nullable().catch(null),
    placedBy: z.enum(PLACED_BY).catch('growing'),
  })
  .catch({ law: null, people: 0, price: null, placedBy: 'growing' })
