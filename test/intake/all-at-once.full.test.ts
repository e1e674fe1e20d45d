import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { buildTiming } from '../../src/domain/poll-times.ts'
import { startInterval } from '../../src/lib/interval.ts'
import type { Timer } from '../../src/polling/ports.ts'
import { schedule } from '../../src/polling/schedule-tasks.ts'
import { openQueue, type QueueAddress } from '../../src/queue/connection.ts'
import { migrateQueueSchema } from '../../src/queue/schema.ts'
import { createPollTimers } from '../../src/queue/timers.ts'
import { startPollWorker } from '../../src/queue/worker.ts'
import { createDeliveryStore } from '../../src/store/delivery-store.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { growingPlanner } from '../support/planner.ts'
import { runCli } from '../support/process.ts'
import { describeRedis } from '../support/redis.ts'
import { until } from '../support/wait.ts'
import { DOORS } from './senders.ts'
import { aDatabase, aRedis, aSession, aTracker, taskRows } from './support.ts'

const TASK = { taskId: '9007199254740993123', agentId: '836390886', userIds: ['036632523163121146', 'b'], campaign: 'payroll-11' }

/** Two of these are two worker processes, but for the polls. */
function startTaker(databaseUrl: string, address: QueueAddress) {
  const database = openDatabase(databaseUrl)
  const store = createDeliveryStore(database)
  const queue = openQueue(address, 'consumer', () => undefined)
  const timers = createPollTimers(queue.it, () => new Date())
  const set: Timer[] = []
  const errors: unknown[] = []
  const polls: string[] = []
  const tracked: boolean[] = []
  const noting = {
    set: async (given: readonly Timer[]) => {
      set.push(...given)
      await timers.set(given)
    },
    restore: timers.restore,
  }
  const events = { scheduled: () => undefined }
  const [timing, now] = [buildTiming(24), () => new Date()]
  const deps = { store, timers: noting, timing, planner: growingPlanner(timing, now), now, events }
  const scheduler = startInterval(
    20,
    () => schedule(deps),
    (error) => void errors.push(error),
  )
  const worker = startPollWorker({
    address,
    concurrency: 20,
    lockMs: 60_000,
    poll: async ({ taskId }) => (polls.push(taskId), { kind: 'done' }),
    async track(request) {
      for (const { isNew } of await store.track([request])) tracked.push(isNew)
      scheduler.runNow()
    },
    now: () => new Date(),
    events: { lock: () => undefined, failed: ({ error }) => void errors.push(error) },
  })
  onTestFinished(async () => {
    await worker.close()
    await scheduler.stop()
    await queue.close()
    await database.close()
  })
  return { set, errors, polls, tracked, queue: queue.it }
}

/** A machine that is too busy for it refuses in time; then a sender tries again, which is part of the storm. */
async function taken(send: () => Promise<unknown>): Promise<void> {
  await until(() => send().then(() => true), { what: 'the task is taken', everyMs: 200 })
}

/** What became of one task after 100 calls and two commands at once, through all the ways to enqueue in turn. */
async function throughEveryDoor(databaseUrl: string, queueUrl: string) {
  const address = { url: queueUrl, name: 'dingtalk-delivery', prefix: 'bull' }
  const takers = [startTaker(databaseUrl, address), startTaker(databaseUrl, address)]
  const [intoDatabase, intoQueue] = [aTracker({ databaseUrl }), aTracker({ queueUrl })]
  const foreign = openQueue(address, 'producer', () => undefined)
  const senders = new pg.Pool({ connectionString: databaseUrl, max: 10 })
  onTestFinished(async () => {
    await foreign.close()
    await senders.end()
  })
  const api = await DOORS['POST /v1/tasks'].open(databaseUrl)
  onTestFinished(async () => void (await api.close()))
  const user = TASK.userIds.flatMap((id) => ['--user', id])
  const command = async (env: Readonly<Record<string, string>>): Promise<void> => {
    const { code, stdout, stderr } = await runCli(
      ['track', TASK.taskId, '--agent-id', TASK.agentId, '--campaign', TASK.campaign, ...user],
      { env },
    )
    expect([code, stdout], stderr).toEqual([0, expect.stringMatching(/^(already tracked|tracking)\n$/)])
  }
  const rounds = Array.from({ length: 20 }, (_, i) => [
    () => intoDatabase.track(TASK),
    () => intoQueue.track(TASK),
    () => api.track([TASK]),
    () => foreign.it.add('track', TASK, i % 2 === 0 ? {} : { jobId: `mine-${i}` }),
    () => senders.query('SELECT track_delivery($1, $2, $3, $4)', [TASK.taskId, TASK.agentId, TASK.userIds, TASK.campaign]),
  ])
  const commands = [{ DATABASE_URL: databaseUrl }, { QUEUE_URL: queueUrl }].map((env) => () => command(env))
  await Promise.all([...rounds.flat(), ...commands].map(taken))
  const timer = await until(async () => (await foreign.it.count()) === 1 && foreign.it.getJob(`poll.default.${TASK.taskId}`), {
    what: 'one timer is all that is left in the queue',
  })
  return {
    rows: await taskRows(await aSession(databaseUrl)),
    planned: takers.flatMap((taker) => taker.set).map(({ key }) => key.taskId),
    newByQueue: takers.flatMap((taker) => taker.tracked).filter((isNew) => isNew).length,
    timer: await timer.getState(),
    looksAndErrors: takers.flatMap((taker) => [...taker.polls, ...taker.errors]),
  }
}

const ONCE = {
  rows: [
    expect.objectContaining({ app: 'default', task_id: TASK.taskId, agent_id: TASK.agentId, campaign: TASK.campaign, users: TASK.userIds }),
  ],
  planned: [TASK.taskId],
  newByQueue: expect.toSatisfy((count: number) => count <= 1),
  timer: 'delayed',
  looksAndErrors: [],
}

test('the same task through all ways to enqueue at once, 100 times, is one row, one timer and one plan (queue on PostgreSQL)', async () => {
  const databaseUrl = await aDatabase()
  await migrateQueueSchema(databaseUrl)
  expect(await throughEveryDoor(databaseUrl, databaseUrl)).toEqual(ONCE)
})

describeRedis('with Redis', () => {
  test('the same task through all ways to enqueue at once, 100 times, is one row, one timer and one plan (queue on Redis)', async () => {
    expect(await throughEveryDoor(await aDatabase(), (await aRedis()).url)).toEqual(ONCE)
  })
})
