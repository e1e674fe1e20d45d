import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TaskKey } from '../../src/domain/delivery.ts'
import type { ScopeFailure } from '../../src/domain/plan-failed.ts'
import { PROBLEM_CODES, PROBLEM_RULES, type ProblemCode } from '../../src/domain/problems.ts'
import type { RateLimiter, ScopeEvidence } from '../../src/polling/ports.ts'
import { createRateLimiter } from '../../src/store/rate-limiter.ts'
import { openTestStore, type TestStore } from './support/database.ts'
import { aPause, appRow, aReport, inMs, letProbesBeDue, pairRow, type ScopeRow } from './support/evidence.ts'
import { aDelay, adoptAll, aProblem, aTask, aTaskProblem, lookAt, minutesLater } from './support/polls.ts'

/** What failed polls say about an app, or an app with one agent id, on PostgreSQL: when it is paused, and what lifts the pause. */

let db: TestStore
let gate: RateLimiter & ScopeEvidence
beforeAll(async () => {
  db = await openTestStore({ role: 'worker', max: 20 })
  gate = createRateLimiter(db, { agentIdOf: () => DEFAULT_AGENT })
})
afterAll(() => db.close())

const DEFAULT_AGENT = '100'
const FAST = { callsPerSecond: 1_000, monthlyBudget: null }
const ONE_CALL = { ordinary: 1, reserved: 0, forced: 0 }
const HOUR = 3_600_000
/** Times of requests, within the window of the tests' tasks. */
const at = minutesLater

let lastApp = 0
const anApp = (): string => `app${++lastApp}`
const aKey = (app: string, taskId: string): TaskKey => ({ app, taskId })

/** Those that can be about more than a task or a worker. */
const WIDE = PROBLEM_CODES.filter((code) => PROBLEM_RULES[code].agreement !== null)
const TWO_TASKS = WIDE.filter((code) => PROBLEM_RULES[code].agreement?.tasks === 2)
const ONE_TASK = WIDE.filter((code) => PROBLEM_RULES[code].agreement?.tasks === 1)

const fail = (key: TaskKey, code: ProblemCode, fields: Partial<ScopeFailure> = {}) =>
  gate.recordFailure(key, DEFAULT_AGENT, aReport(code, fields))

/** The row of the scope that such a problem is about. */
const scopeRow = (app: string, code: ProblemCode): Promise<ScopeRow | null> =>
  aReport(code).kind === 'pair' ? pairRow(db, app, DEFAULT_AGENT) : appRow(db, app)

const isPaused = async (app: string, code: ProblemCode): Promise<boolean> => ((await scopeRow(app, code))?.pause_code ?? null) !== null

/** Enough failed polls of two tasks, the first at this time. */
async function agree(app: string, code: ProblemCode, requestedAt: Date = at(1)): Promise<boolean> {
  const { polls } = aReport(code).agreement
  const answers: boolean[] = []
  for (let i = 0; i < polls; i++) answers.push(await fail(aKey(app, `${i % 2}`), code, { requestedAt }))
  return answers.at(-1) ?? false
}

