import { expect, test } from 'vitest'
import type { FaultInput } from '../../src/simulator/simulator.ts'
import { backends } from '../support/world.ts'
import { appsFile, type FaultyWorld, MAX_CALLS, makeFaultyWorld, POLLS_PER_TASK, type TaskRow } from './support/faulty-world.ts'

/**
 * For each scope a day with the fault from hour 0, 3, 12 or 23.5 on, each in an app of its own, with healthy tasks beside it. The fault is repaired
 * one and a half hours later, or in time for the final poll.
 */
const TIME_SCALE = 600
/** A task that the wrong worker takes twice in its last minutes is handed over twice: a final poll has a second or two here. */
const HANDOVER_TIME_SCALE = 300
const HOURS = [0, 3, 12, 23.5] as const
const HEALTHY = 4
const [backend = 'postgres' as const] = backends()

/** The app `default` of the other suites is not there. */
const NO_DEFAULT_APP = { DINGTALK_APP_KEY: '', DINGTALK_APP_SECRET: '', DINGTALK_AGENT_ID: '' }

const repairHour = (hour: number): number => Math.min(hour + 1.5, 23.7)
const appOf = (scope: string, hour: number): string => `${scope}-${String(hour).replace('.', '_')}`

interface Scope {
  readonly scope: string
  /** Tasks beside the faulty one are in the same app. */
  readonly isShared: boolean
  fault(app: string, taskId: string): FaultInput
}

const SCOPES: readonly Scope[] = [
  { scope: 'answer', isShared: true, fault: (_, taskId) => ({ kind: 'code', code: 99_999, match: { taskId } }) },
  { scope: 'task', isShared: true, fault: (_, taskId) => ({ kind: 'code', code: 40_035, match: { taskId } }) },
  { scope: 'pair', isShared: true, fault: (_, taskId) => ({ kind: 'code', code: 41_011, match: { taskId } }) },
  {
    scope: 'app',
    isShared: false,
    fault: (app) => ({ kind: 'code', code: 60_011, form: 'wrapped', match: { appKey: app, endpoint: 'getsendresult' } }),
  },
  {
    scope: 'outage',
    isShared: false,
    fault: (app) => ({ kind: 'http-status', status: 503, match: { appKey: app, endpoint: 'getsendresult' } }),
  },
]

test.concurrent('a fault of a scope costs nothing outside it, costs no more than the cap inside it, and heals', {
  timeout: 86_400_000 / TIME_SCALE + 120_000,
}, async ({ onTestFinished }) => {
  const names = SCOPES.flatMap(({ scope }) => HOURS.map((hour) => appOf(scope, hour)))
  const world = await makeFaultyWorld(
    backend,
    {
      timeScale: TIME_SCALE,
      simulator: { apps: names.map((name, i) => ({ appKey: name, appSecret: `secret-of-${name}`, agentId: String(1_000 + i) })) },
      env: {
        DINGTALK_APPS_FILE: await appsFile(
          names.map((name, i) => ({ name, appKey: name, appSecret: `secret-of-${name}`, agentId: String(1_000 + i) })),
        ),
        ...NO_DEFAULT_APP,
      },
    },
    onTestFinished,
  )
  const sentAt = new Date()
  const healthy: string[] = []
  const faulty: string[] = []
  for (const { scope, isShared, fault } of SCOPES) {
    for (const hour of HOURS) {
      const app = appOf(scope, hour)
      const taskIds = Array.from({ length: HEALTHY + 1 }, () => world.send({ appKey: app, sentAt, readAfterHours: null }))
      const [bad = '', ...others] = taskIds
      faulty.push(bad, ...(isShared ? [] : others))
      if (isShared) healthy.push(...others)
      world.simulator.inject({ ...fault(app, bad), fromHour: hour, toHour: repairHour(hour) })
      for (const taskId of taskIds) await world.track({ app, taskId, userIds: ['0123'], sentAt })
    }
  }
  await world.start()
  const rows = new Map((await world.allEnded()).map((row) => [row.task_id, row]))

  expect(healthy.flatMap((taskId) => lossesOf(world, rows.get(taskId)))).toEqual([])
  expect(faulty.flatMap((taskId) => wrongsOf(world, rows.get(taskId)))).toEqual([])
  expect(await miscounted(world)).toEqual([])
})

/** What a healthy task lost. Every poll was planned, succeeded, and the last of them was the final one. */
function lossesOf(world: FaultyWorld, row: TaskRow | undefined): string[] {
  if (row === undefined) return ['a task is missing']
  const said = `${row.app} ${row.task_id}: ${row.status} ${row.reason_code} ${row.good_polls}/${row.polls} ${row.calls} calls counted, ${world.calls(row.task_id)} made`
  const isWhole = row.status === 'expired' && row.reason_code === 'window_over' && row.good_polls === row.polls
  return isWhole && world.calls(row.task_id) === row.calls && row.calls <= POLLS_PER_TASK ? [] : [said]
}

/** A faulty one healed: its final poll succeeded, and it cost no more than the cap. */
function wrongsOf(world: FaultyWorld, row: TaskRow | undefined): string[] {
  if (row === undefined) return ['a task is missing']
  const said = `${row.app} ${row.task_id}: ${row.status} ${row.reason_code} ${row.good_polls}/${row.polls} ${world.calls(row.task_id)} calls`
  const isHealed = row.status === 'expired' && row.reason_code === 'window_over' && row.problem_code === null
  return isHealed && world.calls(row.task_id) <= MAX_CALLS ? [] : [said]
}

/** Calls that are counted are those that were received. */
async function miscounted(world: FaultyWorld): Promise<unknown[]> {
  const used = await world.sql<{ app: string; calls_used: number }>('SELECT app, calls_used FROM delivery_app_usage ORDER BY app')
  const { byApp } = world.simulator.stats()
  return used
    .filter(({ app, calls_used }) => byApp[app]?.calls !== calls_used)
    .map((each) => ({ ...each, received: byApp[each.app]?.calls }))
}

test.concurrent('a worker that cannot poll an app leaves its tasks to others, from whatever hour on: no task loses a poll', {
  timeout: 86_400_000 / HANDOVER_TIME_SCALE + 120_000,
}, async ({ onTestFinished }) => {
  const world = await makeFaultyWorld(backend, { timeScale: HANDOVER_TIME_SCALE }, onTestFinished)
  const refused = `${world.simulator.url}/via/refused`
  await Promise.all([
    world.start(),
    world.start({ DINGTALK_OAPI_URL: refused, DINGTALK_API_URL: refused }),
    // Another one has an old secret all day.
    world.start({ DINGTALK_APP_SECRET: 'CANARY-old-secret-0001' }),
  ])
  const sentAt = new Date()
  const taskIds = Array.from({ length: 20 }, () => world.send({ sentAt, readAfterHours: null }))
  // One worker's way out is refused in the first hours of the day and again in the last ones.
  const fault = { kind: 'code', code: 60_020, form: 'wrapped', match: { via: 'refused' } } as const
  world.simulator.inject({ ...fault, toHour: 3 })
  world.simulator.inject({ ...fault, fromHour: 20 })
  for (const taskId of taskIds) await world.track({ taskId, userIds: ['0123'], sentAt })
  const rows = await world.allEnded()
  const lost = rows.filter(({ reason_code, good_polls }) => reason_code !== 'window_over' || good_polls < POLLS_PER_TASK / 2)
  expect(lost.map(({ task_id, reason_code, good_polls }) => ({ task_id, reason_code, good_polls }))).toEqual([])
  expect(rows.every(({ task_id }) => world.calls(task_id) <= MAX_CALLS)).toBe(true)
})
