import { beforeAll, describe, expect, test } from 'vitest'
import { backends } from '../support/world.ts'
import { appsFile, type FaultyWorld, MAX_CALLS, makeFaultyWorld, type TaskRow } from './support/faulty-world.ts'

/**
 * What is seen at the end of a day. One day of three minutes for all cases, each in an app of its own, so that none can touch another.
 * The last polls have then more than half a second before the deadline.
 */
const TIME_SCALE = 480
const HOUR_MS = 3_600_000 / TIME_SCALE
const [backend = 'postgres' as const] = backends()

const APPS = {
  wrongAgent: { agentId: '1001' },
  noAgent: { agentId: null },
  stray: { agentId: '1003' },
  late: { agentId: '1004' },
  assumed: { agentId: '1005' },
  forgotten: { agentId: '1006' },
  unknownEnd: { agentId: '1007' },
  reserve: { agentId: '1008', monthlyCallBudget: 22 },
  failing: { agentId: '1009' },
  quota: { agentId: '1010' },
  permission: { agentId: '1011' },
  tooMany: { agentId: '1012' },
} as const
type AppName = keyof typeof APPS

const NO_AGENT_OF_THE_APP = '1002'
const LATE_HOURS = 15
const A_QUARTER = 0.25

interface Day {
  readonly world: FaultyWorld
  readonly rows: ReadonlyMap<string, TaskRow>
  readonly tasks: Readonly<Record<string, readonly string[]>>
  readonly sentAt: Date
}

let day: Day

const rowsOf = (name: string): TaskRow[] => (day.tasks[name] ?? []).map((taskId) => day.rows.get(taskId)).filter((row) => row !== undefined)
const rowOf = (name: string): TaskRow => {
  const [row] = rowsOf(name)
  if (row === undefined) throw new Error(`no row of ${name}`)
  return row
}
const callsOf = (name: string): number[] => (day.tasks[name] ?? []).map((taskId) => day.world.calls(taskId))

