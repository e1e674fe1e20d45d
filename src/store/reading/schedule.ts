import { z } from 'zod'
import { backtest } from '../../domain/schedule/backtest.ts'
import { bracketWidthMs } from '../../domain/schedule/calls.ts'
import { buildComparedOffsets } from '../../domain/schedule/compare.ts'
import { curveOf } from '../../domain/schedule/curve.ts'
import { type PollTimes, toOffsetsMs } from '../../domain/schedule/custom.ts'
import { buildFamily, choosePlan, DEFAULT_POLLS, MEAN_FINAL_OFFSET_MS, mostPolls, type PlaceSettings } from '../../domain/schedule/place.ts'
import { PLACED_BY, type PlacedBy } from '../../domain/schedule/plan-detail.ts'
import { PRIOR_LAW } from '../../domain/schedule/prior.ts'
import type { Calendar, Curve, Law, ObservedTask } from '../../domain/schedule/types.ts'
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
import { APPS_WITH_TASKS, severalApps } from './tasks.ts'

/** How this process plans polls, or would if it were the worker. */
export interface ScheduleOptions {
  readonly settings: PlaceSettings & { readonly kind: 'learned' | 'growing' | 'custom'; readonly pollTimes: PollTimes | null }
  readonly calendar: ScheduleReader['clock']
  readonly timeScale: number
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
    clock: options.calendar,
  }
}

/** Where no task of the app is there to say it. */
const ASSUMED_RECIPIENTS = 50

async function planFor(source: Source, options: ScheduleOptions, request: ScheduleRequest): Promise<ScheduleReport> {
  const { calendar, timeScale } = options
  const app = request.app ?? (await findOnlyApp(source))
  const sentAt = request.sentAt ?? options.now()
  const [law, recent] = app === null ? [null, null] : await Promise.all([readLaw(source, app), readRecentPlans(source, app)])
  const used = useLaw(law)
  const recipients = request.recipients ?? recent?.people ?? ASSUMED_RECIPIENTS
  // What is asked for goes before the budget.
  const isAsked = request.polls !== undefined || request.targetWidthMs !== undefined
  const price = app !== null && !isAsked && options.hasBudget(app) ? (recent?.price ?? null) : null
  const curve = curveOf(used.law, sentAt, calendar)
  const placed = placePolls(options.settings, { curve, used, price, recipients, sentAt, app, request })
  return buildScheduleReport({
    ...{ app, sentAt, recipients, recipientsGiven: request.recipients !== undefined, law: used.about },
    ...{ ...placed, price, curve, calendar, timeScale },
  })
}

/** Recomputes an app's past tasks with the polls that would have been learned from the tasks before them. It computes for seconds. */
export async function runBacktest(
  { prisma }: { readonly prisma: RawClient },
  { settings, calendar }: Pick<ScheduleOptions, 'settings' | 'calendar'>,
  wanted: string | undefined,
): Promise<BacktestReport> {
  const source = createSource(prisma)
  const app = wanted ?? (await findOnlyApp(source))
  const tasks = app === null ? [] : await readObservedTasks(source, { app }, BACKTEST_TASKS)
  const polls = new Map<ObservedTask, number>(tasks.map((task) => [task, task.plannedPolls ?? Math.max(DEFAULT_POLLS, task.polls.length)]))
  const planFor = (task: ObservedTask, law: Law): readonly number[] => {
    const asked = { ...settings, pollsPerTask: polls.get(task) ?? DEFAULT_POLLS, targetWidthMs: null }
    const curve = curveOf(law, task.sentAt, calendar)
    const family = buildFamily(curve, asked, { finalOffsetMs: MEAN_FINAL_OFFSET_MS, hasPrice: false })
    return choosePlan(family, asked, { curve, people: task.people, price: null }).offsetsMs
  }
  const isEnough = tasks.length >= LEAST_BACKTEST_TASKS
  return {
    ...{ app, tasks: tasks.length, tasksNeeded: LEAST_BACKTEST_TASKS },
    ...{ firstSentAt: tasks[0]?.sentAt ?? null, lastSentAt: tasks.at(-1)?.sentAt ?? null },
    result: isEnough ? backtest(tasks, planFor, { prior: PRIOR_LAW, calendar }) : null,
  }
}

async function findOnlyApp(source: Source): Promise<string | null> {
  const rows = await source(Prisma.sql`WITH RECURSIVE ${APPS_WITH_TASKS} SELECT app FROM apps ORDER BY app`)
  if (rows.length > 1) throw severalApps('tasks', rows)
  return rows[0] === undefined ? null : text(rows[0], 'app')
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
  readonly request: Pick<ScheduleRequest, 'polls' | 'targetWidthMs'>
}

function placePolls(settings: ScheduleOptions['settings'], given: ToPlace): { placedBy: PlacedBy; offsetsMs: readonly number[] } {
  const { curve, used, price, recipients: people, request, app, sentAt } = given
  const { polls, targetWidthMs } = request
  const finalOffsetMs = MEAN_FINAL_OFFSET_MS
  const custom =
    settings.pollTimes === null
      ? null
      : toOffsetsMs(settings.pollTimes({ app: app ?? '', taskId: '', sentAt, people, campaign: null }), sentAt)
  if (settings.kind === 'custom' && custom !== null)
    return { placedBy: 'custom', offsetsMs: [...custom.filter((offsetMs) => offsetMs < finalOffsetMs), finalOffsetMs] }
  if (settings.kind !== 'learned') {
    const most = polls ?? mostPolls({ ...settings, targetWidthMs: targetWidthMs ?? null }, false)
    return { placedBy: 'growing', offsetsMs: growingOffsets(curve, most, polls === undefined ? targetWidthMs : undefined) }
  }
  const asked =
    polls === undefined
      ? { ...settings, targetWidthMs: targetWidthMs ?? settings.targetWidthMs }
      : { ...settings, pollsPerTask: polls, targetWidthMs: null }
  const family = buildFamily(curve, asked, { finalOffsetMs, hasPrice: price !== null })
  const { offsetsMs } = choosePlan(family, asked, { curve, people, price })
  return { placedBy: used.about.kind === 'prior' ? 'prior' : 'learned', offsetsMs }
}

/** @param targetWidthMs the fewest polls that reach it, no more than `most`. Undefined: `most` */
function growingOffsets(curve: Curve, most: number, targetWidthMs: number | undefined): readonly number[] {
  const offsetsOf = (polls: number): readonly number[] => buildComparedOffsets(polls, MEAN_FINAL_OFFSET_MS).growing
  if (targetWidthMs === undefined) return offsetsOf(most)
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
    ...{ recipients: task.targeted > 0 ? task.targeted : Math.max(1, people), recipientsGiven: task.recipientsKnown },
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