describe('a scope is paused', () => {
  test.each(TWO_TASKS)('by %s of two tasks, and not by one, however often', async (code) => {
    const app = anApp()
    const { polls } = aReport(code).agreement
    for (let i = 0; i < polls + 3; i++) expect(await fail(aKey(app, '1'), code)).toBe(false)
    expect(await isPaused(app, code)).toBe(false)
    expect(await fail(aKey(app, '2'), code)).toBe(true)
    expect(await scopeRow(app, code)).toMatchObject({ pause_code: code, pause_detail: aProblem(code).detail, probes: 1, probing: false })
  })

  test.each(TWO_TASKS.filter((code) => aReport(code).agreement.polls > 2))('by %s no sooner than enough polls fail', async (code) => {
    const app = anApp()
    const { polls } = aReport(code).agreement
    for (let i = 1; i < polls; i++) expect(await fail(aKey(app, `${i}`), code)).toBe(false)
    expect(await fail(aKey(app, 'one more'), code)).toBe(true)
  })

  test.each(ONE_TASK)('by %s of one task', async (code) => {
    const app = anApp()
    expect(await fail(aKey(app, '1'), code, { requestedAt: at(1) })).toBe(true)
    expect(await scopeRow(app, code)).toMatchObject({ pause_code: code, pause_since: at(1) })
  })

  test.each(TWO_TASKS)('by %s since the first of the polls that agree', async (code) => {
    const app = anApp()
    await agree(app, code, at(3))
    expect(await scopeRow(app, code)).toMatchObject({ pause_since: at(3) })
  })

  test.each(TWO_TASKS)('not by %s of two tasks with a success between them', async (code) => {
    const app = anApp()
    const { key } = await aTask(db.store, { app, userIds: ['ann'] })
    const { polls } = aReport(code).agreement
    for (let i = 1; i < polls; i++) await fail(aKey(app, '1'), code, { requestedAt: at(1) })
    await lookAt(db.store, key, { unread: ['ann'] }, 2)
    expect(await fail(aKey(app, '2'), code, { requestedAt: at(3) })).toBe(false)
    // From there it begins anew.
    for (let i = 2; i < polls; i++) expect(await fail(aKey(app, '2'), code, { requestedAt: at(4) })).toBe(false)
    expect(await fail(aKey(app, '3'), code, { requestedAt: at(4) })).toBe(true)
  })

  test.each(TWO_TASKS)('by %s of two tasks after a success, which says nothing about later', async (code) => {
    const app = anApp()
    const { key } = await aTask(db.store, { app, userIds: ['ann'] })
    await lookAt(db.store, key, { unread: ['ann'] }, 1)
    expect(await agree(app, code, at(2))).toBe(true)
  })

  test.each(TWO_TASKS)('not by %s of one task and another problem of another', async (code) => {
    const app = anApp()
    const { kind, agreement } = aReport(code)
    const other = TWO_TASKS.find((each) => each !== code && aReport(each).kind === kind) ?? code
    for (let i = 0; i < 3 * agreement.polls; i++) {
      expect(await fail(aKey(app, '1'), code, { agreement })).toBe(false)
      expect(await fail(aKey(app, '2'), other, { agreement })).toBe(false)
    }
  })

  test('of workers that report at the same moment each counts once', async () => {
    const app = anApp()
    const { polls } = aReport('outage').agreement
    const answers = await Promise.all(Array.from({ length: polls - 1 }, (_, i) => fail(aKey(app, `${i}`), 'outage')))
    expect(answers).not.toContain(true)
    expect(await fail(aKey(app, 'last'), 'outage')).toBe(true)
  })
})