beforeAll(
  async () => {
    const closers: Array<() => Promise<void>> = []
    const names = Object.keys(APPS)
    const path = await appsFile(
      Object.entries(APPS).map(([name, { agentId, ...more }]) => ({
        name,
        appKey: name,
        appSecret: `secret-of-${name}`,
        ...(agentId && { agentId }),
        ...more,
      })),
    )
    const world = await makeFaultyWorld(
      backend,
      {
        timeScale: TIME_SCALE,
        simulator: {
          apps: names.map((name, i) => ({ appKey: name, appSecret: `secret-of-${name}`, agentId: String(1_001 + i) })),
          wrongAgentCode: 41_011,
        },
        env: { DINGTALK_APPS_FILE: path, DINGTALK_APP_KEY: '', DINGTALK_APP_SECRET: '', DINGTALK_AGENT_ID: '' },
      },
      (close) => void closers.unshift(close),
    )
    const worker = await world.start()
    const tasks: Record<string, readonly string[]> = {}
    const sentAt = new Date()
    const { simulator } = world

    /** Tasks that the simulator has; who reads does so in this hour after the send, nobody where it is null. */
    const send = (name: string, app: AppName, count: number, sent = sentAt): readonly string[] => {
      const taskIds = Array.from({ length: count }, () => world.send({ appKey: app, sentAt: sent }))
      tasks[name] = taskIds
      return taskIds
    }
    const track = async (app: AppName, taskIds: readonly string[], more: object = { sentAt }): Promise<void> => {
      for (const taskId of taskIds) await world.track({ app, taskId, userIds: ['0123'], ...more })
    }

    // 8. All at one moment: with the budget of 22 calls every task has its own reserve, two are kept for retries, and none has an ordinary poll.
    const reserve = send('reserve', 'reserve', 20)
    simulator.inject({ kind: 'http-status', status: 500, match: { taskId: reserve[0] ?? '' } })
    await world.track(...reserve.map((taskId) => ({ app: 'reserve' as const, taskId, userIds: ['0123'], sentAt })))
    // 1
    await track('wrongAgent', send('beside a wrong agent id', 'wrongAgent', 12))
    await track('wrongAgent', send('wrong agent id', 'wrongAgent', 1), { sentAt, agentId: '999' })
    await track('noAgent', send('beside no agent id', 'noAgent', 12), { sentAt, agentId: NO_AGENT_OF_THE_APP })
    await track('noAgent', send('no agent id', 'noAgent', 1))
    // 4, 6
    const [stray = ''] = send('stray', 'stray', 1)
    simulator.inject({ kind: 'code', code: 40_035, times: 1, fromHour: 3, match: { taskId: stray } })
    await track('stray', [stray])
    const [late = ''] = send('late', 'late', 1)
    simulator.inject({ kind: 'slow', delayMs: 1_500, decided: 'on-answer', fromHour: 23.75, match: { taskId: late } })
    await track('late', [late])
    // 5
    await track('assumed', send('a quarter of an hour late', 'assumed', 8, new Date(sentAt.getTime() - A_QUARTER * HOUR_MS)), {})
    for (const app of ['forgotten', 'unknownEnd'] as const) {
      const { taskId } = simulator.createTask({
        ...{ appKey: app, sentAt: sentAt.getTime() - LATE_HOURS * HOUR_MS },
        recipients: [
          { userId: '0123', readAfterMs: 3_600_000 },
          { userId: '0456', fate: 'never' },
        ],
      })
      tasks[app] = [taskId]
      if (app === 'unknownEnd') simulator.inject({ kind: 'code', code: 99_999, fromHour: 24, match: { taskId } })
      await world.track({ app, taskId })
    }
    // 8 (cap), 10, and an app without the permission all day
    simulator.inject({ kind: 'http-status', status: 502, match: { appKey: 'failing', endpoint: 'getsendresult' } })
    await track('failing', send('failing', 'failing', 1))
    simulator.inject({
      kind: 'code',
      code: 90_020,
      form: 'wrapped',
      fromHour: 2,
      toHour: 23.5,
      match: { appKey: 'quota', endpoint: 'getsendresult' },
    })
    await track('quota', send('quota', 'quota', 6))
    simulator.inject({ kind: 'code', code: 60_011, form: 'wrapped', match: { appKey: 'permission', endpoint: 'getsendresult' } })
    await track('permission', send('permission', 'permission', 8))
    // 3: nobody was named, and other tasks of the app succeed.
    const [large = ''] = send('too many', 'tooMany', 1)
    simulator.inject({ kind: 'code', code: 50, message: '调用超时', match: { taskId: large } })
    await world.track({ app: 'tooMany', taskId: large, sentAt })
    const [named = ''] = send('named', 'tooMany', 1)
    simulator.inject({ kind: 'code', code: 50, message: 'Call timeout', match: { taskId: named } })
    await track('tooMany', [named])
    await track('tooMany', send('beside a call timeout', 'tooMany', 2))

    day = { world, tasks, sentAt, rows: new Map((await world.allEnded()).map((row) => [row.task_id, row])) }
    worker.kill('SIGTERM')
    return async () => {
      for (const close of closers) await close()
    }
  },
  86_400_000 / TIME_SCALE + 180_000,
)

const isWhole = (row: TaskRow): boolean => row.status === 'expired' && row.reason_code === 'window_over'

describe('agent ids', () => {
  test('one task with a wrong agent id of its own costs five calls, and twelve healthy ones lose nothing', () => {
    expect(rowsOf('beside a wrong agent id').filter((row) => !isWhole(row) || row.good_polls !== row.polls)).toEqual([])
    expect(rowOf('wrong agent id')).toMatchObject({
      ...{ status: 'stopped', reason_code: 'agent_id', reason_detail: { said: '41011', agentId: '999', scope: 'pair' } },
    })
    expect(callsOf('wrong agent id')[0]).toBeLessThanOrEqual(5)
  })

  test('one task without an agent id in an app that has none costs no call, and the others use their own', () => {
    expect(rowsOf('beside no agent id').filter((row) => !isWhole(row))).toEqual([])
    expect(rowOf('no agent id')).toMatchObject({ status: 'expired', reason_code: 'never_observed', calls: 0, polls: 0 })
    expect(rowOf('no agent id').reason_detail).toMatchObject({ because: { problem: { code: 'no_agent_id' } } })
  })

  test('an app without the permission is probed by one task for all, and says so at the end', () => {
    expect(rowsOf('permission').map(({ status, reason_code }) => `${status} ${reason_code}`)).toEqual(Array(8).fill('stopped permission'))
    // Two that agree, a probe after a minute, a quarter of an hour, an hour and then every four, and the final poll of each.
    expect(callsOf('permission').reduce((sum, calls) => sum + calls, 0)).toBeLessThanOrEqual(2 + 10 + 8 + 6)
  })
})

