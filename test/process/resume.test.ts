import { expect, test } from 'vitest'
import { runCommand } from '../support/commands.ts'
import { backends } from '../support/world.ts'
import { AGENT_ID, makeFaultyWorld } from './support/faulty-world.ts'

test.concurrent.for(backends())(
  'a task that waits for a probe is polled within seconds after resume, on %s',
  { timeout: 300_000 },
  async (backend, { onTestFinished }) => {
    const world = await makeFaultyWorld(backend, { timeScale: 60 }, onTestFinished)
    await world.start()
    const sentAt = new Date()
    const taskId = world.send({ sentAt })
    world.simulator.inject({ kind: 'code', code: 400_002, message: 'invalid', match: { taskId } })
    await world.track({ taskId, userIds: ['0123'], agentId: AGENT_ID, sentAt })
    await world.untilRow(taskId, 'it was refused', ({ problem_code }) => problem_code === 'parameters')
    world.simulator.clearFaults()
    // Longer than the test may take: without resume there is no poll.
    await world.sql("UPDATE delivery_task SET next_poll_at = clock_timestamp() + interval '20 minutes'")
    const resumed = await runCommand(['resume', taskId], { env: { DATABASE_URL: world.databaseUrl } })
    expect(resumed).toMatchObject({ code: 0, stdout: 'resumed; it is polled now\n' })
    expect(await world.untilRow(taskId, 'it is polled', ({ good_polls }) => good_polls > 0)).toMatchObject({ problem_code: null })
  },
)
