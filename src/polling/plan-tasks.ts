import { planStart } from '../domain/plan.ts'
import { deadlineOf, finalPollAt, growingPlan, jitterOf, type Timing } from '../domain/poll-times.ts'
import type { PlanDetail } from '../domain/schedule/plan-detail.ts'
import type { AppLimits, Clock, EventLog, TaskPlanner, TaskStart, UnscheduledTask } from './ports.ts'

export interface PlannerDeps {
  readonly timing: Timing
  readonly limitsOf: (app: string) => Pick<AppLimits, 'monthlyBudget'>
  readonly now: Clock
  /** Where the polls of a task are. Default: growing gaps. */
  readonly placing?: Placing
  readonly events?: Pick<EventLog, 'failed'>
}

/** A task that gets its plan now. */
export interface TaskToPlace extends UnscheduledTask {
  readonly deadlineAt: Date
  /** Calls a month; null: no budget. */
  readonly budget: number | null
  readonly batch: Batch
}

/** Tasks that get their plans one after the other, and are stored at the same time. */
export interface Batch {
  readonly id: number
  /** How many of them have no plan yet. */
  readonly waiting: number
}

export interface PlacedPolls {
  /** In real milliseconds since the send, whole and ascending, the final poll last. */
  readonly offsetsMs: readonly number[]
  readonly plan: PlanDetail
}

/** Decides when a task is polled. Where it rejects, or gives no plan that can be stored, gaps grow. */
export interface Placing {
  /** Of the event where it fails. */
  readonly name: string
  place(task: TaskToPlace): PlacedPolls | Promise<PlacedPolls>
}

/** As many as the database takes. */
export const MAX_POLLS = 500

/**
 * Gives each task its plan, one after the other, and asks for a call of the month's budget for its final poll. A task that has a plan keeps it, but for
 * one that was not admitted before.
 */
export function createTaskPlanner(deps: PlannerDeps): TaskPlanner {
  let last: Promise<unknown> = Promise.resolve()
  let underWay = 0
  let batch = 0
  return {
    plan(task) {
      if (underWay === 0) batch++
      underWay++
      const id = batch
      const start = last.then(() => planTask(task, { id, waiting: underWay }, deps))
      last = start
        .catch(() => undefined)
        .then(() => {
          underWay--
        })
      return start
    },
  }
}

async function planTask(task: UnscheduledTask, batch: Batch, deps: PlannerDeps): Promise<TaskStart> {
  const { timing, now, limitsOf } = deps
  const budget = limitsOf(task.key.app).monthlyBudget
  const admission = findAdmission(task, timing, budget, now)
  const stored = keptOffsets(task)
  if (stored !== null) return { ...planStart(task, now(), timing, () => stored), ...admission }
  const toPlace = { ...task, deadlineAt: deadlineOf(task.sentAt, timing), budget, batch }
  const { offsetsMs, plan } = await placeSafely(toPlace, deps)
  return { ...planStart(task, now(), timing, () => offsetsMs), plan, ...admission }
}

/** One that was refused has no plan of its own yet. */
function keptOffsets({ pollOffsetsMs, admitted }: UnscheduledTask): readonly number[] | null {
  return admitted ? pollOffsetsMs : null
}

/** No task is lost because its polls cannot be placed. */
async function placeSafely(task: TaskToPlace, { timing, placing, events }: PlannerDeps): Promise<PlacedPolls> {
  if (placing === undefined) return placeGrowing(task, timing)
  try {
    const placed = await placing.place(task)
    assertStorable(placed.offsetsMs)
    return placed
  } catch (error) {
    events?.failed({ what: `placing polls by ${placing.name}, instead of which gaps grow,`, key: task.key, error })
    return placeGrowing(task, timing)
  }
}

function assertStorable(offsetsMs: readonly number[]): void {
  const isAscending = offsetsMs.every((offset, i) => Number.isSafeInteger(offset) && offset > (offsetsMs[i - 1] ?? -1))
  if (offsetsMs.length === 0 || offsetsMs.length > MAX_POLLS || !isAscending)
    throw new Error(`a plan has 1 to ${MAX_POLLS} polls at whole milliseconds, ascending: this one has ${offsetsMs.length}`)
}

export const UNKNOWN: Omit<PlanDetail, 'placedBy' | 'people'> = { law: null, price: null, expectedCalls: null, widthMs: null }

function placeGrowing(task: TaskToPlace, timing: Timing): PlacedPolls {
  const placedBy = task.sentAtGiven ? 'growing' : 'assumed_send_time'
  return { offsetsMs: growingPlan(task, timing), plan: { ...UNKNOWN, placedBy, people: task.people } }
}

/** A task keeps what it was granted before. */
function findAdmission(task: UnscheduledTask, timing: Timing, budget: number | null, now: Clock): Pick<TaskStart, 'admission'> {
  if (budget === null || (task.pollOffsetsMs !== null && task.admitted)) return {}
  const refuse = (monthEndsAt: Date): Omit<TaskStart, 'admission'> => {
    const start = planStart(task, now(), timing, ({ deadlineAt }) => refusedOffsets({ ...task, deadlineAt }, monthEndsAt, timing))
    return { ...start, plan: { ...UNKNOWN, placedBy: 'not_admitted', people: task.people } }
  }
  return { admission: { budget, refuse } }
}

/** When the next month's budget begins, if the window is open then, and the final poll, which takes what is left. */
function refusedOffsets(task: UnscheduledTask & { readonly deadlineAt: Date }, monthEndsAt: Date, timing: Timing): number[] {
  const { key, sentAt } = task
  // Many tasks wait for the same moment.
  const next = monthEndsAt.getTime() + timing.throttleMs * (1 + jitterOf(key))
  const final = finalPollAt(task, timing).getTime()
  return [...(next < final - timing.minGapMs ? [next] : []), final].map((at) => Math.max(0, Math.round(at - sentAt.getTime())))
}
