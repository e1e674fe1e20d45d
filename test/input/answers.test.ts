import { expect, test } from 'vitest'
import { parseAnswer } from '../../src/domain/answer.ts'
import type { Task } from '../../src/domain/delivery.ts'
import { planPoll } from '../../src/domain/plan.ts'
import { after, afterwards, aStartedTask, SENT, TIMING } from '../domain/support.ts'
import { answersOf, dice } from './support/answers.ts'
import { expectSound } from './support/sound.ts'
import { SEED } from './support/values.ts'

/** A hundred thousand in all. */
const ANSWERS = 20_000
const SEEDS = [1, 2, 3, 4, 5].map((i) => SEED + i)

test.each(SEEDS)(`${ANSWERS} answers of seed %i: each is read, merged and planned, and what is planned can be stored`, (seed) => {
  const nextAnswer = answersOf(seed)
  const roll = dice(seed)
  const outcomes = new Map<string, number>()
  const ends = new Set<string>()
  let task: Task = aStartedTask({})
  let at = SENT
  for (let i = 0; i < ANSWERS; i++) {
    const isOver = task.status !== 'tracking' || task.recipients.length > 30 || at > task.deadlineAt
    if (isOver) {
      ends.add(task.status)
      task = aStartedTask(roll(2) < 1 ? {} : { userIds: ['ann', 'bob', '__proto__', '036'] })
      at = SENT
    }
    // Now and then a clock that stands still, or an answer that overtook another.
    const requestedAt = after(at, Math.floor(roll(10) < 1 ? -roll(60_000) : roll(2_700_000)))
    const respondedAt = after(requestedAt, roll(10) < 1 ? 0 : Math.floor(roll(15_000)))
    const said = nextAnswer()
    const plan = planPoll(task, parseAnswer(said, { requestedAt, respondedAt }), 1, respondedAt, TIMING)
    const next = afterwards(task, plan)
    expectSound(task, plan, next, said)
    outcomes.set(plan.poll.outcome, (outcomes.get(plan.poll.outcome) ?? 0) + 1)
    task = next
    at = respondedAt
  }
  // The generator reaches all there is.
  expect([...outcomes.keys()].toSorted()).toEqual([
    'call_timeout',
    'configuration',
    'empty',
    'observed',
    'quota',
    'task',
    'throttled',
    'transient',
  ])
  expect(Math.min(...outcomes.values())).toBeGreaterThan(100)
  expect([...ends].toSorted()).toEqual(['complete', 'tracking'])
})
