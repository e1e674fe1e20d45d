import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { atSabotage, type Sabotage } from '../support/world.ts'
import { REDIS_CRASHES } from './scenarios/queue.ts'
import { brokenPromises, type FaultScenario, type Run, runScenario } from './support/scenario.ts'

/**
 * The controls: each takes a protection away and shows that the test of it then fails. Run by `npm run test:faults`; needs the npm registry for
 * another release of BullMQ.
 */

function without(scenario: FaultScenario, backend: Run['backend'], sabotage: Sabotage): Run {
  return { ...scenario, backend, seed: 1, env: atSabotage(sabotage) }
}

describe.concurrent('the test of a fault fails', () => {
  test.concurrent('F1 with BullMQ 6.1.2, which does not come back when Redis was down', { timeout: 300_000 }, async ({
    onTestFinished,
  }) => {
    const folder = await anotherBullmq('6.1.2')
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const run = without(REDIS_CRASHES, 'redis', { packages: { bullmq: folder } })
    expect(brokenPromises(run, await runScenario(run, onTestFinished))).not.toEqual([])
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
