import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { dayMs, type World } from '../support/world.ts'
import { withQueue } from './support/queue.ts'
import { faultTests, withDatabase } from './support/scenario.ts'
import { firstOf } from './support/workers.ts'

const SCALED_HOUR = 24

faultTests([
  {
    fault: 'F25',
    when: 'everything is down from hour 23 to hour 25',
    mayBeBlind: true,
    recoversWithinMs: null,
    async strike(world) {
      const hourMs = dayMs(world.day) / SCALED_HOUR
      const sentAt = Math.min(...[...world.server.tasks.values()].map((task) => task.sentAt))
      await sleep(sentAt + 23 * hourMs - Date.now())
      firstOf(world.workers).kill('SIGKILL')
      await Promise.all([world.toDatabase.mode('refuse'), world.toQueue.mode('refuse')])
      await sleep(2 * hourMs)
      await Promise.all([world.toDatabase.mode('pass'), world.toQueue.mode('pass')])
      await world.start()
    },
    async afterwards(_world, { rows }) {
      const expired = [...rows.values()].filter(({ status }) => status === 'expired')
      expect(expired.length).toBeGreaterThan(0)
      for (const { reason_code, reason_detail, last_observed_at } of expired) {
        expect([reason_code, reason_detail?.['lastObservedAt']]).toEqual(['blind_before_deadline', last_observed_at?.toISOString()])
      }
    },
  },
  {
    fault: 'F27',
    when: 'the same task is enqueued 100 times at once, through all ways to enqueue',
    onlyLong: true,
    async strike(world) {
      const task = { ...[...world.server.tasks.values()][0], taskId: '9007199254740994997', sentAt: Date.now() }
      const { people = [], windowMs = dayMs(world.day) } = task
      world.server.add({ agentId: '836390886', people, windowMs, taskId: task.taskId, sentAt: task.sentAt })
      const request = {
        taskId: task.taskId,
        agentId: '836390886',
        sentAt: new Date(task.sentAt),
        userIds: people.map(({ userId }) => userId),
      }
      const [toDatabase, toQueue] = [createTracker({ databaseUrl: world.databaseUrl }), createTracker({ queueUrl: world.queueUrl })]
      const times = <T>(work: () => Promise<T>): Array<Promise<T>> => Array.from({ length: 25 }, work)
      await withQueue(world.queueUrl, (queue) =>
        Promise.all([
          ...times(() => toDatabase.track(request)),
          ...times(() => toQueue.track(request)),
          ...times(() => queue.add('track', { ...request, sentAt: task.sentAt })),
          ...times(() => trackedInSql(world, request)),
        ]),
      )
      await Promise.all([toDatabase.close(), toQueue.close()])
    },
    async afterwards({ server, day }) {
      // The oracle has seen that there is one row.
      expect(server.calls.get('9007199254740994997'), 'calls for it').toBeLessThanOrEqual(day.pollsPerTask)
    },
  },
  {
    fault: 'F28',
    when: 'the reader of the log has gone',
    onlyLong: true,
    env: { LOG_LEVEL: 'debug' },
    async strike(world) {
      const worker = firstOf(world.workers)
      worker.closeLogs()
      await sleep(2_000)
      const before = await cpuSeconds(worker.pid)
      await sleep(3_000)
      const after = await cpuSeconds(worker.pid)
      // It has gone (and said so by its exit code), or it works and does not spin.
      if (before !== null && after !== null) expect(after - before, 'seconds of CPU in 3 s').toBeLessThan(2)
      else expect((await worker.exit).code, 'exit code').not.toBe(0)
      if (after === null) await world.start()
    },
  },
  {
    fault: 'F28',
    when: 'the disk of the database is full for 6 s',
    onlyLong: true,
    recoversWithinMs: 10_000,
    // An answer that cannot be stored is kept, and no call is made until one is.
    extraCalls: 0,
    extraShare: 0,
    async strike(world) {
      await withDatabase(world, async (client) => {
        await client.query(DISK_FULL)
        await sleep(6_000)
        await client.query('DROP TRIGGER disk_full ON delivery_poll; DROP TRIGGER disk_full ON delivery_task')
      })
    },
  },
])

const TRACK_SQL = 'SELECT track_delivery(task_id => $1, agent_id => $2, user_ids => $3, sent_at => $4)'

function trackedInSql(
  world: World,
  request: { taskId: string; agentId: string; userIds: readonly string[]; sentAt: Date },
): Promise<unknown> {
  return withDatabase(world, (client) => client.query(TRACK_SQL, [request.taskId, request.agentId, request.userIds, request.sentAt]))
}

/** As PostgreSQL says it (SQLSTATE 53100), whatever the disk of this machine is like. */
const DISK_FULL = `
  CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION USING ERRCODE = ''53100'', MESSAGE = ''could not extend file: No space left on device''; END';
  CREATE TRIGGER disk_full BEFORE INSERT ON delivery_poll FOR EACH STATEMENT EXECUTE FUNCTION disk_full();
  CREATE TRIGGER disk_full BEFORE UPDATE ON delivery_task FOR EACH STATEMENT EXECUTE FUNCTION disk_full()`

/** Null where the process is gone. */
async function cpuSeconds(pid: number): Promise<number | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null)
  if (stat === null) return null
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}
