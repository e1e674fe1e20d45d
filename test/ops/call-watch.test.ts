import { expect, test } from 'vitest'
import type { CallForecast } from '../../src/domain/schedule/call-forecast.ts'
import { createCallWatch } from '../../src/ops/call-watch.ts'
import { createLogger } from '../../src/ops/logger.ts'
import { aForecast } from '../support/call-forecast.ts'

const HOUR_MS = 3_600_000

/** A watch, the lines that it logged since the last time, and its clock. */
function aWatch() {
  const lines: string[] = []
  let now = 0
  let forecasts: readonly CallForecast[] = []
  const log = createLogger({ level: 'info', pretty: false, destination: { write: (line) => void lines.push(line) } })
  const look = createCallWatch({ read: async () => forecasts, log, monotonicMs: () => now })
  return {
    async after(hours: number, ...changes: ReadonlyArray<Partial<CallForecast>>): Promise<unknown[]> {
      now += hours * HOUR_MS
      forecasts = changes.map(aForecast)
      lines.length = 0
      await look()
      return lines.map((line): unknown => JSON.parse(line))
    },
  }
}

test('calls that last are nothing to log', async () => {
  expect(await aWatch().after(0, {})).toEqual([])
})

test('a part of the budget is logged when it is used, once a month, with what it means', async () => {
  const watch = aWatch()
  const used = { used: 3_100, left: 900, usedShare: 0.775 }
  expect(await watch.after(0, used)).toEqual([
    expect.objectContaining({
      ...{ level: 'info', msg: "75 % of the month's calls are used", app: 'hr', month: '2026-11', budget: 4_000, used: 3_100 },
      ...{ usedUpAt: null, tasksAdmittable: 2_724, tasksExpected: 60 },
    }),
  ])
  expect(await watch.after(30, used)).toEqual([])
  expect(await watch.after(1, { usedShare: 0.93 })).toEqual([expect.objectContaining({ msg: "90 % of the month's calls are used" })])
  expect(await watch.after(1, { usedShare: 1 })).toEqual([expect.objectContaining({ msg: "100 % of the month's calls are used" })])
  expect(await watch.after(1, { month: '2026-12', usedShare: 0.1 })).toEqual([])
  expect(await watch.after(1, { month: '2026-12', usedShare: 0.8 })).toHaveLength(1)
})

test('a warning is logged when it begins, when it becomes another one, and once a day while it lasts', async () => {
  const watch = aWatch()
  const early = { warning: 'used_up_early', usedUpAt: new Date('2026-11-24T08:00:00Z') } as const
  expect(await watch.after(0, early)).toEqual([
    expect.objectContaining({
      level: 'warn',
      warning: 'used_up_early',
      usedUpAt: '2026-11-24T08:00:00.000Z',
      msg: expect.stringContaining('MONTHLY_CALL_BUDGET'),
    }),
  ])
  expect(await watch.after(23, early)).toEqual([])
  expect(await watch.after(1, early)).toHaveLength(1)
  expect(await watch.after(1, { warning: 'tasks_refused', tasksRefused: 3 })).toEqual([
    expect.objectContaining({ warning: 'tasks_refused', tasksRefused: 3, msg: expect.stringContaining('resume the app') }),
  ])
  expect(await watch.after(1, {})).toEqual([])
  expect(await watch.after(1, { warning: 'tasks_refused', tasksRefused: 1 })).toHaveLength(1)
})

test('each app has its own', async () => {
  const watch = aWatch()
  expect(await watch.after(0, { warning: 'none_left' }, { app: 'it', warning: 'none_left' })).toHaveLength(2)
  expect(await watch.after(1, { warning: 'none_left' }, { app: 'it', warning: 'tasks_beyond' })).toEqual([
    expect.objectContaining({ app: 'it', warning: 'tasks_beyond' }),
  ])
})