describe('an app and an agent id', () => {
  test('a wrong agent id of some tasks does not touch tasks with another one, nor the app', async () => {
    const app = anApp()
    for (const taskId of ['1', '2']) await gate.recordFailure(aKey(app, taskId), '666', aReport('agent_id'))
    expect(await pairRow(db, app, '666')).toMatchObject({ pause_code: 'agent_id' })
    expect(await pairRow(db, app, DEFAULT_AGENT)).toBeNull()
    expect(await gate.reserve(app, ONE_CALL, FAST)).toMatchObject({ kind: 'granted' })
  })

  test('two tasks with two agent ids do not agree', async () => {
    const app = anApp()
    expect(await gate.recordFailure(aKey(app, '1'), '666', aReport('agent_id'))).toBe(false)
    expect(await gate.recordFailure(aKey(app, '2'), '667', aReport('agent_id'))).toBe(false)
  })

  test('the same agent id of another app is another pair', async () => {
    const [one, other] = [anApp(), anApp()]
    expect(await gate.recordFailure(aKey(one, '1'), '666', aReport('agent_id'))).toBe(false)
    expect(await gate.recordFailure(aKey(other, '2'), '666', aReport('agent_id'))).toBe(false)
  })

  test.each([
    ['brings its own', '666', '666', true],
    ["uses the app's own", DEFAULT_AGENT, null, true],
    ['has another one', '666', '667', false],
    ["uses the app's own, and it is another one", '666', null, false],
  ])('a task that succeeds refutes a wrong agent id where it %s', async (_, failing, agentId, isRefuted) => {
    const app = anApp()
    await gate.recordFailure(aKey(app, '1'), failing, aReport('agent_id', { requestedAt: at(1) }))
    const { key } = await aTask(db.store, { app, agentId, userIds: ['ann'] })
    await lookAt(db.store, key, { unread: ['ann'] }, 2)
    expect(await gate.recordFailure(aKey(app, '2'), failing, aReport('agent_id', { requestedAt: at(3) }))).toBe(!isRefuted)
  })

  test('a success with any agent id refutes what is about the app', async () => {
    const app = anApp()
    await fail(aKey(app, '1'), 'permission', { requestedAt: at(1) })
    const { key } = await aTask(db.store, { app, agentId: '667', userIds: ['ann'] })
    await lookAt(db.store, key, { unread: ['ann'] }, 2)
    expect(await fail(aKey(app, '2'), 'permission', { requestedAt: at(3) })).toBe(false)
  })

  test('a success in another app refutes nothing', async () => {
    const [app, other] = [anApp(), anApp()]
    await fail(aKey(app, '1'), 'permission', { requestedAt: at(1) })
    const { key } = await aTask(db.store, { app: other, userIds: ['ann'] })
    await lookAt(db.store, key, { unread: ['ann'] }, 2)
    expect(await fail(aKey(app, '2'), 'permission', { requestedAt: at(3) })).toBe(true)
  })
})

describe('a paused scope', () => {
  /** Paused by one report, with waits of so many minutes. */
  const WAITS = [1, 5, 15]
  const aLongPause = (code: ProblemCode, fields: Partial<ScopeFailure> = {}): ScopeFailure =>
    aPause(code, { probeDelaysMs: WAITS.map((minutes) => minutes * 60_000), ...fields })

  async function probe(app: string, code: ProblemCode): Promise<void> {
    await letProbesBeDue(db, app)
    if (aReport(code).kind === 'pair') expect(await gate.claimProbe(app, DEFAULT_AGENT)).toBe(true)
    else expect(await gate.reserve(app, ONE_CALL, FAST)).toMatchObject({ kind: 'granted', ordinary: 1 })
  }

  test.each(WIDE)('(%s) waits longer after each probe that fails, up to the longest wait', async (code) => {
    const app = anApp()
    await gate.recordFailure(aKey(app, '1'), DEFAULT_AGENT, aLongPause(code))
    const waits = [(await scopeRow(app, code))?.wait_ms]
    for (let i = 0; i < 4; i++) {
      await probe(app, code)
      expect(await gate.recordFailure(aKey(app, `${i}`), DEFAULT_AGENT, aLongPause(code))).toBe(true)
      waits.push((await scopeRow(app, code))?.wait_ms)
    }
    // Times are stored in whole milliseconds.
    expect(waits.map((wait) => Math.round((wait ?? 0) / 1_000) / 60)).toEqual([1, 5, 15, 15, 15])
  })

  test.each(WIDE)('(%s) does not wait longer for polls that were under way when it was paused', async (code) => {
    const app = anApp()
    await gate.recordFailure(aKey(app, '1'), DEFAULT_AGENT, aLongPause(code))
    const before = await scopeRow(app, code)
    for (let i = 0; i < 5; i++) expect(await gate.recordFailure(aKey(app, `${i}`), DEFAULT_AGENT, aLongPause(code))).toBe(true)
    expect(await scopeRow(app, code)).toEqual(before)
  })

  test('keeps since when it has the problem while probes fail with the same one', async () => {
    const app = anApp()
    await gate.recordFailure(aKey(app, '1'), DEFAULT_AGENT, aLongPause('permission', { requestedAt: at(1) }))
    await probe(app, 'permission')
    await gate.recordFailure(aKey(app, '1'), DEFAULT_AGENT, aLongPause('permission', { requestedAt: at(9) }))
    expect(await appRow(db, app)).toMatchObject({ pause_since: at(1), probes: 2 })
  })

  test('has the new problem where the probe fails with another one, and its waits begin anew', async () => {
    const app = anApp()
    await gate.recordFailure(aKey(app, '1'), DEFAULT_AGENT, aLongPause('permission', { requestedAt: at(1) }))
    for (let i = 0; i < 2; i++) {
      await probe(app, 'permission')
      await gate.recordFailure(aKey(app, '1'), DEFAULT_AGENT, aLongPause('permission', { requestedAt: at(2) }))
    }
    await probe(app, 'permission')
    await gate.recordFailure(aKey(app, '1'), DEFAULT_AGENT, aLongPause('wrong_path', { requestedAt: at(9) }))
    const row = await appRow(db, app)
    expect(row).toMatchObject({ pause_code: 'wrong_path', pause_since: at(9), probes: 1 })
    expect(Math.round((row?.wait_ms ?? 0) / 1_000)).toBe(60)
  })

  test('keeps its problem where a poll that is no probe fails with another one', async () => {
    const app = anApp()
    await gate.recordFailure(aKey(app, '1'), DEFAULT_AGENT, aLongPause('permission'))
    expect(await gate.recordFailure(aKey(app, '2'), DEFAULT_AGENT, aLongPause('wrong_path'))).toBe(true)
    expect(await appRow(db, app)).toMatchObject({ pause_code: 'permission' })
  })

  test('lasts as long as an answer says, and no shorter end takes that back', async () => {
    const app = anApp()
    const until = inMs(HOUR)
    await gate.recordFailure(aKey(app, '1'), DEFAULT_AGENT, aPause('rate_limit', { until }))
    await gate.recordFailure(aKey(app, '2'), DEFAULT_AGENT, aPause('rate_limit', { until: inMs(1_000) }))
    expect(await appRow(db, app)).toMatchObject({ paused_until: until })
    const later = inMs(2 * HOUR)
    await gate.recordFailure(aKey(app, '2'), DEFAULT_AGENT, aPause('rate_limit', { until: later }))
    expect(await appRow(db, app)).toMatchObject({ paused_until: later })
  })
})

