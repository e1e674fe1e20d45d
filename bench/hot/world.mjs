import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createTracker } from '../../dist/index.js'
import { jobIdOf } from '../../dist/queue/timers.js'
import { migrate } from '../../dist/store/migrate.js'
import { connect, ownDatabase } from '../support/database.mjs'
import { startChild, startWorker } from '../support/process.mjs'
import { appsOfBench } from '../support/servers.mjs'
import { taskId, userIdsOf } from '../support/tasks.mjs'
import { openBenchQueue } from './queue.mjs'

/** @typedef {import('../support/servers.mjs').Servers} World */

/** How far ahead the timers of the first wave are set, and how much further for each task. */
const FIRST_LEAD_MS = 200
const LEAD_OF_TASK_MS = 0.5
/** What a worker has to do after its sleep: questions and heartbeats that were due meanwhile. */
const AWAKE_MS = 500
const AGENT_ID = '836390886'
/** Higher than any worker gets: the rate limiter does its work, and delays nothing. */
const CALLS_PER_SECOND = 1_000

/** A migrated database with a queue beside it. */
async function openStore(closers, world, { name, backend, like = '' }) {
  const databaseUrl = await ownDatabase(closers, world.server, `hot_${name}`, { anew: true, like })
  await migrate(databaseUrl)
  const queueUrl = backend === 'redis' ? world.redis.url : databaseUrl
  const queueName = `hot-${name}`
  const queue = await openBenchQueue(closers, { url: queueUrl, name: queueName })
  return { databaseUrl, queueUrl, queueName, queue, client: await connect(closers, databaseUrl) }
}

/**
 * A worker of dist/, with a database and a queue of its own. It sleeps until `resume`, so that several can be measured in turn.
 * @param {import('../support/bench.mjs').Closers} closers
 * @param {World} world
 * @param {{ name: string, backend?: 'redis' | 'postgres', apps?: number, like?: string }} options `like` is the
 *   database of which its own is a copy
 */
export async function startSubject(closers, world, { name, backend = 'redis', apps = 10, like }) {
  const store = await openStore(closers, world, { name, backend, like })
  const appNames = Array.from({ length: apps }, (_, i) => `app-${String(i).padStart(4, '0')}`)
  const worker = await startWorker(closers, {
    ...{ DATABASE_URL: store.databaseUrl, QUEUE_URL: store.queueUrl, QUEUE_NAME: store.queueName },
    // Removing the names of an old history is work of hours, which is not what a poll costs.
    RETAIN_DETAILS_DAYS: 'never',
    ...(await appsOfBench(
      closers,
      world,
      appNames.map((app) => ({ name: app, maxCallsPerSecond: CALLS_PER_SECOND })),
    )),
  })
  worker.kill('SIGSTOP')
  let numbers = 0
  return {
    ...{
      name,
      world,
      store,
      queue: store.queue,
      pid: worker.pid,
      concurrency: worker.concurrency,
      tasks: [],
      lead: { ms: FIRST_LEAD_MS },
    },
    /** The polls of its tasks are due at that time. A task may have more of them than its plan has calls for. */
    setDue(at) {
      const ids = this.tasks.map((task) => task.taskId)
      return store.client.query("UPDATE delivery_task SET next_poll_at = $1, calls = 0 WHERE status = 'tracking' AND task_id = ANY ($2)", [
        at,
        ids,
      ])
    },
    /** And no dead row of this change is left for the worker's statements. */
    async makeDue(at) {
      await this.setDue(at)
      await store.client.query('VACUUM delivery_task')
    },
    /** The worker runs while this work does. What it has to do after its sleep comes first. */
    async awake(work) {
      worker.kill('SIGCONT')
      await sleep(AWAKE_MS)
      try {
        return await work()
      } finally {
        worker.kill('SIGSTOP')
      }
    },
    /** Tracks new tasks, ten in a campaign, and waits until the worker has set their timers. From then on they are the tasks of each wave. */
    async track(tasks, people) {
      const requests = Array.from({ length: tasks }, (_, i) => request(taskId(people, numbers + i), appNames[i % apps], `${numbers + i}`))
      numbers += tasks
      await track(store.databaseUrl, requests)
      this.tasks = await Promise.all(requests.map((each) => withJob(store.queue, each)))
      this.lead.ms = FIRST_LEAD_MS + Math.ceil(LEAD_OF_TASK_MS * tasks)
    },
    /** They are over. */
    async end() {
      await store.client.query(
        "UPDATE delivery_task SET status = 'expired', finished_at = now(), next_poll_at = NULL WHERE task_id = ANY ($1)",
        [this.tasks.map((task) => task.taskId)],
      )
      for (const { job } of this.tasks) await job.remove()
    },
  }
}

function request(id, app, number) {
  const campaign = `campaign-${number.slice(0, -1)}`
  return { app, taskId: id, agentId: AGENT_ID, campaign, sentAt: new Date(), userIds: userIdsOf(id) }
}

async function track(databaseUrl, requests) {
  const tracker = createTracker({ databaseUrl })
  try {
    await tracker.trackMany(requests)
  } finally {
    await tracker.close()
  }
}

async function withJob(queue, { app, taskId: id }) {
  for (;;) {
    const job = await queue.getJob(jobIdOf({ app, taskId: id }))
    if (job !== undefined) return { app, taskId: id, job }
    await sleep(100)
  }
}

/**
 * A process of reference.mjs, with a queue of its own that holds its timers.
 * @param {import('../support/bench.mjs').Closers} closers
 * @param {World} world
 * @param {{ kind: 'ceiling' | 'naive' | 'cron', backend?: 'redis' | 'postgres', concurrency: number, tasks: number, people: number }} options
 */
export async function startReference(closers, world, { kind, backend = 'redis', concurrency, tasks, people }) {
  const { databaseUrl, queueUrl, queueName, queue } = await openStore(closers, world, { name: `${kind}_${backend}`, backend })
  const ids = Array.from({ length: tasks }, (_, i) => taskId(people, i))
  const hasRows = kind !== 'ceiling'
  if (hasRows)
    await track(
      databaseUrl,
      ids.map((id, i) => request(id, 'app', `${i}`)),
    )
  const isTimed = kind !== 'cron'
  const jobs = isTimed ? await queue.addBulk(ids.map((id) => ({ name: 'poll', data: { taskId: id }, opts: { delay: 3_600_000 } }))) : []
  const args = [kind, world.dingtalk.url, hasRows ? databaseUrl : '', queueUrl, queueName, String(concurrency)]
  const { pid, ask } = await startChild(closers, join(import.meta.dirname, 'reference.mjs'), { args })
  return { world, pid, queue, tasks: jobs.map((job) => ({ job })), lead: { ms: FIRST_LEAD_MS + Math.ceil(LEAD_OF_TASK_MS * tasks) }, ask }
}
