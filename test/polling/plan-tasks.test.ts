import { expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS, QUERY_WINDOW_MS } from '../../src/domain/delivery.ts'
import { buildTiming, growingPlan } from '../../src/domain/poll-times.ts'
import type { PollTimes } from '../../src/domain/schedule/custom.ts'
import { createCustomPlacing } from '../../src/polling/place-custom.ts'
import { createTaskPlanner, type Placing, type PlannerDeps } from '../../src/polling/plan-tasks.ts'
import { aNewTask } from './planning.ts'
import { keyOf, minutesLater, notes, SENT, TIMING } from './support.ts'

const deadlineAt = new Date(SENT.getTime() + QUERY_WINDOW_MS)

function aPlanner(deps: Partial<PlannerDeps> = {}) {
  const events = notes()
  return {
    events,
    planner: createTaskPlanner({ timing: TIMING, now: () => SENT, limitsOf: () => ({ monthlyBudget: null }), events, ...deps }),
  }
}

const planning = (offsetsMs: readonly number[]): Placing => ({
  name: 'a test',
  place: ({ people }) => ({ offsetsMs, plan: { placedBy: 'learned', people, law: 7, price: null, expectedCalls: null, widthMs: null } }),
})

test('gaps grow where no other kind is chosen, and the plan says so', async () => {
  const { planner } = aPlanner()
  const task = aNewTask({ people: 3 })
  expect(await planner.plan(task)).toMatchObject({
    deadlineAt,
    pollOffsetsMs: growingPlan({ ...task, deadlineAt }, TIMING),
    plan: { placedBy: 'growing', people: 3, law: null, price: null, expectedCalls: null, widthMs: null },
  })
  expect(await planner.plan(aNewTask({ sentAtGiven: false }))).toMatchObject({ plan: { placedBy: 'assumed_send_time' } })
})

test('what places the polls gives plan and reason', async () => {
  const { planner, events } = aPlanner({ placing: planning([60_000, 3_600_000, 86_000_000]) })
  const start = await planner.plan(aNewTask({ people: 3 }))
  expect(start).toMatchObject({ pollOffsetsMs: [60_000, 3_600_000, 86_000_000], plan: { placedBy: 'learned', people: 3, law: 7 } })
  expect(start.first).toEqual({ at: minutesLater(1), last: false })
  expect(start.admission).toBeUndefined()
  expect(events.lines).toEqual([])
})

test.each([
  ['fails', () => Promise.reject(new Error('no law'))],
  ['throws', () => planThrows()],
  ['gives no polls', planning([]).place],
  ['gives polls in a wrong order', planning([2_000, 1_000, 86_000_000]).place],
  ['gives a poll twice', planning([1_000, 1_000]).place],
  ['gives parts of milliseconds', planning([1_000.5, 86_000_000]).place],
  ['gives what is no number', planning([Number.NaN]).place],
  ['gives a poll before the send', planning([-1_000, 1_000]).place],
  ['gives more than the database takes', planning(Array.from({ length: 501 }, (_, i) => i * 1_000)).place],
] satisfies Array<[string, Placing['place']]>)('no task is lost where placing %s: gaps grow, and it is logged', async (_, place) => {
  const { planner, events } = aPlanner({ placing: { name: 'a test', place } })
  const task = aNewTask()
  expect(await planner.plan(task)).toMatchObject({
    pollOffsetsMs: growingPlan({ ...task, deadlineAt }, TIMING),
    plan: { placedBy: 'growing' },
  })
  expect(events.lines).toEqual(['failed: placing polls by a test, instead of which gaps grow,'])
})

function planThrows(): never {
  throw new Error('no law')
}

test('a plan never changes: a task that is brought forward keeps its own', async () => {
  const { planner } = aPlanner({ placing: planning([1, 2, 3]), limitsOf: () => ({ monthlyBudget: 100 }) })
  const pollOffsetsMs = [300_000, 86_000_000]
  const start = await planner.plan(aNewTask({ pollOffsetsMs, resumed: true }))
  expect(start).toMatchObject({ pollOffsetsMs })
  expect(start.plan).toBeUndefined()
  expect(start.admission).toBeUndefined()
})

test('a task that was refused has no plan of its own yet: it gets one, and is refused or admitted again', async () => {
  const { planner } = aPlanner({ placing: planning([1_000, 86_000_000]), limitsOf: () => ({ monthlyBudget: 100 }) })
  const start = await planner.plan(aNewTask({ pollOffsetsMs: [86_000_000], admitted: false, resumed: true }))
  expect(start.pollOffsetsMs).toEqual([1_000, 86_000_000])
  expect(start.admission?.budget).toBe(100)
  const monthEndsAt = minutesLater(600)
  const refused = start.admission?.refuse(monthEndsAt)
  expect(refused?.plan).toMatchObject({ placedBy: 'not_admitted' })
  expect(refused?.pollOffsetsMs).toHaveLength(2)
  expect(refused?.first.at.getTime()).toBeGreaterThan(monthEndsAt.getTime())
})

