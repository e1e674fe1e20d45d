import type { JobType } from 'bullmq'
import type { Person } from '../polling/ports.ts'
import type { JobQueue } from './connection.ts'
import { withQueueTimeout } from './timeout.ts'
import { isPollJobId } from './timers.ts'

/** In the order in which a job passes through them, so that a job that moves on meanwhile is found in its next state. */
const STATES: readonly JobType[] = ['waiting-children', 'delayed', 'prioritized', 'waiting', 'active', 'failed', 'completed']
/** Ids that are read at once. */
const PAGE = 1_000
/** Jobs that are read at once. */
const BATCH = 50
const TIMEOUT_MS = 10_000
/** One pass may miss a job that changes its state at that moment; the next pass finds it. */
const MAX_PASSES = 5

/**
 * Replaces a person in the jobs that senders added, whatever their state. A job that runs later tracks its task with the pseudonym.
 * The tracker's own jobs hold ids of tasks only.
 * @returns how many jobs were changed
 * @throws {TrackerError} `QUEUE_UNAVAILABLE` when the queue does not answer
 */
export async function scrubJobs(queue: JobQueue, person: Person, pseudonym: string): Promise<number> {
  let total = 0
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    let changed = 0
    for (const ids of await listSenderJobs(queue)) changed += await scrubAll(queue, ids, person, pseudonym)
    if (changed === 0) break
    total += changed
  }
  return total
}

/** Ids of all jobs but the polls, in batches. */
async function listSenderJobs(queue: JobQueue): Promise<string[][]> {
  const ids = new Set<string>()
  for (const state of STATES) for (const id of await listIds(queue, state)) ids.add(id)
  const all = [...ids].filter((id) => !isPollJobId(id))
  return Array.from({ length: Math.ceil(all.length / BATCH) }, (_, i) => all.slice(i * BATCH, (i + 1) * BATCH))
}

async function listIds(queue: JobQueue, state: JobType): Promise<string[]> {
  const ids: string[] = []
  for (let start = 0; ; start += PAGE) {
    const page = await withQueueTimeout(TIMEOUT_MS, queue.getRanges([state], start, start + PAGE - 1))
    ids.push(...page)
    if (page.length < PAGE) return ids
  }
}

async function scrubAll(queue: JobQueue, ids: readonly string[], person: Person, pseudonym: string): Promise<number> {
  const done = await withQueueTimeout(TIMEOUT_MS, Promise.all(ids.map((id) => scrub(queue, id, person, pseudonym))))
  return done.filter((changed) => changed).length
}

async function scrub(queue: JobQueue, id: string, { userId, app }: Person, pseudonym: string): Promise<boolean> {
  const job = await queue.getJob(id)
  // Any client may add any data. A job without an app belongs to the app named "default", as in every way to enqueue.
  if (job === undefined || (app !== null && app !== (appOf(job.data) ?? 'default'))) return false
  const data = replaceText(job.data, userId, pseudonym)
  if (data === job.data) return false
  if (job.failedReason?.includes(userId) === true) {
    // It was refused because of this name, and BullMQ cannot change the reason of a failed job.
    await job.remove()
    await queue.forgetEvents()
    return true
  }
  // It may have run and been removed meanwhile.
  return job.updateData(data).then(
    () => true,
    async (error: unknown) => {
      if ((await queue.getJob(id)) === undefined) return false
      throw error
    },
  )
}

function appOf(data: unknown): unknown {
  return typeof data === 'object' && data !== null && 'app' in data ? data.app : undefined
}

/** Replaces a text in a JSON value, as a value and as a field name. Returns the same object where the text does not occur. */
export function replaceText(value: unknown, from: string, to: string): unknown {
  if (value === from) return to
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => replaceText(item, from, to))
    return items.some((item, i) => item !== value[i]) ? items : value
  }
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([name, item]): [string, unknown] => [name === from ? to : name, replaceText(item, from, to)])
  const same = Object.entries(value).every(([name, item], i) => entries[i]?.[0] === name && entries[i]?.[1] === item)
  return same ? value : Object.fromEntries(entries)
}
