import { expect, test } from 'vitest'
import { type AppSpec, atMinute, type Day, type Fault, type TaskSpec } from './random-days/day.ts'
import { brokenRules } from './random-days/rules.ts'
import { live, nameOf, type Outcome, type TaskOutcome, TIMING } from './random-days/simulation.ts'

const APP: AppSpec = { name: 'app0', agentId: '100', monthlyBudget: null, callsPerSecond: 15 }
const OTHER_APP: AppSpec = { ...APP, name: 'app1', agentId: '101' }
const DAY_END = 24 * 60

/** Sent at the begin of the day to a recipient who never reads it, so that it has all its polls. */
const aTask = (taskId: string, columns: Partial<TaskSpec> = {}): TaskSpec => ({
  ...{ key: { app: 'app0', taskId }, agentId: null, sentMinute: 0, enqueuedAfter: 0, sentAtGiven: true, isNamed: true },
  ...{ people: [{ userId: 'ann', listedAfter: 0, end: 'never reads', readAfter: 1 }], cancelledMinute: null, forgottenCode: '400002' },
  ...columns,
})

const aDay = (columns: Partial<Day>): Day => ({
  ...{ seed: 1, startAt: new Date('2026-11-23T01:00:00Z'), workers: 1, apps: [APP, OTHER_APP], tasks: [], faults: [] },
  ...columns,
})

const successesOf = ({ polls }: TaskOutcome): Date[] =>
  polls.filter(({ outcome }) => outcome === 'observed').map(({ requestedAt }) => requestedAt)

async function lived(columns: Partial<Day>): Promise<{ readonly outcome: Outcome; of(taskId: string): TaskOutcome }> {
  const outcome = await live(aDay(columns))
  return {
    outcome,
    of(taskId) {
      const task = outcome.tasks.find(({ spec }) => spec.key.taskId === taskId)
      if (task === undefined) throw new Error(`there is no task ${taskId}`)
      return task
    },
  }
}

test('a worker whose address is refused costs a task that others can poll neither a planned poll nor its final one', async () => {
  const refused = { code: '60020', message: 'request ip=203.0.113.7 is not allowed' }
  const faults: Fault[] = [{ scope: 'worker', kind: 'address', app: 'app0', worker: 0, said: refused, begin: 0, end: 2 * DAY_END }]
  for (const seed of [1, 2, 3]) {
    const { outcome, of } = await lived({ seed, workers: 2, tasks: [aTask('1')], faults })
    expect(brokenRules(outcome)).toEqual({})
    expect(successesOf(of('1'))).toHaveLength(24)
  }
})

test('the same for a worker whose token is refused, which takes two calls each time', async () => {
  const said = { code: '40014', message: 'invalid token' }
  const faults: Fault[] = [{ scope: 'worker', kind: 'token', app: 'app0', worker: 0, said, begin: 0, end: 2 * DAY_END }]
  for (const seed of [1, 2, 3]) {
    const { outcome, of } = await lived({ seed, workers: 2, tasks: [aTask('1')], faults })
    expect(brokenRules(outcome)).toEqual({})
    expect(successesOf(of('1'))).toHaveLength(24)
  }
})

test('tasks that DingTalk no longer has do not delay a healthy one with the same agent id, although no poll with it has succeeded', async () => {
  const forgotten = { sentMinute: -DAY_END, enqueuedAfter: DAY_END + 1, sentAtGiven: false }
  const tasks = [aTask('1', forgotten), aTask('2', forgotten), aTask('3', { sentMinute: 120 }), aTask('4', { sentMinute: 30 })]
  const { outcome, of } = await lived({ tasks })
  expect(brokenRules(outcome)).toEqual({})
  expect([successesOf(of('3')).length, successesOf(of('4')).length]).toEqual([24, 24])
  // The success of the others refutes the pause, so the two are polled once more than five times at most.
  expect(of('1').stored).toMatchObject({ status: 'stopped', reason: { code: 'parameters' }, goodPolls: 0 })
  expect(of('1').stored.calls).toBeLessThanOrEqual(6)
})