test('tasks are planned one after the other, and those that come together are a batch', async () => {
  const seen: string[] = []
  let underWay = 0
  const place: Placing['place'] = async ({ key, batch }) => {
    expect(underWay++).toBe(0)
    await new Promise((resolve) => setImmediate(resolve))
    underWay--
    seen.push(`${key.taskId} of ${batch.id}, ${batch.waiting} wait`)
    if (key.taskId === '2') throw new Error('never mind')
    return planning([86_000_000]).place({ ...aNewTask(), deadlineAt, budget: null, batch })
  }
  const { planner } = aPlanner({ placing: { name: 'a test', place } })
  await Promise.all([1, 2, 3].map((id) => planner.plan(aNewTask({ key: keyOf(id) }))))
  await planner.plan(aNewTask({ key: keyOf(4) }))
  expect(seen).toEqual(['1 of 1, 3 wait', '2 of 1, 2 wait', '3 of 1, 1 wait', '4 of 2, 1 wait'])
})

test('a plan that cannot be made at all is reported to its caller, and the next one is made', async () => {
  const limitsOf = (): never => {
    throw new Error('no such app')
  }
  const refusing = { isOn: true }
  const { planner } = aPlanner({ limitsOf: () => (refusing.isOn ? limitsOf() : { monthlyBudget: null }) })
  await expect(planner.plan(aNewTask())).rejects.toThrow('no such app')
  refusing.isOn = false
  expect(await planner.plan(aNewTask())).toMatchObject({ plan: { placedBy: 'growing' } })
})

// A program's own function ------------------------------------------------------------------------------------------------

function customPlanner(pollTimes: PollTimes, timing = TIMING) {
  return aPlanner({ timing, placing: createCustomPlacing(pollTimes, timing) })
}

test("a program's function gives the polls; the final one is added at the task's own time", async () => {
  const asked: unknown[] = []
  const { planner } = customPlanner((task) => {
    asked.push(task)
    return [5, 60, 0.5]
  })
  const task = aNewTask({ people: 2, campaign: 'c' })
  const { pollOffsetsMs, plan } = await planner.plan(task)
  expect(pollOffsetsMs.slice(0, -1)).toEqual([30_000, 300_000, 3_600_000])
  expect(pollOffsetsMs.at(-1)).toBe(growingPlan({ ...task, deadlineAt }, TIMING).at(-1))
  expect(plan).toEqual({ placedBy: 'custom', people: 2, law: null, price: null, expectedCalls: null, widthMs: null })
  expect(asked).toEqual([{ app: 'default', taskId: task.key.taskId, sentAt: SENT, people: 2, campaign: 'c' }])
})

test('it may give moments; what is after the final poll is left out; unnamed recipients are null', async () => {
  let people: number | null | undefined
  const { planner } = customPlanner((task) => {
    people = task.people
    return [minutesLater(10), minutesLater(24 * 60 - 4), minutesLater(10)]
  })
  const { pollOffsetsMs } = await planner.plan(aNewTask())
  expect(pollOffsetsMs).toHaveLength(2)
  expect(pollOffsetsMs[0]).toBe(10 * MINUTE_MS)
  expect(people).toBeNull()
})

test('the time scale divides its minutes', async () => {
  const timing = buildTiming(24, 60)
  const { planner } = customPlanner(() => [60, 120], timing)
  expect((await planner.plan(aNewTask())).pollOffsetsMs.slice(0, -1)).toEqual([HOUR_MS / 60, HOUR_MS / 30])
})

test('a function that gives no polls leaves the final one', async () => {
  expect((await customPlanner(() => []).planner.plan(aNewTask())).pollOffsetsMs).toHaveLength(1)
})

test.each<[string, PollTimes]>([
  ['throws', () => planThrows()],
  ['gives NaN', () => [1, Number.NaN]],
  ['gives more polls than a task may have', () => Array.from({ length: 500 }, (_, i) => i + 1)],
  ['is asynchronous', (async () => [1]) as unknown as PollTimes],
])('a function that %s costs no task: gaps grow, and it is logged', async (_, pollTimes) => {
  const { planner, events } = customPlanner(pollTimes)
  expect(await planner.plan(aNewTask())).toMatchObject({ plan: { placedBy: 'growing' } })
  expect(events.lines).toEqual(['failed: placing polls by pollTimes, instead of which gaps grow,'])
})
