import type { JobType } from 'bullmq'
import type { Person } from '../polling/ports.ts'
import type { JobQueue } from './connection.ts'
import { withQueueTimeout } from './timeout.ts'
import { LOOK_JOB } from './timers.ts'

/** In the direction in which a job goes, so that one that goes on meanwhile is met again. */
const STATES: readonly JobType[] = ['waiting-children', 'delayed', 'prioritized', 'waiting', 'active', 'failed', 'completed']
/** Ids that are asked for at once. */
const PAGE = 1_000
/** Jobs that are looked at side by side. */
const WIDTH = 50
const PATIENCE_MS = 10_000
/** A job may be read while it changes its state, and be missed; the next pass finds it. */
const MAX_PASSES = 5

/**
 * Replaces a person in the jobs that senders added, whether they wait, run or failed. Polls hold ids of tasks only.
 * A job that runs later tracks its task with the pseudonym.
 * @returns how many jobs were changed
 * @throws {TrackerError} `QUEUE_UNAVAILABLE` when the queue does not answer
 */
export async function scrubJobs(queue: JobQueue, person: Person, pseudonym: string): Promise<number> {
  let total = 0
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    let changed = 0
    for (const id of await sendersJobs(queue)) changed += await scrubAll(queue, id, person, pseudonym)
    if (changed === 0) break
    total += changed
  }
  return total
}

/** Ids of all jobs but the polls, in batches. */
async function sendersJobs(queue: JobQueue): Promise<string[][]> {
  const ids = new Set<string>()
  for (const state of STATES) for (const id of await idsIn(queue, state)) ids.add(id)
  const all = [...ids].filter((id) => !id.startsWith(`${LOOK_JOB}.`))
  return Array.from({ length: Math.ceil(all.length / WIDTH) }, (_, i) => all.slice(i * WIDTH, (i + 1) * WIDTH))
}

async function idsIn(queue: JobQueue, state: JobType): Promise<string[]> {
  const ids: string[] = []
  for (let start = 0; ; start += PAGE) {
    const page = await withQueueTimeout(PATIENCE_MS, queue.getRanges([state], start, start + PAGE - 1))
    ids.push(...page)
    if (page.length < PAGE) return ids
  }
}

async function scrubAll(queue: JobQueue, ids: readonly string[], person: Person, pseudonym: string): Promise<number> {
  const done = await withQueueTimeout(PATIENCE_MS, Promise.all(ids.map((id) => scrub(queue, id, person, pseudonym))))
  return done.filter((changed) => changed).length
}

async function scrub(queue: JobQueue, id: string, { userId, app }: Person, pseudonym: string): Promise<boolean> {
  const job = await queue.getJob(id)
  // Any client may add anything. A job without an app is of the app named "default", as at every door.
  if (job === undefined || (app !== null && app !== (appOf(job.data) ?? 'default'))) return false
  const data = renamed(job.data, userId, pseudonym)
  if (data === job.data) return false
  if (job.failedReason?.includes(userId) === true) {
    // It was refused for this name, and BullMQ does not change a reason. Its sender knows by now or never will.
    await job.remove()
    await queue.forgetEvents()
    return true
  }
  // It may have run and be gone meanwhile.
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

/** The same value with one text replaced wherever it stands, as a value or as a name; itself where it stands nowhere. */
export function renamed(value: unknown, from: string, to: string): unknown {
  if (value === from) return to
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => renamed(item, from, to))
    return items.some((item, i) => item !== value[i]) ? items : value
  }
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([name, item]): [string, unknown] => [name === from ? to : name, renamed(item, from, to)])
  const same = Object.entries(value).every(([name, item], i) => entries[i]?.[0] === name && entries[i]?.[1] === item)
  return same ? value : Object.fromEntries(entries)
}
