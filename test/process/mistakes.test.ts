import { describe, expect, test } from 'vitest'
import { runCommand } from '../support/commands.ts'
import { until } from '../support/wait.ts'
import { backends, pageOf } from '../support/world.ts'
import { AGENT_ID, appsFile, type FaultyWorld, makeFaultyWorld, POLLS_PER_TASK } from './support/faulty-world.ts'

/** What people get wrong, and what DingTalk, databases and clocks do: each from outside, with workers as processes. */
const [backend = 'postgres' as const] = backends()
/** A day of four minutes: its first hours are ten seconds each. */
const SLOW_DAY = 360
const LIMIT = { timeout: 300_000 }

const sendAll = async (world: FaultyWorld, count: number, more: { readonly agentId?: string } = {}): Promise<string[]> => {
  const sentAt = new Date()
  const taskIds = Array.from({ length: count }, () => world.send({ sentAt }))
  for (const taskId of taskIds) await world.track({ taskId, userIds: ['0123'], sentAt, ...more })
  return taskIds
}

describe('agent ids', { concurrent: true }, () => {
  test.concurrent(
    'a mistyped DINGTALK_AGENT_ID stops nothing, costs little, and heals with the restart',
    LIMIT,
    async ({ onTestFinished }) => {
      const world = await makeFaultyWorld(backend, { timeScale: SLOW_DAY }, onTestFinished)
      const wrong = await world.start({ DINGTALK_AGENT_ID: '836390887' })
      const taskIds = await sendAll(world, 10)
      await until(
        async () => (await world.rows()).every(({ problem_code, delay_code }) => problem_code !== null || delay_code === 'paused'),
        {
          ...{ timeoutMs: 60_000, what: 'every task knows that it cannot be polled' },
        },
      )
      expect((await world.rows()).map(({ status }) => status)).toEqual(taskIds.map(() => 'tracking'))
      expect(world.simulator.stats().metered, 'one probe stands for all').toBeLessThanOrEqual(10 + 5)
      wrong.kill('SIGTERM')
      await wrong.exit
      await world.start()
      await until(async () => (await world.rows()).every(({ good_polls, problem_code }) => good_polls > 0 && problem_code === null), {
        ...{ timeoutMs: 60_000, what: 'every task was polled with the right agent id' },
      })
    },
  )

  test.concurrent('tracking a task again with the right agent id heals it, without a restart', LIMIT, async ({ onTestFinished }) => {
    const world = await makeFaultyWorld(backend, { timeScale: SLOW_DAY }, onTestFinished)
    await world.start()
    const [taskId = ''] = await sendAll(world, 1, { agentId: '999' })
    await world.untilRow(taskId, 'it was refused', ({ problem_code }) => problem_code === 'parameters')
    await world.track({ taskId, userIds: ['0123'], agentId: AGENT_ID })
    expect(await world.untilRow(taskId, 'it is polled', ({ good_polls }) => good_polls > 0)).toMatchObject({ problem_code: null })
  })
})

describe('stray and late answers', { concurrent: true }, () => {
  test.concurrent('three "Call timeout" do not stop a task of one named recipient', LIMIT, async ({ onTestFinished }) => {
    const world = await makeFaultyWorld(backend, { timeScale: SLOW_DAY }, onTestFinished)
    await world.start()
    const [taskId = ''] = await sendAll(world, 1)
    world.simulator.inject({ kind: 'code', code: 15, message: 'Call timeout', times: 3, match: { taskId } })
    expect(await world.untilRow(taskId, 'it is polled', ({ good_polls }) => good_polls > 0)).toMatchObject({ status: 'tracking' })
  })

  test.concurrent('远程服务调用超时 is an outage of the gateway', LIMIT, async ({ onTestFinished }) => {
    const world = await makeFaultyWorld(backend, { timeScale: SLOW_DAY }, onTestFinished)
    await world.start()
    world.simulator.inject({ kind: 'code', code: 15, subCode: 'isp.top-remote-connection-timeout', message: '远程服务调用超时' })
    const [taskId = ''] = await sendAll(world, 1)
    expect(await world.untilRow(taskId, 'it failed', ({ problem_code }) => problem_code !== null)).toMatchObject({ problem_code: 'outage' })
    world.simulator.clearFaults()
    await world.untilRow(taskId, 'it is polled', ({ good_polls }) => good_polls > 0)
  })
})

