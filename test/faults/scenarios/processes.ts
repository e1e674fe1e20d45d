import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import type { NodeProcess } from '../../support/process.ts'
import { until } from '../../support/wait.ts'
import { atFailPoint, type World } from '../../support/world.ts'
import { probesOf } from '../support/health.ts'
import { withQueue } from '../support/queue.ts'
import { type FaultScenario, theWorker, withDatabase } from '../support/scenario.ts'

const KILLS = 25

export const KILLED_AGAIN_AND_AGAIN: FaultScenario = {
  fault: 'F9',
  when: `workers are killed ${KILLS} times`,
  manySeeds: true,
  day: { timeScale: 1440, pollsPerTask: 8 },
  tasks: 300,
  begin: (world) => Promise.all([world.start(), world.start(), world.start()]),
  async strike(world, chance) {
    const alive = [...world.workers]
    for (let kill = 0; kill < KILLS; kill++) {
      await sleep(chance.between(200, 1_800, `pause ${kill}`))
      const victim = Math.floor(chance.between(0, alive.length, `victim ${kill}`))
      alive[victim]?.kill('SIGKILL')
      alive[victim] = world.launch()
    }
    // The last one that was started is at work.
    await alive.at(-1)?.waitForLine(/worker ready/, 60_000)
  },
}

export const WAKES_FROM_THE_DEAD: FaultScenario = {
  fault: 'F10',
  when: 'a worker is stopped in a look for longer than its lock, and goes on',
  async strike(world) {
    const sleeper = theWorker(world)
    await stoppedInALook(world, sleeper)
    const looks = await looksOf(world)
    await world.start()
    await until(async () => (await looksOf(world)) > looks + world.server.tasks.size, {
      timeoutMs: 30_000,
      what: 'the other one has made its looks',
    })
    sleeper.kill('SIGCONT')
    await until(() => sleeper.stderr().includes('look came too late'), { timeoutMs: 20_000, what: 'the late write is refused' })
  },
}

const SPIN_MS = 6_000

export const PROCESS_FAULTS: readonly FaultScenario[] = [
  KILLED_AGAIN_AND_AGAIN,
  WAKES_FROM_THE_DEAD,
  {
    fault: 'F11',
    when: 'the event loop of a worker is blocked for longer than its lock',
    begin: (world) => Promise.all([world.start(atFailPoint('look.answered', `spin:${SPIN_MS}`, 10)), world.start()]),
    async strike(world) {
      const probes = await probesOf(theWorker(world))
      const longestMs = async (): Promise<number> =>
        1_000 * Number(/^nodejs_eventloop_lag_max_seconds (\S+)/m.exec(await probes.metrics())?.[1])
      await until(async () => (await longestMs()) > SPIN_MS / 2, { timeoutMs: 30_000, everyMs: 100, what: 'a metric shows it' })
    },
  },
  {
    fault: 'F12',
    when: 'a worker is told to stop in a look',
    async strike(world) {
      const worker = theWorker(world)
      await inALook(world)
      worker.kill('SIGTERM')
      expect((await worker.exit).code, 'exit code after SIGTERM').toBe(0)
      expect(await jobsInHand(world), 'jobs that it left in its hands').toBe(0)
      const hasty = await world.start()
      await inALook(world, 2_000)
      hasty.kill('SIGTERM')
      await hasty.waitForLine(/stopping/)
      hasty.kill('SIGTERM')
      expect((await hasty.exit).code, 'exit code after a second SIGTERM').toBe(143)
      await world.start()
    },
  },
  {
    fault: 'F13',
    when: 'a worker is told to stop while its servers do not answer',
    env: { SHUTDOWN_GRACE_SECONDS: '3' },
    async strike(world) {
      const worker = theWorker(world)
      await Promise.all([world.toDatabase.mode('blackhole'), world.toQueue.mode('blackhole')])
      const told = performance.now()
      worker.kill('SIGTERM')
      const { code } = await worker.exit
      expect(performance.now() - told, 'ms to its end, with a grace of 3 s and a second more').toBeLessThan(4_000 * 2)
      expect(code).not.toBeNull()
      await Promise.all([world.toDatabase.mode('pass'), world.toQueue.mode('pass')])
      await world.start()
    },
  },
]

/** DingTalk is being asked, and the answer is held back. */
function inALook({ server }: World, holdMs = 300): Promise<void> {
  return new Promise((resolve) => {
    server.beforeAnswer = async () => {
      server.beforeAnswer = async () => {}
      resolve()
      await sleep(holdMs)
    }
  })
}

async function stoppedInALook({ server }: World, worker: NodeProcess): Promise<void> {
  await new Promise<void>((resolve) => {
    server.beforeAnswer = async () => {
      server.beforeAnswer = async () => {}
      worker.kill('SIGSTOP')
      resolve()
    }
  })
}

function looksOf(world: World): Promise<number> {
  return withDatabase(world, async (client) => {
    const { rows } = await client.query<{ looks: number }>('SELECT coalesce(sum(poll_no), 0)::int AS looks FROM delivery_task')
    return rows[0]?.looks ?? 0
  })
}

function jobsInHand({ queueUrl }: World): Promise<number> {
  return withQueue(queueUrl, (queue) => queue.getActiveCount())
}
