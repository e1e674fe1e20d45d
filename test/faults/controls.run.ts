import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createTestDatabase } from '../support/postgres.ts'
import { atSabotage, type Sabotage } from '../support/world.ts'
import { WORKER_WAKES_FROM_THE_DEAD, WORKERS_ARE_KILLED } from './scenarios/processes.ts'
import { REDIS_CRASHES } from './scenarios/queue.ts'
import { brokenPromises, type FaultScenario, QUIET, type Run, runScenario } from './support/scenario.ts'
import { writeAtOnce } from './support/writers.ts'

/**
 * The controls: each takes a protection away and shows that the test of it then fails. Run by `npm run test:faults`; needs the npm registry for
 * another release of BullMQ.
 */

/** BullMQ gives a job up that stalled more than once in its life, and the reconciler, which would notice, sleeps. */
const GIVES_UP: Sabotage = {
  edits: [
    { file: 'queue/workarounds.js', from: 'MAX_STALLED_COUNT = 2 ** 31 - 1', to: 'MAX_STALLED_COUNT = 1' },
    { file: 'app/settings.js', from: 'reconcileEveryMs: scaled(60_000, 500)', to: 'reconcileEveryMs: 600_000' },
  ],
}

/** A poll is written to whatever is there, as the next one, like the naive `poll_no = poll_no + 1`. */
const NO_FENCE: Sabotage = {
  edits: [
    { file: 'store/write-polls.js', from: "task.poll_no = poll.expected AND task.status = 'tracking'", to: 'true' },
    { file: 'store/write-polls.js', from: 'SELECT task.id, poll.*', to: 'SELECT task.id, task.poll_no AS found, poll.*' },
    { file: 'store/write-polls.js', from: 'poll_no = fenced.expected + 1', to: 'poll_no = fenced.found + 1' },
    { file: 'store/write-polls.js', from: 'id, expected + 1', to: 'id, found + 1' },
  ],
}

const NO_ORDER: Sabotage = {
  edits: [
    { file: 'store/write-polls.js', from: 'plans.toSorted((a, b) => byKey(a.key, b.key))', to: '[...plans]' },
    { file: 'store/delivery-store.js', from: 'given.toSorted((a, b) => byKey(a.key, b.key))', to: '[...given]' },
  ],
}

function without(scenario: FaultScenario, backend: Run['backend'], sabotage: Sabotage): Run {
  return { ...scenario, backend, seed: 1, env: { ...scenario.env, ...atSabotage(sabotage) } }
}

describe.concurrent('the test of a fault fails', () => {
  test.concurrent('F1 with BullMQ 6.1.2, which does not come back when Redis was down', { timeout: 300_000 }, async ({
    onTestFinished,
  }) => {
    const folder = await anotherBullmq('6.1.2')
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const run = without(REDIS_CRASHES, 'redis', { packages: { bullmq: folder } })
    // Whether it comes back depends on what it was doing when Redis crashed.
    const broken = [1, 2, 3, 4].map(async (seed) => brokenPromises(run, await runScenario({ ...run, seed }, onTestFinished), QUIET))
    expect((await Promise.all(broken)).flat()).not.toEqual([])
  })

  test.concurrent('F9 where BullMQ gives up a job that stalled twice', { timeout: 300_000 }, async ({ onTestFinished }) => {
    // The more polls die with each worker, the more of them twice.
    const run = without({ ...WORKERS_ARE_KILLED, env: { WORKER_CONCURRENCY: '50' } }, 'postgres', GIVES_UP)
    expect(brokenPromises(run, await runScenario(run, onTestFinished), QUIET)).not.toEqual([])
  })

  test.concurrent('F10 where a write does not say what it expected', { timeout: 300_000 }, async ({ onTestFinished }) => {
    const run = without(WORKER_WAKES_FROM_THE_DEAD, 'postgres', NO_FENCE)
    await expect(runScenario(run, onTestFinished)).rejects.toThrow(/rows that contradict each other/)
  })

  test.concurrent('F19 where tasks are written in the order in which they come', { timeout: 300_000 }, async ({ onTestFinished }) => {
    const database = await createTestDatabase({ migrated: true })
    onTestFinished(() => database.drop())
    // Whether two writers cross is chance: of ten times once they do not.
    let deadlocks = 0
    for (let i = 0; i < 5 && deadlocks === 0; i++) ({ deadlocks } = await writeAtOnce(database.url, atSabotage(NO_ORDER)))
    expect(deadlocks).toBeGreaterThan(0)
  })
})

/** @returns a folder in whose node_modules it is */
async function anotherBullmq(version: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'another-bullmq-'))
  await writeFile(join(folder, 'package.json'), '{ "private": true }')
  const { status, stderr } = spawnSync(
    'npm',
    ['install', '--no-audit', '--no-fund', '--ignore-scripts', `bullmq@${version}`, 'ioredis@6.0.0', 'pg@8.23.1'],
    {
      cwd: folder,
      encoding: 'utf8',
    },
  )
  if (status !== 0) throw new Error(`bullmq ${version} could not be installed: ${stderr}`)
  return folder
}
