import { expect, test } from 'vitest'
import { buildTiming, pollTimes } from '../../src/domain/poll-times.ts'
import { overdueMs, pollsAhead } from '../../src/report/polls-ahead.ts'
import type { TaskRates } from '../../src/report/rates.ts'
import { after, hoursLater, minutesLater, SENT } from '../domain/support.ts'
import { aTask } from './support.ts'

const POLLS = 24
const NOW = minutesLater(60)

function planOf(task: TaskRates) {
  return pollTimes({ ...task, key: task, pollOffsetsMs: task.pollOffsets }, buildTiming(POLLS))
}

/** The task with the stored time of the first planned poll after `NOW`, in whole milliseconds. */
function planned(task: TaskRates): { readonly task: TaskRates; readonly rest: ReturnType<typeof planOf> } {
  const [next, ...rest] = planOf(task).filter(({ at }) => at > NOW)
  return { task: { ...task, nextPollAt: new Date(Math.round(Number(next?.at))) }, rest }
}

test.each([[true], [false]])('the plan of a task with sentAtGiven %s is the one that the worker makes', (sentAtGiven) => {
  const { task, rest } = planned(aTask({ sentAtGiven }))
  expect(pollsAhead(task, NOW, POLLS)).toEqual([{ at: task.nextPollAt, last: false }, ...rest])
})

test('a given and an assumed send time have different plans', () => {
  const [given, assumed] = [true, false].map((sentAtGiven) => pollsAhead(planned(aTask({ sentAtGiven })).task, NOW, POLLS))
  expect(given).not.toEqual(assumed)
})

test('a delayed poll keeps the plan after it', () => {
  const { task, rest } = planned(aTask())
  const next = new Date(Number(task.nextPollAt) + 60_000)
  for (const reason of [{ problemCode: 'timeout' }, { delayCode: 'call_budget' }]) {
    const ahead = pollsAhead({ ...task, ...reason, nextPollAt: next }, NOW, POLLS)
    expect(ahead[0]).toEqual({ at: next, last: false })
    expect(ahead.slice(1)).toEqual(rest.filter(({ at }) => at.getTime() > next.getTime() + 30_000))
  }
})

test('a poll that is not in the plan without a reason is of other settings: only the final poll after it is certain', () => {
  const nextPollAt = minutesLater(67)
  const final = planOf(aTask()).at(-1)
  expect(pollsAhead(aTask({ nextPollAt }), NOW, POLLS)).toEqual([{ at: nextPollAt, last: false }, final])
})

test('the final poll is the last one, also where it is the next', () => {
  const task = aTask()
  const final = planOf(task).at(-1)?.at ?? SENT
  expect(pollsAhead({ ...task, nextPollAt: final }, hoursLater(23), POLLS)).toEqual([{ at: final, last: true }])
})

test('an overdue poll is still ahead, and planned polls before now are not', () => {
  const { task } = planned(aTask())
  const now = hoursLater(12)
  const ahead = pollsAhead(task, now, POLLS)
  expect(ahead[0]?.at).toEqual(task.nextPollAt)
  expect(ahead.slice(1).every(({ at }) => at > now)).toBe(true)
})

test('a task that has ended has no poll ahead', () => {
  expect(pollsAhead(aTask({ status: 'expired' }), NOW, POLLS)).toEqual([])
  expect(pollsAhead(aTask({ nextPollAt: null }), NOW, POLLS)).toEqual([])
})

test('a poll is overdue when it is more than a minute of the 24-hour window late', () => {
  const task = aTask({ nextPollAt: NOW })
  expect([59_000, 60_000, 60_001].map((ms) => overdueMs(task, after(NOW, ms)))).toEqual([null, null, 60_001])
  const minuteLong = { ...task, deadlineAt: after(SENT, 60_000) }
  expect([41, 43].map((ms) => overdueMs(minuteLong, after(NOW, ms)))).toEqual([null, 43])
  expect(overdueMs(aTask({ nextPollAt: null }), NOW)).toBeNull()
})
