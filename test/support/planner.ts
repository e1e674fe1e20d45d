import { type Timing } from '../../src/domain/poll-times.ts'
import { createTaskPlanner } from '../../src/polling/plan-tasks.ts'
import type { Clock, TaskPlanner } from '../../src/polling/ports.ts'

/** Growing gaps, and no monthly call budget. */
export function growingPlanner(timing: Timing, now: Clock): TaskPlanner {
  return createTaskPlanner({ timing, now, limitsOf: () => ({ monthlyBudget: null }) })
}
