import { setImmediate } from 'node:timers/promises'
import { learnInSteps, tasksThatCount } from '../domain/schedule/learn.ts'
import { PRIOR_LAW } from '../domain/schedule/prior.ts'
import type { Calendar, Law, ObservedTask } from '../domain/schedule/types.ts'
import type { EventLog, LearnerStore, Lease } from './ports.ts'

export interface LearnDeps {
  readonly store: LearnerStore
  readonly calendar: Calendar
  /** Apps of the configuration: one that has no ended task yet gets the law of the others. */
  readonly apps: readonly string[]
  readonly events: Pick<EventLog, 'learned'>
}

/** No more count, see {@link tasksThatCount}. */
const MOST_TASKS = 1_000

/** With fewer tasks of its own, the prior of an app is how the recipients of the other apps read. */
const FEW_TASKS = 50

/**
 * Learns when the recipients of each app read, where tasks of it have ended since it was last learned. One worker at a time.
 * @returns the apps that have a new law; null when another worker learns
 */
export async function learnLaws(deps: LearnDeps): Promise<string[] | null> {
  return await deps.store.exclusively((lease) => pass(deps, lease))
}

async function pass(deps: LearnDeps, lease: Lease): Promise<string[]> {
  const { store } = deps
  const endings = new Map((await store.apps()).map(({ app, lastEndedAt }) => [app, lastEndedAt?.getTime() ?? 0]))
  const lastEndedMs = Math.max(0, ...endings.values())
  const learned: string[] = []
  const pooled = createPooled(deps)
  for (const app of new Set([...endings.keys(), ...deps.apps])) {
    if (!lease.isHeld()) break
    const known = await store.latest(app)
    // An app without tasks of its own has the law of the others.
    const changedMs = known?.tasks === 0 ? lastEndedMs : (endings.get(app) ?? 0)
    if (known !== null && changedMs <= known.learnedAt.getTime()) continue
    if (await learnApp(deps, app, pooled)) learned.push(app)
  }
  return learned
}

/** @returns false where there is nothing to learn from */
async function learnApp({ store, calendar, events }: LearnDeps, app: string, pooled: Pooled): Promise<boolean> {
  const learnedAt = await store.now()
  const own = tasksThatCount(await store.observedTasks({ app }, MOST_TASKS))
  const others = own.length < FEW_TASKS ? await pooled(app, own.length > 0) : null
  if (own.length === 0 && others === null) return false
  const law = await learn(own, others ?? PRIOR_LAW, calendar)
  const people = own.reduce((sum, task) => sum + task.people, 0)
  const version = await store.add(app, { law, tasks: own.length, people, lastSentAt: own.at(-1)?.sentAt ?? null, learnedAt })
  events.learned({ app, version, tasks: own.length, people })
  return true
}

/** The law of the apps other than this one; null where they have no task. */
type Pooled = (app: string, hasTasks: boolean) => Promise<Law | null>

/** For apps without tasks the others are all that have some, so their law is learned once. */
function createPooled({ store, calendar }: LearnDeps): Pooled {
  const learnOthers = async (app: string): Promise<Law | null> => {
    const tasks = await store.observedTasks({ otherThan: app }, MOST_TASKS)
    return tasks.length === 0 ? null : await learn(tasks, PRIOR_LAW, calendar)
  }
  let ofAll: Promise<Law | null> | null = null
  return (app, hasTasks) => (hasTasks ? learnOthers(app) : (ofAll ??= learnOthers(app)))
}

/** Without a pause a worker whose learning takes longer than this would be late with polls, and lose locks. */
const MAX_BLOCK_MS = 20

/** Lets other work run between the steps. */
async function learn(tasks: readonly ObservedTask[], prior: Law, calendar: Calendar): Promise<Law> {
  if (tasks.length === 0) return prior
  const steps = learnInSteps(tasks, { prior, calendar })
  let startedMs = performance.now()
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) return step.value
    if (performance.now() - startedMs < MAX_BLOCK_MS) continue
    await setImmediate()
    startedMs = performance.now()
  }
}
