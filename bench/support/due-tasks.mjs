import { setTimeout as sleep } from 'node:timers/promises'
import { createTracker } from '../../dist/index.js'
import { openQueues } from '../../dist/queue/shards.js'
import { createPollTimers } from '../../dist/queue/timers.js'
import { userIdsOf } from './tasks.mjs'

/** Tasks whose next polls are due when a bench says so, whatever their plan. */

const AT_ONCE = 5_000
const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS

/** @typedef {{ app: string, taskId: string }} Key */

/**
 * Stores open tasks, as senders do, and marks them as planned, so that no worker sets their timers.
 * @param {import('./fleet.mjs').Fleet} servers
 * @param {readonly Key[]} keys
 * @param {Date} sentAt
 */
export async function addTasks({ databaseUrl, database }, keys, sentAt = new Date()) {
  const tracker = createTracker({ databaseUrl })
  for (let i = 0; i < keys.length; i += AT_ONCE)
    await tracker.trackMany(
      keys.slice(i, i + AT_ONCE).map((key, n) => ({ ...key, userIds: userIdsOf(key.taskId), sentAt, campaign: `bench-${(i + n) % 100}` })),
    )
  await tracker.close()
  await database.query('UPDATE delivery_task SET scheduled_at = now(), next_poll_at = deadline_at WHERE scheduled_at IS NULL')
  await database.query('ANALYZE')
}

/** @typedef {{ key: Key, at: Date, last?: boolean }} Due */

/** Between an attempt to set timers that came too late and the next one. */
const SETTLE_MS = 3_000

/** @param {import('./fleet.mjs').Fleet} servers */
export function openTimers({ queue, database }) {
  const queues = openQueues(queue, 'producer', (error) => console.error(error))
  const timers = createPollTimers(queues.it, () => new Date(), 60_000)
  /** Tasks that have a timer. @type {Set<string>} */
  const known = new Set()
  let msPerTimer = 1

  /** Stores when the polls are due, and sets the timers or moves them. @param {readonly Due[]} due */
  async function set(due) {
    for (let i = 0; i < due.length; i += AT_ONCE) {
      const part = due.slice(i, i + AT_ONCE)
      const deadlines = await storeDue(database, part)
      const some = part.map(({ key, at, last = false }) => ({ key, deadlineAt: deadlines.get(key.taskId), poll: { at, last } }))
      await timers.set(some.filter(({ key }) => !known.has(key.taskId)))
      await timers.restore(some.filter(({ key }) => known.has(key.taskId)))
      for (const { key } of some) known.add(key.taskId)
    }
  }

  /**
   * All of them due at the same moment, which comes when all timers are set.
   * @param {ReadonlyArray<Omit<Due, 'at'>>} due
   * @returns {Promise<Date>} the moment
   */
  async function setAtOnce(due) {
    for (;;) {
      const begun = Date.now()
      const at = new Date(begun + 1_000 + due.length * msPerTimer)
      await set(due.map((each) => ({ ...each, at })))
      msPerTimer = Math.max(msPerTimer, (1.3 * (Date.now() - begun)) / due.length)
      if (Date.now() < at.getTime()) return at
      // Some have been polled. What is being stored would move them again.
      await sleep(SETTLE_MS)
    }
  }

  return { set, setAtOnce, close: () => queues.close() }
}

/** @returns {Promise<Map<string, Date>>} the deadlines by task id */
async function storeDue(database, part) {
  const { rows } = await database.query(
    `UPDATE delivery_task AS task SET next_poll_at = due.at
     FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS due (app, task_id, at)
     WHERE task.app = due.app AND task.task_id = due.task_id RETURNING task.task_id, task.deadline_at`,
    [part.map(({ key }) => key.app), part.map(({ key }) => key.taskId), part.map(({ at }) => at)],
  )
  return new Map(rows.map((row) => [row.task_id, row.deadline_at]))
}
