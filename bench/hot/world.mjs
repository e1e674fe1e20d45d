import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { createTracker } from '../../dist/index.js'
import { jobIdOf } from '../../dist/queue/timers.js'
import { migrate } from '../../dist/store/migrate.js'
import { ownDatabase, ownDirectory, startPostgres } from '../support/database.mjs'
import { startRedis } from '../support/redis.mjs'
import { openBenchQueue } from './queue.mjs'
import { taskId, userIdsOf } from './tasks.mjs'

/** No checkpoint comes between two rounds: the first change of each page after one writes the whole page to the WAL. */
const SETTINGS = { checkpoint_timeout: '1h', max_wal_size: '8GB' }
/** How far ahead the timers of a wave are set at first. */
const FIRST_LEAD_MS = 200
const AGENT_ID = '836390886'
/** Higher than any worker gets: the rate limiter does its work, and delays nothing. */
const CALLS_PER_SECOND = 1_000

/**
 * PostgreSQL, durable as in production, Redis and DingTalk's answers.
 * @param {import('../support/database.mjs').Closers} closers
 */
export async function startWorld(closers) {
  const server = await startPostgres(closers, SETTINGS)
  const client = await connect(closers, server)
  const { rows } = await client.query('SHOW data_directory')
  const [postgresPid] = (await readFile(join(rows[0].data_directory, 'postmaster.pid'), 'utf8')).split('\n').map(Number)
  const redis = await startRedis(closers)
  return { server, client, postgresPid, redis, dingtalk: await startDingTalk(closers) }
}

async function connect(closers, url) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  closers.push(() => client.end())
  return client
}

async function startDingTalk(closers) {
  const child = startChild(closers, 'dingtalk.mjs')
  const [{ url }] = await once(child, 'message')
  const ask = async (question) => {
    const answer = once(child, 'message')
    child.send(question)
    const [{ polls }] = await answer
    return polls
  }
  return { url, pid: child.pid, polls: () => ask('polls'), setReadShare: (readShare) => ask({ readShare }) }
}

function startChild(closers, file, ...args) {
  const child = fork(join(import.meta.dirname, file), args)
  closers.push(async () => {
    const exit = once(child, 'exit')
    child.disconnect()
    await exit
  })
  return child
}

/** A migrated database with a queue beside it. */
async function openStore(closers, world, { name, backend }) {
  const databaseUrl = await ownDatabase(closers, world.server, `hot_${name}`, { anew: true })
  await migrate(databaseUrl)
  const queueUrl = backend === 'redis' ? world.redis.url : databaseUrl
  const queueName = `hot-${name}`
  const queue = await openBenchQueue(closers, { url: queueUrl, name: queueName })
  return { databaseUrl, queueUrl, queueName, queue, client: await connect(closers, databaseUrl) }
}

/**
 * A worker of dist/, with a database and a queue of its own. It sleeps until `resume`, so that several can be measured in turn.
 * @param {import('../support/database.mjs').Closers} closers
 * @param {Awaited<ReturnType<typeof startWorld>>} world
 * @param {{ name: string, backend?: 'redis' | 'postgres', apps?: number, fill?: (client: pg.Client) => Promise<unknown> }} options
 */
export async function startSubject(closers, world, { name, backend = 'redis', apps = 10, fill }) {
  const store = await openStore(closers, world, { name, backend })
  await fill?.(store.client)
  const appNames = Array.from({ length: apps }, (_, i) => `app-${String(i).padStart(4, '0')}`)
  const worker = await startWorker(closers, world, store, appNames)
  worker.child.kill('SIGSTOP')
  let numbers = 0
  return {
    ...{
      name,
      world,
      store,
      queue: store.queue,
      pid: worker.child.pid,
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
      worker.child.kill('SIGCONT')
      await sleep(1_000)
      try {
        return await work()
      } finally {
        worker.child.kill('SIGSTOP')
      }
    },
    /** Tracks new tasks, ten in a campaign, and waits until the worker has set their timers. From then on they are the tasks of each wave. */
    async track(tasks, people) {
      const requests = Array.from({ length: tasks }, (_, i) => request(taskId(people, numbers + i), appNames[i % apps], `${numbers + i}`))
      numbers += tasks
      await track(store.databaseUrl, requests)
      this.tasks = await Promise.all(requests.map((each) => withJob(store.queue, each)))
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

async function startWorker(closers, world, { databaseUrl, queueUrl, queueName }, apps) {
  const appsFile = join(await ownDirectory(closers), 'apps.json')
  const entries = apps.map((name) => ({ name, accessToken: 'token', agentId: AGENT_ID, maxCallsPerSecond: CALLS_PER_SECOND }))
  await writeFile(appsFile, JSON.stringify({ apps: entries }))
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../dist/cli/main.js'), 'worker'], {
    env: {
      ...{ PATH: process.env.PATH, DATABASE_URL: databaseUrl, QUEUE_URL: queueUrl, QUEUE_NAME: queueName },
      ...{ DINGTALK_OAPI_URL: world.dingtalk.url, DINGTALK_API_URL: world.dingtalk.url, DINGTALK_APPS_FILE: appsFile },
      ...{ HEALTH_PORT: '0', LOG_PRETTY: '0' },
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const exited = once(child, 'exit')
  closers.push(() => (child.kill('SIGCONT'), child.kill('SIGTERM'), exited))
  let log = ''
  const concurrency = await new Promise((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (part) => {
      log = (log + part).slice(-10_000)
      const ready = /"concurrency":(\d+),"msg":"worker ready"/.exec(log)
      if (ready !== null) resolve(Number(ready[1]))
    })
    void exited.then(([code]) => reject(new Error(`the worker ended (${code}):\n${log}`)))
  })
  return { child, concurrency }
}

/**
 * A process of reference.mjs, with a queue of its own that holds its timers.
 * @param {import('../support/database.mjs').Closers} closers
 * @param {Awaited<ReturnType<typeof startWorld>>} world
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
  const child = startChild(closers, 'reference.mjs', ...args)
  await once(child, 'message')
  return { world, pid: child.pid, queue, tasks: jobs.map((job) => ({ job })), lead: { ms: FIRST_LEAD_MS }, child }
}
