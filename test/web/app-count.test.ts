import { expect, test } from 'vitest'
import { MINUTE_MS } from '../../src/domain/delivery.ts'
import { TrackerError } from '../../src/domain/errors.ts'
import type { AppUsage } from '../../src/report/rates.ts'
import { createAppCount } from '../../src/web/dashboard/app-count.ts'
import { until } from '../support/wait.ts'

const anApp = (app: string): AppUsage => ({
  ...{ app, openTasks: 0, tasksWithProblem: 0, tasksDelayed: 0, callsUsed: 0, month: '2026-11', pairs: [], workerProblems: [] },
  ...{ pauseKind: null, pauseReason: null, pauseCode: null, pauseDetail: null, pauseSince: null, pausedUntil: null, lastGoodAt: null },
})

/** A database with these apps, or one that fails; and a clock that is set. */
function aWorld(first: readonly string[] | Error) {
  const world = { apps: first, nowMs: 0, reads: 0 }
  const severalApps = createAppCount(
    {
      apps: async () => {
        world.reads += 1
        if (world.apps instanceof Error) throw world.apps
        return world.apps.map(anApp)
      },
    },
    () => new Date(world.nowMs),
  )
  return { world, severalApps }
}

test('one read stands for all pages of ten minutes, and is renewed beside a page', async () => {
  const { world, severalApps } = aWorld(['default'])
  expect(await Promise.all([severalApps(), severalApps(), severalApps()])).toEqual([false, false, false])
  expect(world.reads).toBe(1)
  world.apps = ['default', 'hr']
  world.nowMs = 9 * MINUTE_MS
  expect([await severalApps(), world.reads]).toEqual([false, 1])
  world.nowMs = 11 * MINUTE_MS
  expect([await severalApps(), world.reads]).toEqual([false, 2])
  await until(severalApps, { what: 'the second app is known' })
  expect(world.reads).toBe(2)
})

test('no app is one app, and where it may not be read there may be several', async () => {
  expect(await aWorld([]).severalApps()).toBe(false)
  expect(await aWorld(new TrackerError('NOT_PERMITTED', 'no right')).severalApps()).toBe(true)
})

test('without a database the page fails as it would by itself, and a known answer stays', async () => {
  const away = new TrackerError('DATABASE_UNAVAILABLE', 'away')
  await expect(aWorld(away).severalApps()).rejects.toBe(away)
  const { world, severalApps } = aWorld(['a', 'b'])
  expect(await severalApps()).toBe(true)
  world.apps = away
  world.nowMs = 60 * MINUTE_MS
  expect(await severalApps()).toBe(true)
})
