import { createCustomPlacing } from '../polling/place-custom.ts'
import { createLearnedPlacing } from '../polling/place-learned.ts'
import { createTaskPlanner, type Placing, type PlannerDeps } from '../polling/plan-tasks.ts'
import type { Laws, TaskPlanner } from '../polling/ports.ts'
import { createCallOutlooks } from '../store/call-outlook.ts'
import type { Database } from '../store/prisma.ts'
import { createCalendar, createCallClock } from './calendar.ts'
import type { WorkerConfig } from './config/worker-options.ts'

interface PlannerParts extends Required<Omit<PlannerDeps, 'placing'>> {
  readonly database: Database
  readonly laws: Laws
}

/** The planner of the kind of schedule that is configured. */
export function createPlanner(
  config: Pick<WorkerConfig, 'schedule' | 'timeScale'>,
  { database, laws, ...deps }: PlannerParts,
): TaskPlanner {
  const placing = createPlacing(config, { database, laws, ...deps })
  return createTaskPlanner({ ...deps, ...(placing !== null && { placing }) })
}

/** Null: growing gaps. */
function createPlacing(
  { schedule, timeScale }: Pick<WorkerConfig, 'schedule' | 'timeScale'>,
  { database, laws, timing, now }: Pick<PlannerParts, 'database' | 'laws' | 'timing' | 'now'>,
): Placing | null {
  const { kind, pollTimes, calendar } = schedule
  if (kind === 'growing') return null
  if (kind === 'custom') return pollTimes === null ? null : createCustomPlacing(pollTimes, timing)
  return createLearnedPlacing({
    settings: schedule,
    calendar: createCalendar(calendar, timeScale),
    laws,
    outlooks: createCallOutlooks(database, createCallClock(calendar, timeScale)),
    timing,
    now,
  })
}
