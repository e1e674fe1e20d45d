import type { Clock, EventLog, OldDetails } from './ports.ts'

/** How long what is stored about an ended task is kept, in milliseconds from its end; null: for ever. Never divided by a time scale. */
export interface Retention {
  /** After this the names of its recipients are removed, and the figures stay. */
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
/** Limits one pass; a backlog takes several. */
const MAX_BATCHES = 40
const MAX_MS = 5_000

/** DingTalk names no recipient 24 hours after the send; an hour more for an answer that was under way. */
const ERASURES_MS = 25 * 3_600_000

/** Removes data that is older than its limit, longest ended first, within the limits of a pass. Safe to run from many workers at once. */
export async function retain(deps: RetainDeps): Promise<void> {
  const { store, retention, now } = deps
  const startedAt = now().getTime()
  await store.forgetErasures(new Date(startedAt - ERASURES_MS))
  const isTimeLeft = (): boolean => now().getTime() - startedAt < MAX_MS
  const olderThan = (ageMs: number): Date => new Date(startedAt - ageMs)
  const { detailsMs, totalsMs } = retention
  const namesRemoved = detailsMs === null ? 0 : await inBatches(() => store.removeNames(olderThan(detailsMs), BATCH), isTimeLeft)
  const tasksRemoved = totalsMs === null ? 0 : await inBatches(() => store.removeTasks(olderThan(totalsMs), BATCH), isTimeLeft)
  if (namesRemoved + tasksRemoved > 0) deps.events.retained({ namesRemoved, tasksRemoved })
}

async function inBatches(remove: () => Promise<number>, isTimeLeft: () => boolean): Promise<number> {
  let total = 0
  for (let i = 0; i < MAX_BATCHES && isTimeLeft(); i++) {
    const removed = await remove()
    total += removed
    if (removed < BATCH) break
  }
  return total
}
