import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { TaskKey } from '../../src/domain/delivery.ts'
import { PROBLEM_CODES, PROBLEM_RULES, type ProblemCode } from '../../src/domain/problems.ts'
import type { Delay, WorkerRegistry } from '../../src/polling/ports.ts'
import { createRateLimiter } from '../../src/store/rate-limiter.ts'
import { createWorkerRegistry } from '../../src/store/worker-registry.ts'
import { openTestStore, type TestStore } from './support/database.ts'
import { aPause, appRow, inMs, pairRow } from './support/evidence.ts'
import { aDelay, adoptAll, aProblem, aTask, aTaskProblem, loaded, lookAt, minutesLater } from './support/polls.ts'

let db: TestStore
let registry: WorkerRegistry
beforeAll(async () => {
  db = await openTestStore({ role: 'worker' })
  registry = createWorkerRegistry(db)
})
afterAll(() => db.close())
afterEach(async () => {
  for (const table of ['delivery_task', 'delivery_worker', 'delivery_app', 'delivery_pair']) await db.pool.query(`DELETE FROM ${table}`)
})

const STARTED = minutesLater(0)
const LONG_MS = 60_000
/** Over when it is written. */
const OVER_MS = -1

const aWorker = (workerId: string, apps: readonly string[], problems: Parameters<WorkerRegistry['heartbeat']>[0]['problems'] = {}) => ({
  ...{ workerId, startedAt: STARTED, apps, problems },
})
const REFUSED = { ...aProblem('credentials'), since: STARTED.toISOString() }

const workers = async () => (await db.pool.query<{ worker_id: string }>('SELECT * FROM delivery_worker_status ORDER BY worker_id')).rows

describe('an app is served by others', () => {
  test('where another running worker has it and no problem with it', async () => {
    await registry.heartbeat(aWorker('mine', ['hr', 'sales']), LONG_MS)
    expect(await registry.isServedByOthers('mine', 'hr')).toBe(false)
    await registry.heartbeat(aWorker('other', ['hr'], {}), LONG_MS)
    expect(await registry.isServedByOthers('mine', 'hr')).toBe(true)
    expect(await registry.isServedByOthers('mine', 'sales')).toBe(false)
    expect(await registry.isServedByOthers('mine', 'unknown')).toBe(false)
    expect(await registry.isServedByOthers('other', 'sales')).toBe(true)
  })

  test('no longer when that worker cannot poll it either, and again when it can', async () => {
    await registry.heartbeat(aWorker('other', ['hr', 'sales'], { hr: REFUSED }), LONG_MS)
    expect(await registry.isServedByOthers('mine', 'hr')).toBe(false)
    expect(await registry.isServedByOthers('mine', 'sales')).toBe(true)
    await registry.heartbeat(aWorker('other', ['hr', 'sales'], {}), LONG_MS)
    expect(await registry.isServedByOthers('mine', 'hr')).toBe(true)
  })

  test('no longer when that worker has been silent for too long, or is gone', async () => {
    await registry.heartbeat(aWorker('silent', ['hr']), OVER_MS)
    expect(await registry.isServedByOthers('mine', 'hr')).toBe(false)
    await registry.heartbeat(aWorker('silent', ['hr']), LONG_MS)
    expect(await registry.isServedByOthers('mine', 'hr')).toBe(true)
    await registry.remove('silent')
    expect(await registry.isServedByOthers('mine', 'hr')).toBe(false)
  })

  test('of many that serve it one is enough', async () => {
    await registry.heartbeat(aWorker('a', ['hr'], { hr: REFUSED }), LONG_MS)
    await registry.heartbeat(aWorker('b', ['hr']), OVER_MS)
    await registry.heartbeat(aWorker('c', ['hr']), LONG_MS)
    expect(await registry.isServedByOthers('a', 'hr')).toBe(true)
  })
})

