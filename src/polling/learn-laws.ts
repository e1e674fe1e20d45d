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
  /** Ends the pass: what was learned until then is stored. Default: it runs to its end. */
  readonly signal?: AbortSignal
}

/** No more count, see {@link tasksThatCount}. */
const MOST_TASKS = 1_000

/** With fewer tasks of its own, the prior of an app is how the recipients of the other apps read. */
const FEW_TASKS = 50

/**
 * Learns when the recipients of each app read, where tasks of it have ended since it was last learned. One worker at a time.
 * @returns the apps that have a new law; null when another worker learns, or when it was stopped
 */
export async function learnLaws(deps: LearnDeps): Promise<string[] | null> {
  try {
    return await deps.store.exclusively((lease) => pass(deps, lease))
  } catch (error) {
    if (deps.signal?.aborted === true) return null
    throw error
  }
}

async function pass(deps: LearnDeps, lease: Lease): Promise<string[]> {
  const { store } = deps
  const endings = new Map((await store.apps()).map(({ app, lastEndedAt }) => [app, lastEndedAt?.getTime() ?? 0]))
  const lastEndedMs = Math.max(0, ...endings.values())
  const learned: string[] = []
  const pooled = createPooled(deps, [...endings.values()].filter((endedMs) => endedMs > 0).length)
  for (const app of new Set([...endings.keys(), ...deps.apps])) {
    if (!lease.isHeld() || deps.signal?.aborted === true) break
    const known = await store.latest(app)
    // An app without tasks of its own has the law of the others.
    const changedMs = known?.tasks === 0 ? lastEndedMs : (endings.get(app) ?? 0)
    if (known !== null && changedMs <= known.learnedAt.getTime()) continue
    if (await learnApp(deps, app, pooled)) learned.push(app)
  }
  return learned
}

/** @returns false where there is nothing to learn from */
async function learnApp(deps: LearnDeps, app: string, pooled: Pooled): Promise<boolean> {
  const { store, events } = deps
  const learnedAt = await store.now()
  const own = tasksThatCount(await store.observedTasks({ app }, MOST_TASKS))
  const others = own.length < FEW_TASKS ? await pooled(own.length > 0) : null
  if (own.length === 0 && others === null) return false
  const law = await learn(own, others ?? PRIOR_LAW, deps)
  const people = own.reduce((sum, task) => sum + task.people, 0)
  const version = await store.add(app, { law, tasks: own.length, people, lastSentAt: own.at(-1)?.sentAt ?? null, learnedAt })
  events.learned({ app, version, tasks: own.length, people })
  return true
}

/** The law of all apps together; null where no other app has tasks. @param hasTasks the app that needs it has some itself */
type Pooled = (hasTasks: boolean) => Promise<Law | null>

/** It is learned once a pass: that an app's few own tasks count in it too changes little, and an app more costs nothing. */
function createPooled(deps: LearnDeps, appsWithTasks: number): Pooled {
  const learnAll = async (): Promise<Law> => await learn(await deps.store.observedTasks({}, MOST_TASKS), PRIOR_LAW, deps)
  let ofAll: Promise<Law> | null = null
  return async (hasTasks) => (appsWithTasks > (hasTasks ? 1 : 0) ? await (ofAll ??= learnAll()) : null)
}

/** Without a pause a worker whose learning takes longer than this would be late with polls, and lose locks. */
const MAX_BLOCK_MS = 20

/** Lets other work run between the steps. */
async function learn(tasks: readonly ObservedTask[], prior: Law, { calendar, signal }: LearnDeps): Promise<Law> {
  if (tasks.length === 0) return prior
  const steps = learnInSteps(tasks, { prior, calendar })
  let startedMs = performance.now()
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) return step.value
    if (performance.now() - startedMs < MAX_BLOCK_MS) continue
    await setImmediate(undefined, { signal })
    startedMs = performance.now()
  }
}
