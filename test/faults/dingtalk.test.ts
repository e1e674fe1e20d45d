import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import type { Fault } from '../support/api-page-server.ts'
import { until } from '../support/wait.ts'
import type { World } from '../support/world.ts'
import { faultTests, withDatabase } from './support/scenario.ts'
import { busiestSecond, firstOf } from './support/workers.ts'

const CAP = 40

const PASSING: readonly Fault[] = [
  'http500',
  'html',
  'truncated',
  'reset',
  'throttle',
  'unknownCode',
  'empty',
  'badToken',
  'wrongType',
  'redirect',
  'huge',
  'gzipBomb',
  'drip',
  'silence',
]

faultTests([
  {
    fault: 'F21',
    when: 'DingTalk misbehaves in every third answer, in fourteen ways',
    onlyLong: true,
    env: { MAX_CALLS_PER_SECOND: String(CAP) },
    // An answer that drips is waited for until 15 s are over, and the final poll may be such a one.
    mayBeBlind: true,
    recoversWithinMs: null,
    async strike(world) {
      let asked = 0
      world.server.faults = () => (++asked % 3 === 0 ? (PASSING[(asked / 3) % PASSING.length] ?? null) : null)
      await sleep(20_000)
      world.server.faults = () => null
    },
    async afterwards(world) {
      expect(busiestSecond(world.server), 'calls in a second, at the server').toBeLessThanOrEqual(CAP * 1.25)
      expect(firstOf(world.workers).stderr()).not.toMatch(/uncaughtException|unhandledRejection/)
    },
  },
  {
    fault: 'F21',
    when: 'the app lacks a permission for 5 s',
    onlyLong: true,
    // Polls that were under way when the app was paused, and refused ones that a probe repeats.
    extraCalls: 40,
    async strike(world) {
      world.server.faults = () => 'permission'
      await until(async () => (await pauseOf(world)) === 'permission', { what: 'the app is paused' })
      const before = world.server.arrivals.length
      await sleep(5_000)
      // One probe at a time, ever more seldom.
      expect(world.server.arrivals.length - before, 'calls while it is paused').toBeLessThan(40)
      world.server.faults = () => null
    },
  },
  {
    fault: 'F21',
    when: "the organisation's monthly quota is used up",
    onlyLong: true,
    recoversWithinMs: null,
    mayBeBlind: true,
    async strike(world) {
      world.server.faults = () => 'quota'
      await until(async () => (await pauseOf(world)) === 'quota', { what: 'the app is paused' })
      await sleep(500)
      const before = world.server.arrivals.length
      await sleep(3_000)
      // A probe an hour, and the final poll of a task that is over meanwhile.
      expect(world.server.arrivals.length - before, 'calls while there is no quota').toBeLessThanOrEqual(5)
    },
    async afterwards(_world, { rows }) {
      const ended = [...rows.values()].filter(({ status }) => status === 'expired' || status === 'stopped')
      expect(ended.length).toBeGreaterThan(0)
      for (const { reason_code } of ended)
        expect(reason_code).toBeOneOf(['blind_before_deadline', 'never_observed', 'window_over', 'quota'])
      // Whether its own final poll was refused or its polls were delayed: it says that the quota was used up.
      expect(
        ended.some(({ reason_code, reason_detail }) => reason_code === 'quota' || JSON.stringify(reason_detail).includes('"quota"')),
      ).toBe(true)
    },
  },
  {
    fault: 'F22',
    when: 'the token expires during fifty concurrent polls',
    tasks: 50,
    // A poll that had the dead token is repeated in the same poll, and both calls are counted. Jobs whose locks ran out while the worker stood
    // still are taken a second time; of their two answers one comes too late.
    extraCalls: 50,
    async strike(world) {
      const worker = firstOf(world.workers)
      worker.kill('SIGSTOP')
      // Meanwhile the polls of all tasks come due.
      await sleep(3_500)
      const tokenCalls = world.server.tokenCalls
      world.server.revokeToken()
      worker.kill('SIGCONT')
      await until(() => world.server.tokenCalls > tokenCalls, { what: 'a token is fetched' })
      await sleep(2_000)
      expect(world.server.tokenCalls - tokenCalls, 'token calls').toBe(1)
    },
    async afterwards(world) {
      const failed = await withDatabase(world, (client) =>
        client.query("SELECT outcome, code FROM delivery_poll WHERE outcome NOT IN ('observed', 'task')"),
      )
      expect(failed.rows, 'polls that failed, but for the ones that came after the deadline').toEqual([])
    },
  },
])

function pauseOf(world: World): Promise<string | null> {
  return withDatabase(world, async (client) => {
    const { rows } = await client.query<{ pause_code: string | null }>('SELECT pause_code FROM delivery_app')
    return rows[0]?.pause_code ?? null
  })
}
