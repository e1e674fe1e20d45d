import { planStart } from '../domain/plan.ts'
import { finalPollAt, jitterOf, type Timing } from '../domain/poll-times.ts'
import type { PlanDetail } from '../domain/schedule/plan-detail.ts'
import type { AppLimits, Clock, TaskPlanner, TaskStart, UnscheduledTask } from './ports.ts'

export interface PlannerDeps {
  readonly timing: Timing
  readonly limitsOf: (app: string) => Pick<AppLimits, 'monthlyBudget'>
  readonly now: Clock
}

/** Gives each task growing gaps, and asks for a call of the month's budget for its final poll. */
export function createTaskPlanner({ timing, limitsOf, now }: PlannerDeps): TaskPlanner {
  return {
    async plan(task) {
      const { pollOffsetsMs: stored } = task
      const admission = findAdmission(task, timing, limitsOf(task.key.app).monthlyBudget, now)
      if (stored !== null) return { ...planStart(task, now(), timing, () => stored), ...admission }
      const plan = { ...UNKNOWN, placedBy: task.sentAtGiven ? 'growing' : 'assumed_send_time', people: task.people } as const
      return { ...planStart(task, now(), timing), plan, ...admission }
    },
  }
}

const UNKNOWN: Omit<PlanDetail, 'placedBy' | 'people'> = { law: null, price: null, expectedCalls: null, widthMs: null }

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
