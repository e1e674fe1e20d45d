import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { openQueue } from '../../src/queue/connection.ts'
import { everything } from '../store/support/personal-data.ts'
import { runCommand } from '../support/commands.ts'
import { everythingInRedis } from '../support/leaks.ts'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { until } from '../support/wait.ts'
import { backends, makeWorld, type World } from '../support/world.ts'

/** Long enough for a slow machine to act in the middle of it; the test ends as soon as everybody has read. */
const DAY = { timeScale: 720, pollsPerTask: 400 }
const DAY_MS = 86_400_000 / DAY.timeScale
const PATIENCE = { timeoutMs: DAY_MS }
/** Unlike anything else in a database, a queue or a log. */
const ERIN = 'erin-0366325231-zq'
const AGENT = '836390886'

describe.concurrent.for(backends())('on %s', (backend) => {
  test('an open task goes on without the person and completes; then the id is nowhere', { timeout: 2 * DAY_MS }, async ({
    onTestFinished,
  }) => {
    const world = await makeWorld(backend, DAY, onTestFinished)
    const worker = await world.start()
    const { readAll, taskIds } = await sendThree(world)
    const database = new pg.Client({ connectionString: world.databaseUrl })
    await database.connect()
    onTestFinished(() => database.end())
    const rates = async (): Promise<Array<Record<string, unknown>>> =>
      (
        await database.query<Record<string, unknown>>(
          'SELECT task_id, status, targeted, unread, read, pending FROM delivery_task_rates ORDER BY task_id',
        )
      ).rows
    await until(async () => (await rates()).filter(({ unread }) => unread === 2).length === 2, {
      ...PATIENCE,
      what: 'both are delivered to',
    })
    const queue = openQueue({ url: world.queueUrl, name: 'dingtalk-delivery', prefix: 'bull' }, 'producer', () => undefined)
    onTestFinished(() => queue.close())
    await queue.it.add('track', { taskId: taskIds[2], userIds: [ERIN, 'ann'], campaign: 'one' }, {})
    // It fails, and is kept for whoever looks for the mistake.
    await queue.it.add('track', { taskId: 'not a number', userIds: [ERIN] }, { jobId: 'wrong' })
    await until(async () => (await (await queue.it.getJob('wrong'))?.getState()) === 'failed', { ...PATIENCE, what: 'the job has failed' })
    await until(async () => (await rates()).length === 3, { ...PATIENCE, what: 'the third is tracked' })
    const before = await campaignOf(database)
    expect(before).toEqual([{ targeted: 2 }])

    const env = { DATABASE_URL: world.databaseUrl, QUEUE_URL: world.queueUrl }
    const erased = await runCommand(['erase', '--user', ERIN, '--json'], { env })
    expect([erased.code, erased.stderr]).toEqual([0, ''])
    expect(JSON.parse(erased.stdout)).toEqual({ tasks: 3, jobs: 1, people: 0 })
    expect(await campaignOf(database)).toEqual(before)

    readAll()
    await until(async () => (await rates()).every(({ status }) => status === 'complete'), { ...PATIENCE, what: 'all tasks are complete' })
    expect(await rates()).toEqual(taskIds.map((task_id) => ({ task_id, status: 'complete', targeted: 2, unread: 0, read: 2, pending: 0 })))
    expect(await campaignOf(database)).toEqual(before)
    const again = await runCommand(['erase', '--user', ERIN], { env })
    expect([again.code, again.stdout]).toEqual([0, 'nothing found: no task, no job in the queue and no row of people names this person\n'])
    worker.kill('SIGTERM')
    await worker.exit

    const stored = await everything(database)
    // So that a scan that sees nothing does not pass.
    expect(stored).toContain('anonymous:')
    expect(stored).not.toContain(ERIN)
    if (backend === 'redis') {
      const inRedis = await everythingInRedis(world.redis?.adminUrl ?? '')
      expect(inRedis).toContain('dingtalk-delivery')
      expect(inRedis).not.toContain(ERIN)
    }
    expect(worker.stdout() + worker.stderr()).toContain('task ended')
    for (const said of [worker, { stdout: () => erased.stdout, stderr: () => again.stdout + again.stderr }])
      expect(said.stdout() + said.stderr()).not.toContain(ERIN)
  })
})

/** Two tasks that are tracked, and one that will be; in all of them DingTalk lists two people, who read when the test says so. */
async function sendThree({ server, databaseUrl }: World): Promise<{ readAll: () => void; taskIds: readonly [string, string, string] }> {
  const taskIds = ['256271667526', '256271667527', '256271667528'] as const
  const now = Date.now()
  const put = (readAt: number | null): void => {
    const people = [ERIN, 'ann'].map((userId) => ({ userId, fate: 'delivered' as const, listedAt: now, readAt }))
    for (const taskId of taskIds) server.add({ taskId, agentId: AGENT, sentAt: now, windowMs: DAY_MS, people })
  }
  put(null)
  const tracker = createTracker({ databaseUrl })
  // The second names nobody: whom DingTalk lists is all that is known.
  await tracker.track({ taskId: taskIds[0], userIds: [ERIN, 'ann'], campaign: 'one', sentAt: new Date(now) })
  await tracker.track({ taskId: taskIds[1], campaign: 'one', sentAt: new Date(now) })
  await tracker.close()
  return { taskIds, readAll: () => put(Date.now()) }
}

async function campaignOf(database: pg.Client): Promise<unknown> {
  return (await database.query('SELECT targeted FROM delivery_campaign_rates')).rows
}

describe('what may be asked', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createTestDatabase({ migrated: true })
  })
  afterAll(() => database.drop())

  test.each([
    [['erase'], "required option '--user <id>' not specified"],
    [['erase', '--user', ''], 'Accepted: a user id of 1 to 256 characters'],
    [['erase', '--user', ERIN, '--bogus'], "unknown option '--bogus'"],
  ])('wrong usage is exit code 2: %j', async (args, says) => {
    const { code, stdout, stderr } = await runCommand(args, { env: { DATABASE_URL: database.url } })
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(says)
  })

  test('a queue that cannot be reached is said, without the id', async () => {
    const { code, stdout, stderr } = await runCommand(['erase', '--user', ERIN], {
      env: { DATABASE_URL: database.url, QUEUE_URL: 'redis://127.0.0.1:1' },
    })
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^error: The queue did not do its part.*\n$/)
    expect(stderr).not.toContain(ERIN)
  })
})