describe('several workers', { concurrent: true }, () => {
  test.concurrent('a worker that does not know the app leaves its tasks to one that does', LIMIT, async ({ onTestFinished }) => {
    const world = await makeFaultyWorld(backend, { timeScale: SLOW_DAY }, onTestFinished)
    const other = await appsFile([{ name: 'other', appKey: 'k', appSecret: 'other-secret', agentId: '1' }])
    await world.start({ DINGTALK_APPS_FILE: other, DINGTALK_APP_KEY: '', DINGTALK_APP_SECRET: '', DINGTALK_AGENT_ID: '' })
    const taskIds = await sendAll(world, 6)
    await until(async () => (await world.rows()).some(({ problem_code }) => problem_code === 'unknown_app'), {
      ...{ timeoutMs: 60_000, what: 'a task waits for a worker that knows its app' },
    })
    await world.start()
    await until(async () => (await world.rows()).every(({ good_polls, problem_code }) => good_polls > 0 && problem_code === null), {
      ...{ timeoutMs: 60_000, what: 'all are polled' },
    })
    expect(taskIds.every((taskId) => world.calls(taskId) > 0)).toBe(true)
  })
})

describe('what is stored and counted', { concurrent: true }, () => {
  test.concurrent(
    'a write that the database refuses: the answers are kept, no call is made, and /readyz says so',
    LIMIT,
    async ({ onTestFinished }) => {
      const world = await makeFaultyWorld(backend, { timeScale: SLOW_DAY }, onTestFinished)
      await world.sql('REVOKE INSERT ON delivery_poll FROM delivery_worker')
      const worker = await world.start()
      const taskIds = await sendAll(world, 5)
      await until(async () => (await pageOf(worker, '/readyz')).text.includes('refused what polls brought'), {
        timeoutMs: 60_000,
        what: '/readyz is red',
      })
      const page = await pageOf(worker, '/readyz')
      expect(page.status).toBe(503)
      const before = world.simulator.stats().metered
      expect(before).toBeLessThanOrEqual(2)
      // Several planned polls are due meanwhile.
      await until(async () => ((await pageOf(worker, '/readyz')).text.match(/for (\d+) s/)?.[1] ?? '0') >= '5', {
        timeoutMs: 60_000,
        what: 'some time has passed',
      })
      expect(world.simulator.stats().metered).toBe(before)
      await world.sql('GRANT INSERT ON delivery_poll TO delivery_worker')
      await until(async () => (await world.rows()).filter(({ good_polls }) => good_polls > 0).length === taskIds.length, {
        ...{ timeoutMs: 90_000, what: 'the answers are stored and the others polled' },
      })
      await until(async () => (await pageOf(worker, '/readyz')).status === 200, { timeoutMs: 60_000, what: '/readyz is green' })
      expect((await world.rows()).reduce((sum, { calls }) => sum + calls, 0)).toBe(world.simulator.stats().metered)
    },
  )

  test.concurrent('calls that are not made are not counted: no token is to be had', LIMIT, async ({ onTestFinished }) => {
    const world = await makeFaultyWorld(backend, { timeScale: SLOW_DAY, env: { MONTHLY_CALL_BUDGET: '100' } }, onTestFinished)
    world.simulator.inject({ kind: 'http-status', status: 503, match: { endpoint: 'accessToken' } })
    await world.start()
    const taskIds = await sendAll(world, 5)
    await until(
      async () => (await world.rows()).every(({ problem_code, delay_code }) => problem_code === 'outage' || delay_code === 'paused'),
      {
        ...{ timeoutMs: 60_000, what: 'every task knows of the outage' },
      },
    )
    const used = (): Promise<Array<{ calls_used: number }>> => world.sql('SELECT calls_used FROM delivery_app_usage')
    expect([await used(), world.simulator.stats().metered]).toEqual([[{ calls_used: 0 }], 0])
    world.simulator.clearFaults()
    await until(async () => (await world.rows()).every(({ good_polls }) => good_polls > 0), { timeoutMs: 90_000, what: 'all are polled' })
    await until(async () => (await used())[0]?.calls_used === world.simulator.stats().metered, { what: 'calls counted are calls received' })
    expect(taskIds.every((taskId) => world.calls(taskId) > 0)).toBe(true)
  })
})

