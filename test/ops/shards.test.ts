import { expect, test } from 'vitest'
import { parseConfig } from '../../src/app/config/config.ts'
import { erasePersonEverywhere } from '../../src/app/operations.ts'
import { aForeignQueue } from '../queue/support.ts'
import { query } from '../support/postgres.ts'
import { describeRedis } from '../support/redis.ts'
import { until } from '../support/wait.ts'
import { APPS, aShardedWorld, trackOneEach, untilPolled } from './sharded-world.ts'
import { diagnose } from './support.ts'

/** A day is two minutes, so that no deadline comes near. */
const DAY = { timeScale: 720, pollsPerTask: 60 }

describeRedis('workers with another number of queues', () => {
  test('go on with open tasks: from one queue to three and back, each poll is stored and none is made twice', async () => {
    const world = await aShardedWorld(DAY)
    const first = await world.start(1)
    await trackOneEach(world, 1)
    await until(async () => (await world.polls()).size === APPS.length, { what: 'all are tracked' })
    await untilPolled(world, 1)
    await first.close()
    const second = await world.start(3)
    await untilPolled(world, 2)
    await second.close()
    const third = await world.start(1)
    await untilPolled(world, 2)
    expect((await third.health()).checks.filter(({ name, ok }) => !ok && name.startsWith('queue'))).toEqual([])
    await third.close()
    const calls = [...world.server.calls.values()].reduce((a, b) => a + b, 0)
    const [row] = await query(world.database.url, 'SELECT count(*)::int AS polls FROM delivery_poll')
    expect(row?.['polls']).toBe(calls)
  })

  test('erasure finds a person in every queue, doctor and metrics count the refused jobs of all', async () => {
    const world = await aShardedWorld(DAY)
    const { queueUrl: url, queueName: name } = world.queue
    const names = [name, `${name}-0`, `${name}-1`, `${name}-5`]
    // A worker would take them.
    for (const [i, each] of names.entries())
      await aForeignQueue({ url, name: each, prefix: 'bull' }).add('track', { taskId: String(i + 1), userIds: ['erin'] })
    const config = parseConfig({ DATABASE_URL: world.database.url, QUEUE_URL: url, QUEUE_NAME: name, QUEUE_SHARDS: '2' })
    if (config.queue === null) throw new Error('it has a queue')
    expect(await erasePersonEverywhere(world.database.url, config.queue, { userId: 'erin', app: null })).toMatchObject({ jobs: 4 })
    for (const each of names) await aForeignQueue({ url, name: each, prefix: 'bull' }).add('track', { taskId: 'none' })
    const worker = await world.start(2)
    await until(async () => /^dingtalk_delivery_refused_jobs 4$/m.test(await worker.metrics()), { what: 'all are refused and counted' })
    const findings = await diagnose(config)
    expect(findings.find((finding) => finding.name === 'refused jobs')?.detail).toMatch(/^3 jobs were refused/)
    expect(findings.find((finding) => finding.name === 'queues')?.detail).toContain(`left behind, with jobs: ${name}-5`)
  })
})