test('a final poll that fails takes no call that is reserved for another', async () => {
  const tasks = ['1', '2', '3', '4', '5'].map((taskId, i) => aTask(taskId, { sentMinute: 60 * i - 300, enqueuedAfter: 301 - 60 * i }))
  const said = { code: 'TIMEOUT', message: 'no answer' }
  const faults: Fault[] = [{ scope: 'answer', key: { app: 'app0', taskId: '1' }, said, begin: 0, end: 2 * DAY_END }]
  const { outcome } = await lived({ apps: [{ ...APP, monthlyBudget: 5 }], tasks, faults })
  expect(brokenRules(outcome)).toEqual({})
  expect(outcome.tasks.map(({ stored }) => stored.calls)).toEqual([1, 1, 1, 1, 1])
})

// ---- a fault of each scope, from different hours on

type Scope = Readonly<Record<string, (during: { readonly begin: number; readonly end: number }) => Fault>>

const FAULTS: Scope = {
  answer: (during) => ({ ...during, scope: 'answer', key: { app: 'app0', taskId: '1' }, said: { code: '987654', message: 'no' } }),
  task: (during) => ({ ...during, scope: 'task', key: { app: 'app0', taskId: '1' }, said: { code: '400002', message: 'no' } }),
  pair: (during) => ({ ...during, scope: 'pair', app: 'app0', agentId: '555', said: { code: '41011', message: 'no' } }),
  worker: (during) => ({ ...during, scope: 'worker', kind: 'credentials', app: 'app0', worker: 0, said: { code: '40096', message: 'no' } }),
  app: (during) => ({ ...during, scope: 'app', app: 'app0', said: { code: '60011', message: 'no' }, endIsNamed: false }),
  quota: (during) => ({ ...during, scope: 'app', app: 'app0', said: { code: '90020', message: 'no' }, endIsNamed: false }),
  outage: (during) => ({ ...during, scope: 'outage', said: { code: 'TIMEOUT', message: 'no' } }),
}
/** Which tasks a fault of the scope reaches. */
const REACHED: Readonly<Record<string, readonly string[]>> = {
  ...{ answer: ['1'], task: ['1'], pair: ['1'], worker: [] },
  ...{ app: ['1', '2', '3'], quota: ['1', '2', '3'], outage: ['1', '2', '3', '4'] },
}
const HOURS = [0, 3, 12, 23.5]
const CASES = Object.keys(FAULTS).flatMap((scope) => HOURS.map((hour) => ({ scope, hour })))
const TASKS = [aTask('1', { agentId: '555' }), aTask('2'), aTask('3'), aTask('4', { key: { app: 'app1', taskId: '4' } })]

test.each(CASES)('a fault of scope $scope from hour $hour on, to the end: no other task loses a poll', async ({ scope, hour }) => {
  const fault = FAULTS[scope]?.({ begin: hour * 60, end: 2 * DAY_END })
  const { outcome } = await lived({ workers: 2, tasks: TASKS, faults: fault === undefined ? [] : [fault] })
  expect(brokenRules(outcome)).toEqual({})
  const healthy = outcome.tasks.filter(({ spec }) => REACHED[scope]?.includes(spec.key.taskId) === false)
  expect(healthy.map((task) => successesOf(task).length)).toEqual(healthy.map(() => 24))
  expect(Math.max(...outcome.tasks.map(({ stored }) => stored.calls))).toBeLessThanOrEqual(TIMING.maxCalls)
})

test.each(CASES.filter(({ hour }) => hour < 23))(
  'a fault of scope $scope from hour $hour on, repaired after 90 minutes: its tasks heal',
  async ({ scope, hour }) => {
    const fault = FAULTS[scope]?.({ begin: hour * 60, end: hour * 60 + 90 })
    const { outcome } = await lived({ workers: 2, tasks: TASKS, faults: fault === undefined ? [] : [fault] })
    expect(brokenRules(outcome)).toEqual({})
    const repairedAt = atMinute(outcome.day, hour * 60 + 90)
    const blind = outcome.tasks.filter((task) => !successesOf(task).some((at) => at >= repairedAt))
    expect(blind.map(({ spec }) => nameOf(spec.key))).toEqual([])
    expect(new Set(outcome.tasks.map(({ stored }) => stored.reason?.code))).toEqual(new Set(['window_over']))
  },
)