describe('stray and late answers', () => {
  test('one stray 40035 in hour 3 costs no task its day', () => {
    expect(day.world.simulator.taskCalls(rowOf('stray').task_id).byCode['40035']).toBe(1)
    expect(rowOf('stray')).toMatchObject({ status: 'expired', reason_code: 'window_over' })
  })

  test("an answer after the end of DingTalk's window leaves an observed task expired", () => {
    expect(rowOf('late')).toMatchObject({ status: 'expired' })
    expect(rowOf('late').good_polls).toBeGreaterThan(0)
  })

  test('"Call timeout" all day: probably too many recipients only where nobody was named and other tasks succeeded', () => {
    expect(rowOf('too many')).toMatchObject({ status: 'stopped', reason_code: 'probably_too_many_recipients' })
    expect(rowOf('named')).toMatchObject({ status: 'expired', reason_code: 'never_observed' })
    expect(callsOf('too many')[0]).toBeLessThanOrEqual(5)
    expect(rowsOf('beside a call timeout').filter((row) => !isWhole(row))).toEqual([])
  })
})

describe('a send time that was not given', () => {
  test('15 minutes late: the last successful poll is minutes before DingTalk forgets', () => {
    const end = day.sentAt.getTime() + (24 - A_QUARTER) * HOUR_MS
    const blindHours = rowsOf('a quarter of an hour late').map(
      ({ last_observed_at }) => (end - (last_observed_at?.getTime() ?? 0)) / HOUR_MS,
    )
    // By the plan some ten minutes; a busy machine makes polls late. A plan that ignores the end is four hours off.
    expect(Math.max(...blindHours)).toBeLessThan(1.5)
  })

  test.for(['forgotten', 'unknownEnd'] as const)('15 hours late (%s): ended as closed early, with what it tells about the send', (name) => {
    const row = rowOf(name)
    expect(row).toMatchObject({ status: 'expired', reason_code: 'window_closed_early', sent_at_given: false })
    const sentAt = day.sentAt.getTime() - LATE_HOURS * HOUR_MS
    expect(new Date(String(row.reason_detail?.['sentAfter'])).getTime()).toBeLessThanOrEqual(sentAt + 100)
    expect(new Date(String(row.reason_detail?.['sentBefore'])).getTime()).toBeGreaterThanOrEqual(sentAt - 100)
    expect(callsOf(name)[0]).toBeLessThanOrEqual(MAX_CALLS)
  })

  test('an assumed send time is no lower bound of a bracket', async () => {
    const taskId = rowOf('forgotten').task_id
    const people = await day.world.sql<{ read_after: Date | null }>(
      "SELECT read_after FROM delivery_recipient_status WHERE task_id = $1 AND state = 'read'",
      [taskId],
    )
    expect(people).toEqual([{ read_after: null }])
    const changes = await day.world.sql("SELECT after_at FROM delivery_state_changes WHERE task_id = $1 AND to_state = 'read'", [taskId])
    expect(changes).toEqual([{ after_at: null }])
  })
})

describe('calls', () => {
  test('a final poll that fails takes one call of the reserve and those for retries: every other task has its own', () => {
    const [failing, ...others] = callsOf('reserve')
    expect(failing).toBeGreaterThan(0)
    expect(failing).toBeLessThanOrEqual(3)
    expect(others).toEqual(Array(19).fill(1))
    expect(rowsOf('reserve').filter(isWhole).length).toBe(19)
  })

  test('a task that fails all day costs no more than its cap', () => {
    expect(callsOf('failing')[0]).toBeGreaterThan(3)
    expect(callsOf('failing')[0]).toBeLessThanOrEqual(MAX_CALLS)
    expect(rowOf('failing')).toMatchObject({ status: 'expired', reason_code: 'never_observed', calls: callsOf('failing')[0] })
  })

  test('a quota that is used up until the last hour costs no task its final poll', () => {
    expect(rowsOf('quota').filter((row) => !isWhole(row))).toEqual([])
  })

  test('calls that are counted are those that DingTalk counts, and each is counted for its task', async () => {
    const used = await day.world.sql<{ app: string; calls_used: number }>('SELECT app, calls_used FROM delivery_app_usage')
    const { byApp } = day.world.simulator.stats()
    const wrong = used.filter(({ app, calls_used }) => app !== 'quota' && calls_used !== (byApp[app]?.calls ?? 0))
    expect(wrong.map((each) => ({ ...each, received: byApp[each.app]?.calls }))).toEqual([])
    // An answer that arrives after the task was ended is stored nowhere.
    const others = [...day.rows.values()].filter(({ app }) => app !== 'late')
    expect(others.filter(({ task_id, calls }) => calls !== day.world.calls(task_id))).toEqual([])
  })
})