describe('a successful poll', () => {
  const pause = (app: string, code: ProblemCode, since: Date) =>
    gate.recordFailure(aKey(app, '1'), DEFAULT_AGENT, aPause(code, { requestedAt: since, until: inMs(HOUR) }))
  const good = (app: string, requestedAt: Date, agentId: string | null = DEFAULT_AGENT) =>
    gate.recordSuccess(aKey(app, '9'), agentId, requestedAt)

  test.each(WIDE)('that began after the pause (%s) lifts it', async (code) => {
    const app = anApp()
    await pause(app, code, at(1))
    expect(await good(app, inMs(1_000))).toBe(true)
    expect(await scopeRow(app, code)).toMatchObject({
      ...{ pause_code: null, pause_detail: null, pause_since: null, paused_until: null, probing: false, probes: 0 },
    })
    expect(await good(app, inMs(1_000))).toBe(false)
  })

  test.each(WIDE)('that began before the first poll with the problem (%s) says nothing about it', async (code) => {
    const app = anApp()
    await pause(app, code, at(5))
    expect(await good(app, at(4))).toBe(false)
    expect(await isPaused(app, code)).toBe(true)
  })

  test.each(WIDE)('that began between the first poll with the problem (%s) and the pause', async (code) => {
    const app = anApp()
    await pause(app, code, at(5))
    // A call that was under way when a limit began is no sign that the limit is over; for all else it shows that polls succeed.
    const isLimit = code === 'rate_limit' || code === 'quota'
    expect(await good(app, at(6))).toBe(!isLimit)
    expect(await isPaused(app, code)).toBe(isLimit)
  })

  test.each(WIDE)('while the scope (%s) is probed lifts the pause', async (code) => {
    const app = anApp()
    await pause(app, code, at(5))
    await letProbesBeDue(db, app)
    if (aReport(code).kind === 'pair') await gate.claimProbe(app, DEFAULT_AGENT)
    else await gate.reserve(app, ONE_CALL, FAST)
    // The clocks of worker and database differ by a moment.
    expect(await good(app, inMs(-50))).toBe(true)
    expect(await isPaused(app, code)).toBe(false)
  })

  test('lifts the pause of its own agent id and of the app, and of no other agent id', async () => {
    const app = anApp()
    await pause(app, 'agent_id', at(1))
    await gate.recordFailure(aKey(app, '1'), '666', aPause('agent_id', { requestedAt: at(1), until: inMs(HOUR) }))
    await pause(app, 'permission', at(1))
    expect(await good(app, at(2))).toBe(true)
    expect([await pairRow(db, app, DEFAULT_AGENT), await appRow(db, app)]).toMatchObject([{ pause_code: null }, { pause_code: null }])
    expect(await pairRow(db, app, '666')).toMatchObject({ pause_code: 'agent_id' })
  })

  test('without an agent id lifts the pause of the app', async () => {
    const app = anApp()
    await pause(app, 'permission', at(1))
    expect(await good(app, at(2), null)).toBe(true)
  })

  test.each(TWO_TASKS)('makes the polls that failed before it (%s) no evidence any more', async (code) => {
    const app = anApp()
    const { polls } = aReport(code).agreement
    for (let i = 1; i < polls; i++) await fail(aKey(app, '1'), code, { requestedAt: at(1) })
    await good(app, at(2))
    expect(await fail(aKey(app, '2'), code, { requestedAt: at(3) })).toBe(false)
  })

  test.each(TWO_TASKS)('that began before them leaves them as they are (%s)', async (code) => {
    const app = anApp()
    const { polls } = aReport(code).agreement
    for (let i = 1; i < polls; i++) await fail(aKey(app, '1'), code, { requestedAt: at(5) })
    await good(app, at(4))
    expect(await fail(aKey(app, '2'), code, { requestedAt: at(6) })).toBe(true)
  })

  test('is remembered, the latest of them', async () => {
    const app = anApp()
    await gate.reserve(app, ONE_CALL, FAST)
    for (const minute of [3, 7, 5]) await good(app, at(minute))
    expect(await appRow(db, app)).toMatchObject({ last_good_at: at(7) })
    expect(await pairRow(db, app, DEFAULT_AGENT)).toMatchObject({ last_good_at: at(7) })
  })

  test('is loaded with its tasks, and so are pauses and witnesses', async () => {
    const app = anApp()
    const { createDeliveryStore } = await import('../../src/store/delivery-store.ts')
    const store = createDeliveryStore(db, { agentIdOf: () => DEFAULT_AGENT })
    const [own, other] = [await aTask(store, { app }), await aTask(store, { app, agentId: '666' })]
    const unknown = { lastGoodAt: null, pause: null, hasWitness: false }
    expect(own.scopes).toEqual({ agentId: DEFAULT_AGENT, app: { ...unknown, resumedAt: null }, pair: unknown })
    await gate.reserve(app, ONE_CALL, FAST)
    await good(app, at(3))
    await fail(other.key, 'permission', { requestedAt: at(4) })
    const until = inMs(HOUR)
    await gate.recordFailure(other.key, '666', aPause('agent_id', { until }))
    expect((await store.load(own.key))?.scopes).toEqual({
      agentId: DEFAULT_AGENT,
      app: { lastGoodAt: at(3), pause: null, hasWitness: true, resumedAt: null },
      pair: { lastGoodAt: at(3), pause: null, hasWitness: false },
    })
    expect((await store.load(other.key))?.scopes).toMatchObject({
      agentId: '666',
      pair: { lastGoodAt: null, pause: { problem: aProblem('agent_id'), until } },
    })
  })
})

