import { setTimeout as sleep } from 'node:timers/promises'
import { keepFigures } from '../../dist/store/maintenance.js'
import { postmasterOf } from '../support/database.mjs'
import { percentile } from '../support/figures.mjs'
import { cpuOfFamily } from '../support/usage.mjs'
import { startServer } from './files.mjs'
import { LARGE } from './seed.mjs'

const VIEWERS = 6
/** As a worker does. */
const RECOUNT_EVERY_MS = 5_000
/** A poll of one of the tasks finds people who have read. */
const POLL_EVERY_MS = 500

/**
 * Six viewers keep the page of the changing campaign open, and it loads again as its script does, while polls go on and a worker keeps its figures.
 * @returns {Promise<{ firstMs: number, sixViewersMs: number, longestMs: number, loads: number, cpuShare: number | null, serverCpuShare: number }>}
 *   cpuShare: CPU of the server and of PostgreSQL, in cores, with what the polls and the recounts cost; null where it cannot be measured
 */
export async function measurePage({ client, database, url, seconds }) {
  const { address, ask, close } = await startServer(url)
  const page = `${address}/campaigns/${LARGE}`
  try {
    const first = await load(page)
    const before = { server: (await ask('cpu')).cpuMs, postgres: await postgresCpuMs(client), at: performance.now() }
    const until = before.at + seconds * 1_000
    const loads = []
    const viewers = Array.from({ length: VIEWERS }, (_, i) => view(page, until, (i * 5_000) / VIEWERS, loads))
    await Promise.all([...viewers, poll(client, until), recount(database, until)])
    const after = { server: (await ask('cpu')).cpuMs, postgres: await postgresCpuMs(client), at: performance.now() }
    const share = (key) => (before[key] === null ? null : (after[key] - before[key]) / (after.at - before.at))
    const [serverCpuShare, postgresCpuShare] = [share('server'), share('postgres')]
    return {
      ...{ firstMs: first.ms, sixViewersMs: percentile(loads, 0.5), longestMs: Math.max(...loads), loads: loads.length },
      ...{ cpuShare: postgresCpuShare === null ? null : serverCpuShare + postgresCpuShare, serverCpuShare },
    }
  } finally {
    await close()
  }
}

async function view(page, until, wait, loads) {
  await sleep(wait)
  while (performance.now() < until) {
    const { ms, refreshMs } = await load(page)
    loads.push(ms)
    await sleep(Math.max(0, Math.min(refreshMs, until - performance.now())))
  }
}

/** @param {string} page */
export async function load(page) {
  const started = performance.now()
  const response = await fetch(page, { headers: { accept: 'text/html' } })
  const body = await response.text()
  if (!response.ok) throw new Error(`${page} answered ${response.status}`)
  return { ms: performance.now() - started, refreshMs: Number(/data-refresh="(\d+)"/.exec(body)?.[1] ?? 5) * 1_000 }
}

/** Five people of one task have read. The task keeps its own counts, as a poll does. */
async function poll(client, until) {
  for (; performance.now() < until; await sleep(POLL_EVERY_MS)) {
    await client.query(
      `WITH task AS MATERIALIZED (
         SELECT id FROM delivery_task WHERE campaign = $1 AND unread >= 5 ORDER BY random() LIMIT 1
       ), person AS (
         UPDATE delivery_recipient AS person SET state = 'read', first_read_at = now(), last_unread_at = first_seen_at FROM task
         WHERE person.task_pk = task.id AND person.user_id IN (
           SELECT user_id FROM delivery_recipient WHERE task_pk = (SELECT id FROM task) AND state = 'unread' ORDER BY user_id LIMIT 5
         )
       )
       UPDATE delivery_task SET read = read + 5, unread = unread - 5, last_observed_at = now() FROM task WHERE delivery_task.id = task.id`,
      [LARGE],
    )
  }
}

async function recount(database, until) {
  for (; performance.now() < until; await sleep(Math.min(RECOUNT_EVERY_MS, Math.max(0, until - performance.now()))))
    await keepFigures(database)
}

/** Of the server process and all its children, living and ended; null where the server is on another machine, or this is not Linux. */
async function postgresCpuMs(client) {
  try {
    return cpuOfFamily(await postmasterOf(client))
  } catch {
    return null
  }
}