describe('limits', { concurrent: true }, () => {
  test.concurrent('a used-up quota is probed, and resume goes on at once when calls were bought', LIMIT, async ({ onTestFinished }) => {
    const world = await makeFaultyWorld(backend, { timeScale: SLOW_DAY, simulator: { monthlyQuota: 1_000 } }, onTestFinished)
    world.simulator.setQuota({ left: 0 })
    await world.start()
    await sendAll(world, 6)
    await until(async () => (await world.sql("SELECT FROM delivery_app_usage WHERE pause_code = 'quota'")).length === 1, {
      timeoutMs: 60_000,
      what: 'the app is paused',
    })
    expect((await world.rows()).every(({ status }) => status === 'tracking')).toBe(true)
    world.simulator.setQuota({ bought: 1_000 })
    const resumed = await runCommand(['resume', '--app', 'default'], { env: { DATABASE_URL: world.databaseUrl } })
    expect(resumed).toMatchObject({ code: 0 })
    await until(async () => (await world.rows()).every(({ good_polls }) => good_polls > 0), { timeoutMs: 60_000, what: 'all are polled' })
  })
  test.concurrent("the database's clock steps back ten minutes: calls go on", LIMIT, async ({ onTestFinished }) => {
    const world = await makeFaultyWorld(backend, { timeScale: SLOW_DAY }, onTestFinished)
    await world.start()
    const [first = ''] = await sendAll(world, 1)
    await world.untilRow(first, 'it is polled', ({ good_polls }) => good_polls > 0)
    // What the row looks like after such a step.
    await world.sql("UPDATE delivery_app SET next_call_at = clock_timestamp() + interval '10 minutes'")
    const [second = ''] = await sendAll(world, 1)
    expect(await world.untilRow(second, 'it is polled', ({ good_polls }) => good_polls > 0)).toMatchObject({ status: 'tracking' })
  })
})

describe('what a token endpoint answers', { concurrent: true }, () => {
  test.concurrent.for([
    ['Forbidden.AccessDenied.IpNotInWhiteList', 'ip_not_allowed', 'accessToken'],
    ['Forbidden.AccessDenied.QpsLimitForAppkeyAndApi', 'rate_limit', 'accessToken'],
    ['Forbidden.AccessDenied.QpsLimitForApi', 'rate_limit', 'accessToken'],
    ['Forbidden.AccessDenied.ApiCountLimitForOrg', 'quota', 'accessToken'],
    ['InvalidAction.NotFound', 'wrong_path', 'accessToken'],
    ['InvalidAuthentication', 'token_refused', 'accessToken'],
    ['41020', 'agent_id', 'getsendresult'],
    ['60011', 'permission', 'getsendresult'],
  ] as const)('%s means %s', LIMIT, async ([code, problem, endpoint], { onTestFinished }) => {
    const world = await makeFaultyWorld(backend, { timeScale: SLOW_DAY }, onTestFinished)
    world.simulator.inject({ kind: 'code', code, match: { endpoint } })
    await world.start()
    const [taskId = ''] = await sendAll(world, 1)
    const isIt = `coalesce(problem_code, delay_detail ->> 'problem') = '${problem}'`
    await until(async () => (await world.sql(`SELECT FROM delivery_task_rates WHERE ${isIt}`)).length === 1, {
      timeoutMs: 60_000,
      what: `the problem is ${problem}`,
    })
    expect(await world.row(taskId)).toMatchObject({ status: 'tracking' })
    expect(world.calls(taskId)).toBeLessThanOrEqual(POLLS_PER_TASK)
  })
})
