import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { checkTruth } from '../support/oracle.ts'
import { until } from '../support/wait.ts'
import { backends, makeWorld, pageOf, preloaded, type World } from '../support/world.ts'

const DAY = { timeScale: 2880, pollsPerTask: 24 }
const DAY_MS = 86_400_000 / DAY.timeScale
const TASK_ID = '256271667526'
const PATIENCE = { timeoutMs: DAY_MS + 60_000 }
const TIMEOUT = { timeout: DAY_MS + 100_000 }

describe.concurrent('a worker', () => {
  const [backend = 'postgres'] = backends()

  test.concurrent('that stops taking polls without a word is not ready, and ends', TIMEOUT, async ({ onTestFinished }) => {
    const world = await makeWorld(backend, DAY, onTestFinished)
    const wedged = await world.start(preloaded('from-inside.mjs'))
    await trackOne(world)
    await until(() => world.server.goodAnswers.length > 0, { ...PATIENCE, what: 'a poll is made' })
    await until(async () => (await pageOf(wedged, '/readyz')).status === 200, { ...PATIENCE, what: 'it is well' })
    wedged.kill('SIGUSR2')
    const red = await until(() => pageOf(wedged, '/readyz').then((page) => page.status === 503 && page), { ...PATIENCE, what: 'it is red' })
    expect(checksIn(red.text)).toContainEqual({
      name: 'consumption',
      ok: false,
      detail: expect.stringMatching(/^1 polls are overdue, .* this worker makes none/),
      remedy: expect.stringMatching(/^Restart this worker\./),
    })
    expect((await wedged.exit).code).toBe(1)
    expect(wedged.stderr()).toContain('this worker takes no more polls, and ends to be started again')
    await world.start()
    await isTrueAtLast(world)
  })

  test.concurrent('that is blocked for longer than its locks changes nothing, and says so', TIMEOUT, async ({ onTestFinished }) => {
    const world = await makeWorld(backend, DAY, onTestFinished)
    const directory = await mkdtemp(join(tmpdir(), 'dingtalk-delivery-blocked-'))
    onTestFinished(() => rm(directory, { recursive: true, force: true }))
    const released = join(directory, 'released')
    const blocked = await world.start({ ...preloaded('from-inside.mjs'), BLOCKED_UNTIL: released })
    const asked = new Promise<void>((resolve) => {
      world.server.beforeAnswer = async () => {
        world.server.beforeAnswer = async () => {}
        blocked.kill('SIGUSR2')
        resolve()
      }
    })
    await trackOne(world)
    await asked
    const answers = world.server.goodAnswers.length
    const other = await world.start()
    await until(() => world.server.goodAnswers.length > answers + 1, { ...PATIENCE, what: 'the other worker has polled' })
    // Of two writes the first one is stored: the late one must be that of the blocked worker.
    await until(() => hasPoll(world.databaseUrl), { ...PATIENCE, what: 'its poll is stored' })
    await writeFile(released, '')
    await until(() => blocked.stderr().includes('poll came too late'), { ...PATIENCE, what: 'the late write is refused' })
    const isCounted = async () => /locks_lost_total\{kind="lost"\} [1-9]/.test((await pageOf(blocked, '/metrics')).text)
    await until(isCounted, { ...PATIENCE, what: 'it is counted' })
    const { text } = await pageOf(blocked, '/readyz')
    for (const name of ['event loop', 'locks']) expect(checksIn(text)).toContainEqual(expect.objectContaining({ name, warning: true }))
    expect((await pageOf(other, '/metrics')).text).toMatch(/locks_lost_total\{kind="found"\} [1-9]/)
    await isTrueAtLast(world)
  })
})

function checksIn(text: string): readonly unknown[] {
  return (JSON.parse(text) as { readonly checks: readonly unknown[] }).checks
}

async function hasPoll(databaseUrl: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    return ((await client.query('SELECT FROM delivery_poll')).rowCount ?? 0) > 0
  } finally {
    await client.end()
  }
}

async function isTrueAtLast({ databaseUrl, server }: World): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  const ended = async () => (await client.query("SELECT FROM delivery_task WHERE status <> 'tracking'")).rowCount === 1
  try {
    await until(ended, { ...PATIENCE, what: 'the task has ended' })
  } finally {
    await client.end()
  }
  await checkTruth(databaseUrl, server)
}

/** One reads early, the other late, so that the task is open until then. */
async function trackOne({ server, databaseUrl }: World): Promise<void> {
  const now = Date.now()
  const person = (userId: string, share: number) => ({ userId, fate: 'delivered' as const, listedAt: now, readAt: now + DAY_MS * share })
  const people = [person('ann', 0.05), person('bob', 0.8)]
  server.add({ taskId: TASK_ID, agentId: '836390886', sentAt: now, windowMs: DAY_MS, people })
  const tracker = createTracker({ databaseUrl })
  await tracker.track({ taskId: TASK_ID, userIds: people.map((each) => each.userId), sentAt: new Date(now) })
  await tracker.close()
}