describe('the registry', () => {
  test('shows each worker with its apps and its problems', async () => {
    await registry.heartbeat(aWorker('w', ['hr'], { hr: REFUSED }), LONG_MS)
    expect(await workers()).toEqual([
      {
        ...{ worker_id: 'w', started_at: STARTED, seen_at: expect.any(Date), is_alive: true, apps: ['hr'], problems: { hr: REFUSED } },
      },
    ])
  })

  test('forgets a worker an hour after it was last to be expected, and no sooner', async () => {
    await registry.heartbeat(aWorker('long ago', ['hr']), -3_600_000 - 1)
    await registry.heartbeat(aWorker('just now', ['hr']), OVER_MS)
    await registry.heartbeat(aWorker('mine', ['hr']), LONG_MS)
    expect((await workers()).map(({ worker_id }) => worker_id)).toEqual(['just now', 'mine'])
  })

  test('has a worker that was silent for hours back when it says that it runs', async () => {
    await registry.heartbeat(aWorker('mine', ['hr']), -7_200_000)
    await registry.heartbeat(aWorker('mine', ['hr']), LONG_MS)
    expect(await workers()).toMatchObject([{ worker_id: 'mine', is_alive: true }])
  })
})

const FAR = minutesLater(1_200)

/** A planned task, whose next poll is far away, for this reason. */
async function aWaitingTask(fields: Partial<Delay>, { agentId = null, app = 'hr' }: { agentId?: string | null; app?: string } = {}) {
  const { key } = await aTask(db.store, { app, agentId, userIds: ['ann'] })
  await adoptAll(db.store)
  await db.store.delay(key, { pollNo: 0 }, aDelay(FAR, { reason: null, ...fields }))
  return key
}

const withProblem = (code: ProblemCode, agentId: string | null = null): Partial<Delay> => ({ problem: aTaskProblem(code, { agentId }) })

function pausedBy(scope: 'pair' | 'app' | 'worker', problem: ProblemCode, agentId: string | null = null): Partial<Delay> {
  const { scope: _, ...detail } = aProblem(problem, { agentId }).detail
  return { reason: { code: 'paused', detail: { ...detail, scope, problem, until: FAR.toISOString() } } }
}

async function resumed(): Promise<string[]> {
  const { rows } = await db.pool.query<{ task_id: string }>('SELECT task_id FROM delivery_task WHERE resumed ORDER BY id')
  return rows.map((row) => row.task_id)
}

const idsOf = (keys: readonly TaskKey[]): string[] => keys.map(({ taskId }) => taskId)

const OF_WORKERS = PROBLEM_CODES.filter((code) => PROBLEM_RULES[code].scope === 'worker')
const REPAIRABLE = PROBLEM_CODES.filter((code) => PROBLEM_RULES[code].outcome === 'configuration' || code === 'parameters')

describe('a worker that can poll an app again', () => {
  test.each(OF_WORKERS)('brings forward what waited for one that can (%s), and nothing else', async (code) => {
    const waiting = [await aWaitingTask(pausedBy('worker', code)), await aWaitingTask(withProblem(code))]
    await aWaitingTask({})
    await aWaitingTask(pausedBy('app', 'permission'))
    await aWaitingTask(withProblem('parameters'))
    await aWaitingTask(pausedBy('worker', code), { app: 'sales' })
    await registry.resumeWaiting('hr')
    expect(await resumed()).toEqual(idsOf(waiting))
  })
})