describe('the probe of a pair', () => {
  test('is made by one of many that ask', async () => {
    const app = anApp()
    await gate.recordFailure(aKey(app, '1'), '666', aPause('agent_id', { probeDelaysMs: [-1] }))
    const answers = await Promise.all(Array.from({ length: 12 }, () => gate.claimProbe(app, '666')))
    expect(answers.filter(Boolean)).toHaveLength(1)
    expect(await pairRow(db, app, '666')).toMatchObject({ probing: true, pause_code: 'agent_id' })
  })

  test('is not to be had before it is due, where nothing is paused, or where nothing is known', async () => {
    const app = anApp()
    expect(await gate.claimProbe(app, '666')).toBe(false)
    await gate.recordSuccess(aKey(app, '1'), '666', at(1))
    expect(await gate.claimProbe(app, '666')).toBe(false)
    await gate.recordFailure(aKey(app, '1'), '666', aPause('agent_id', { requestedAt: at(2), until: inMs(HOUR) }))
    expect(await gate.claimProbe(app, '666')).toBe(false)
  })

  test('is to be had again when the lease of one that never ended is over, or the clock stepped back', async () => {
    const app = anApp()
    await gate.recordFailure(aKey(app, '1'), '666', aPause('agent_id', { probeDelaysMs: [-1] }))
    expect(await gate.claimProbe(app, '666')).toBe(true)
    await letProbesBeDue(db, app)
    expect(await gate.claimProbe(app, '666')).toBe(true)
    expect(await gate.claimProbe(app, '666')).toBe(false)
    await db.pool.query(
      `UPDATE delivery_pair SET paused_until = paused_until + interval '10 minutes', pause_set_at = pause_set_at + interval '10 minutes' WHERE app = $1`,
      [app],
    )
    expect(await gate.claimProbe(app, '666')).toBe(true)
    expect(await gate.claimProbe(app, '666')).toBe(false)
  })
})

