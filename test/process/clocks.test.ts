import { expect, test } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { checkTruth } from '../support/oracle.ts'
import type { NodeProcess } from '../support/process.ts'
import { until } from '../support/wait.ts'
import { backends, makeWorld, pageOf, preloaded, type World } from '../support/world.ts'

const DAY = { timeScale: 4320, pollsPerTask: 12 }
const DAY_MS = 86_400_000 / DAY.timeScale
const TASKS = 8
const MINUTE_S = 60
const TIMEOUT = { timeout: DAY_MS + 120_000 }

/** Seconds by which the system clocks of the workers are ahead. The last one steps while it works. */
const STEP = { from: 45, to: -10 * MINUTE_S }
const AHEAD = { redis: [-10 * MINUTE_S, -45, 10 * MINUTE_S, STEP.from], postgres: [10 * MINUTE_S, STEP.from] } as const

test.concurrent.for(backends())(
  'on %s, workers whose clocks are wrong, or step back, store what is true',
  TIMEOUT,
  async (backend, { onTestFinished }) => {
    const world = await makeWorld(backend, DAY, onTestFinished)
    const steps = { STEP_MS: String(STEP.to * 1_000) }
    const start = (ahead: number) => {
      const shift = { SHIFT_MS: String(ahead * 1_000), ...(ahead === STEP.from && steps) }
      return world.start({ ...preloaded('shifted-clock.mjs'), LOG_LEVEL: 'debug', ...shift })
    }
    const workers = await Promise.all(AHEAD[backend].map(start))
    await trackSome(world)
    await until(() => world.server.goodAnswers.length >= TASKS, { what: 'some polls are made', timeoutMs: DAY_MS })
    workers.at(-1)?.kill('SIGUSR2')
    const ended = async () => (await checkTruth(world.databaseUrl, world.server)).size === TASKS
    await until(ended, { what: 'all tasks have ended as it was', timeoutMs: DAY_MS + 60_000, everyMs: 500 })

    for (const [i, worker] of workers.entries()) {
      const ahead = AHEAD[backend][i] ?? 0
      expect(linesOf(worker, "clock differs from the database's").map(inSeconds), 'told once').toEqual([ahead])
      const { text } = await pageOf(worker, '/metrics')
      const difference = Number(/^dingtalk_delivery_clock_difference_seconds (\S+)$/m.exec(text)?.[1])
      expect(difference).toBeCloseTo(ahead === STEP.from ? STEP.to : ahead, 0)
      expect(text).toContain('dingtalk_delivery_health_check_warning{check="clock"} 1\n')
    }
    const calls = [...world.server.calls.values()]
    expect(Math.max(...calls)).toBeLessThanOrEqual(DAY.pollsPerTask + 2)
    // Timers that ring early are put back, and do not go round and round until they are due.
    const early = workers.flatMap((worker) => linesOf(worker, 'timer fired early')).length
    expect(early).toBeLessThan(calls.reduce((sum, each) => sum + each, 0))
  },
)

function linesOf(worker: NodeProcess, words: string): string[] {
  return worker
    .stderr()
    .split('\n')
    .filter((line) => line.includes(words))
}

function inSeconds(line: string): number {
  const { differenceMs } = JSON.parse(line) as { readonly differenceMs: number }
  return Math.round(differenceMs / 1_000)
}

/** Of three people two read on the way, at times of their own in each task. */
async function trackSome({ server, databaseUrl }: World): Promise<void> {
  const now = Date.now()
  const tracker = createTracker({ databaseUrl })
  for (let n = 1; n <= TASKS; n++) {
    const taskId = String(9_000 + n)
    const people = [0.01 * n, 0.1 * n, null].map((share, i) => ({
      userId: `person-${i}`,
      fate: 'delivered' as const,
      listedAt: now,
      readAt: share === null ? null : now + DAY_MS * share,
    }))
    server.add({ taskId, agentId: '836390886', sentAt: now, windowMs: DAY_MS, people })
    await tracker.track({ taskId, userIds: people.map((each) => each.userId), sentAt: new Date(now) })
  }
  await tracker.close()
}