describe('a worker that starts, perhaps with a repaired configuration', () => {
  const start = (agentId: string | null = '100') => registry.probeRepaired([{ name: 'hr', agentId }])

  test.each(REPAIRABLE.filter((code) => !OF_WORKERS.includes(code)))(
    'probes with one task of those that were refused (%s) with the agent id that it has itself',
    async (code) => {
      const tasks = [1, 2, 3].map(() => aWaitingTask(withProblem(code, '100')))
      const keys = await Promise.all(tasks)
      await start('100')
      expect(await resumed()).toHaveLength(1)
      expect(idsOf(keys)).toContain((await resumed())[0])
    },
  )

  test('probes with a task that was good before, then with the one whose deadline is nearest', async () => {
    const [first, nearest, good] = [
      await aWaitingTask(withProblem('permission', '100')),
      await aWaitingTask(withProblem('permission', '100')),
      await aWaitingTask({}),
    ]
    await db.pool.query("UPDATE delivery_task SET deadline_at = deadline_at - interval '1 hour' WHERE task_id = $1", [nearest.taskId])
    await start()
    expect(await resumed()).toEqual([nearest.taskId])
    await adoptAll(db.store)
    await lookAt(db.store, good, { unread: ['ann'] }, 5)
    await db.store.delay(good, { pollNo: 1 }, aDelay(FAR, withProblem('permission', '100')))
    await start()
    expect(await resumed()).toEqual([good.taskId])
    expect(idsOf([first])).not.toEqual(await resumed())
  })

  test('probes each problem with a task of its own, and each agent id that tasks bring themselves', async () => {
    const own = [await aWaitingTask(withProblem('agent_id', '666'), { agentId: '666' })]
    await aWaitingTask(withProblem('agent_id', '666'), { agentId: '666' })
    own.push(await aWaitingTask(withProblem('agent_id', '667'), { agentId: '667' }))
    own.push(await aWaitingTask(withProblem('permission', '100')))
    await start()
    expect((await resumed()).sort()).toEqual(idsOf(own).sort())
  })

  test.each(REPAIRABLE)('polls all tasks that were refused (%s) with another agent id than the one that it has now', async (code) => {
    const repaired = [await aWaitingTask(withProblem(code, '666')), await aWaitingTask(withProblem(code, '666'))]
    await aWaitingTask(withProblem('outage', '666'))
    await start('100')
    expect(await resumed()).toEqual(idsOf(repaired))
    // What a worker could not do says nothing about the task, so there is nothing to be forgiven.
    const polls = OF_WORKERS.includes(code) ? 1 : 0
    for (const key of repaired) expect((await loaded(db.store, key)).problem).toMatchObject({ code, polls })
  })

  test('polls all tasks for which it had no agent id, once it has one', async () => {
    const waiting = [await aWaitingTask(withProblem('no_agent_id')), await aWaitingTask(withProblem('no_agent_id'))]
    await start(null)
    expect(await resumed()).toHaveLength(1)
    await adoptAll(db.store)
    for (const key of waiting) await db.store.delay(key, { pollNo: 0 }, aDelay(FAR, { reason: null, ...withProblem('no_agent_id') }))
    await start('100')
    expect(await resumed()).toEqual(idsOf(waiting))
  })

  test('polls all tasks that a paused pair with another agent id delayed', async () => {
    const waiting = [await aWaitingTask(pausedBy('pair', 'parameters', '666')), await aWaitingTask(pausedBy('pair', 'agent_id', '666'))]
    await start('100')
    expect(await resumed()).toEqual(idsOf(waiting))
  })

  test('polls all tasks that waited for a worker', async () => {
    const waiting = [await aWaitingTask(pausedBy('worker', 'credentials')), await aWaitingTask(withProblem('ip_not_allowed', '100'))]
    await start()
    expect(await resumed()).toEqual(idsOf(waiting))
  })

  test('leaves alone what no configuration repairs, tasks that ended, and other apps', async () => {
    for (const code of PROBLEM_CODES.filter((each) => !REPAIRABLE.includes(each))) await aWaitingTask(withProblem(code, '666'))
    await aWaitingTask(pausedBy('app', 'quota'))
    await aWaitingTask({ reason: { code: 'calls_used_up', detail: { calls: 27 } } })
    await aWaitingTask({})
    await aWaitingTask(withProblem('agent_id', '666'), { app: 'sales' })
    await db.store.cancel(await aWaitingTask(withProblem('agent_id', '666')))
    await start()
    expect(await resumed()).toEqual([])
  })

  test('has the probes of paused scopes due at once, and those of a limit when they are due', async () => {
    const gate = createRateLimiter(db)
    const until = inMs(3_600_000)
    for (const [app, code] of [
      ['hr', 'permission'],
      ['limited', 'quota'],
      ['other', 'permission'],
    ] as const) {
      await gate.recordFailure({ app, taskId: '1' }, null, aPause(code, { until }))
    }
    await gate.recordFailure({ app: 'hr', taskId: '1' }, '100', aPause('agent_id', { until }))
    await registry.probeRepaired([
      { name: 'hr', agentId: '100' },
      { name: 'limited', agentId: null },
    ])
    const now = new Date()
    expect((await appRow(db, 'hr'))?.paused_until?.getTime()).toBeLessThanOrEqual(now.getTime())
    expect(await appRow(db, 'hr')).toMatchObject({ pause_code: 'permission', probing: false })
    expect((await pairRow(db, 'hr', '100'))?.paused_until?.getTime()).toBeLessThanOrEqual(now.getTime())
    for (const app of ['limited', 'other']) expect(await appRow(db, app)).toMatchObject({ paused_until: until })
  })
})