describe('what a lifted pause brings forward', () => {
  const FAR = minutesLater(1_200)

  /** A planned task with this delay or problem, whose next poll is far away. */
  async function aWaitingTask(app: string, fields: Parameters<typeof aDelay>[1], agentId: string | null = null): Promise<TaskKey> {
    const { key } = await aTask(db.store, { app, agentId })
    await adoptAll(db.store)
    expect(await db.store.delay(key, { pollNo: 0 }, aDelay(FAR, { reason: null, ...fields }))).toBe('stored')
    return key
  }

  const pausedBy = (scope: 'pair' | 'app' | 'worker', problem: ProblemCode, agentId: string | null = DEFAULT_AGENT) => {
    const { scope: _, ...detail } = aProblem(problem, { agentId }).detail
    return { reason: { code: 'paused', detail: { ...detail, scope, problem, until: FAR.toISOString() } } } as const
  }

  async function resumed(app: string): Promise<string[]> {
    const { rows } = await db.pool.query<{ task_id: string }>('SELECT task_id FROM delivery_task WHERE app = $1 AND resumed ORDER BY id', [
      app,
    ])
    return rows.map((row) => row.task_id)
  }

  /** Its pause began, and ended with a success. */
  async function lift(app: string, code: ProblemCode, agentId = DEFAULT_AGENT): Promise<void> {
    await gate.recordFailure(aKey(app, '1'), agentId, aPause(code, { requestedAt: at(1) }))
    expect(await gate.recordSuccess(aKey(app, '2'), agentId, inMs(1_000))).toBe(true)
  }

  test.each(WIDE)('(%s) tasks that waited for it, and tasks that had the problem themselves', async (code) => {
    const app = anApp()
    const { kind } = aReport(code)
    const waiting = await aWaitingTask(app, pausedBy(kind, code))
    const failing = await aWaitingTask(app, { problem: aTaskProblem(code, { agentId: DEFAULT_AGENT }) })
    await aWaitingTask(app, {})
    await lift(app, code)
    expect(await resumed(app)).toEqual([waiting.taskId, failing.taskId])
    const { rows } = await db.pool.query('SELECT next_poll_at <= now() AS due, delay_code FROM delivery_task WHERE task_id = $1', [
      waiting.taskId,
    ])
    expect(rows).toEqual([{ due: true, delay_code: null }])
  })

  test('no task of another agent id, with a problem of its own, or that waits for something else', async () => {
    const app = anApp()
    await aWaitingTask(app, pausedBy('pair', 'agent_id', '666'), '666')
    await aWaitingTask(app, { problem: aTaskProblem('agent_id', { agentId: '666' }) }, '666')
    await aWaitingTask(app, { problem: aTaskProblem('parameters', { agentId: DEFAULT_AGENT }) })
    await aWaitingTask(app, { reason: { code: 'call_budget', detail: { budget: 1, used: 1, reserved: 0, month: '2026-11' } } })
    await aWaitingTask(app, { reason: { code: 'calls_used_up', detail: { calls: 27 } } })
    await aWaitingTask(app, pausedBy('worker', 'credentials'))
    await lift(app, 'agent_id')
    await lift(app, 'outage')
    expect(await resumed(app)).toEqual([])
  })

  test('no task that has ended, is due already, is not planned yet, or is of another app', async () => {
    const app = anApp()
    const ended = await aWaitingTask(app, pausedBy('app', 'permission'))
    await db.store.cancel(ended)
    const due = await aWaitingTask(app, {})
    await db.store.delay(due, { pollNo: 0 }, aDelay(minutesLater(2), pausedBy('app', 'permission')))
    await aTask(db.store, { app })
    const other = anApp()
    await aWaitingTask(other, pausedBy('app', 'permission'))
    await lift(app, 'permission')
    expect([await resumed(app), await resumed(other)]).toEqual([[], []])
  })

  test('thousands of tasks', async () => {
    const app = anApp()
    await db.pool.query(
      `INSERT INTO delivery_task (app, task_id, sent_at, deadline_at, scheduled_at, recipients_known, next_poll_at, delay_code, delay_detail)
       SELECT $1, n::text, now(), now() + interval '1 day', now(), false, now() + interval '1 hour', 'paused', '{"scope": "app", "problem": "quota"}'
       FROM generate_series(1, 2500) AS n`,
      [app],
    )
    await lift(app, 'quota')
    expect(await resumed(app)).toHaveLength(2_500)
    await db.pool.query('DELETE FROM delivery_task WHERE app = $1', [app])
  })

  test('not a task that is being written: that poll decides', async () => {
    const app = anApp()
    const [free, held] = [await aWaitingTask(app, pausedBy('app', 'permission')), await aWaitingTask(app, pausedBy('app', 'permission'))]
    const session = await db.pool.connect()
    try {
      await session.query('BEGIN')
      await session.query('SELECT FROM delivery_task WHERE task_id = $1 FOR UPDATE', [held.taskId])
      await lift(app, 'permission')
    } finally {
      await session.query('ROLLBACK')
      session.release()
    }
    expect(await resumed(app)).toEqual([free.taskId])
  })

  test('is scheduled as such, once, and a delay that comes late does not put it off again', async () => {
    const app = anApp()
    const key = await aWaitingTask(app, pausedBy('app', 'permission'))
    await lift(app, 'permission')
    expect(await db.store.delay(key, { pollNo: 0 }, aDelay(FAR, pausedBy('app', 'permission')))).toBe('stale')
    const now = new Date()
    const plan = ({ resumed: isResumed }: { readonly resumed: boolean }) => ({
      deadlineAt: minutesLater(24 * 60),
      pollOffsetsMs: [60_000],
      first: { at: isResumed ? now : FAR, last: false },
    })
    expect(await db.store.schedule(plan, 10)).toEqual([
      { key, deadlineAt: minutesLater(24 * 60), resumed: true, poll: { at: now, last: false } },
    ])
    expect(await db.store.load(key)).toMatchObject({ nextPollAt: now, delay: null })
    expect(await db.store.schedule(plan, 10)).toEqual([])
    expect(await resumed(app)).toEqual([])
    expect(await db.store.delay(key, { pollNo: 0 }, aDelay(FAR))).toBe('stored')
  })

  test('is scheduled as such beside new tasks, which are not', async () => {
    const app = anApp()
    const key = await aWaitingTask(app, pausedBy('app', 'permission'))
    const fresh = await aTask(db.store, { app })
    await lift(app, 'permission')
    expect((await adoptAll(db.store)).map((task) => [task.key.taskId, task.resumed])).toEqual([
      [key.taskId, true],
      [fresh.key.taskId, false],
    ])
  })
})
