import type { Clock, EventLog, OldDetails } from './ports.ts'

/** How long what is stored about an ended task is kept, in milliseconds from its end; null: for ever. Never divided by a time scale. */
export interface Retention {
  /**
   * After this the user ids of its recipients are removed, and the figures stay. So are the names of people whom no import or sync has named for as
   * long.
   */
  readonly detailsMs: number | null
  /** After this the task is removed with all its rows. Not less than `detailsMs`. */
  readonly totalsMs: number | null
}

export interface RetainDeps {
  readonly store: OldDetails
  readonly retention: Retention
  readonly now: Clock
  readonly events: Pick<EventLog, 'retained'>
}

/** Tasks in one transaction: at a hundred people each some 0.3 s of the database's time. */
const BATCH = 50
/** People in one transaction. */
const PEOPLE_BATCH = 1_000
/** Limits one pass; a backlog takes several. */
const MAX_BATCHES = 40
const MAX_PERIODS = 5
const MAX_MS = 5_000

/** DingTalk names no recipient 24 hours after the send; an hour more for an answer that was under way. */
const ERASURES_MS = 25 * 3_600_000

/**
 * Removes data that is older than its limit, longest ended first, within the limits of a pass. Safe to run from many workers at once.
 * @returns false where more is left
 */
export async function retain(deps: RetainDeps): Promise<boolean> {
  const { store, retention, now } = deps
  const startedAt = now().getTime()
  await store.forgetErasures(new Date(startedAt - ERASURES_MS))
  const isTimeLeft = (): boolean => now().getTime() - startedAt < MAX_MS
  const olderThan = (ageMs: number): Date => new Date(startedAt - ageMs)
  const { detailsMs, totalsMs } = retention
  let isDone = true
  const namesRemoved = await inBatches(detailsMs, (ageMs) => store.removeNames(olderThan(ageMs), BATCH), BATCH)
  const peopleRemoved = await inBatches(detailsMs, (ageMs) => store.forgetPeople(olderThan(ageMs), PEOPLE_BATCH), PEOPLE_BATCH)
  const periodsRemoved = totalsMs === null ? 0 : await removePeriods(olderThan(totalsMs))
  const tasksRemoved = await inBatches(totalsMs, (ageMs) => store.removeTasks(olderThan(ageMs), BATCH), BATCH)
  if (namesRemoved + peopleRemoved + periodsRemoved + tasksRemoved > 0)
    deps.events.retained({ namesRemoved, peopleRemoved, periodsRemoved, tasksRemoved })
  return isDone

  /** Before their tasks, which would take them along one by one. A crash in between leaves tasks without polls, which the next pass removes. */
  async function removePeriods(before: Date): Promise<number> {
    let removed = 0
    while (removed < MAX_PERIODS && isTimeLeft()) {
      const outcome = await store.removePolls(before)
      if (outcome === 'busy') isDone = false
      if (outcome !== 'removed') return removed
      removed++
    }
    isDone = false
    return removed
  }

  /** @param ageMs null: nothing is ever that old */
  async function inBatches(ageMs: number | null, remove: (ageMs: number) => Promise<number>, batch: number): Promise<number> {
    if (ageMs === null) return 0
    let total = 0
    for (let i = 0; i < MAX_BATCHES && isTimeLeft(); i++) {
      const removed = await remove(ageMs)
      total += removed
      if (removed < batch) return total
    }
    isDone = false
    return total
  }
}

/** As {@link retain}, with a pause of `restMs` after a pass that left nothing: what is kept for days may stay some minutes longer. */
export function createRestingRetain(restMs: number): (deps: RetainDeps) => Promise<void> {
  let dueMs = -Infinity
  return async (deps) => {
    if (deps.now().getTime() >= dueMs && (await retain(deps))) dueMs = deps.now().getTime() + restMs
  }
}
