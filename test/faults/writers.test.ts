import { expect, test } from 'vitest'
import { createTestDatabase } from '../support/postgres.ts'
import { record } from './support/scenario.ts'
import { writeAtOnce } from './support/writers.ts'

const WHEN = 'all writers write the same tasks at once, in any order'

test(`F19: no deadlock when ${WHEN}`, { timeout: 120_000 }, async ({ onTestFinished }) => {
  const database = await createTestDatabase({ migrated: true })
  onTestFinished(() => database.drop())
  const { polls, tasks, errors, deadlocks } = await writeAtOnce(database.url)
  expect(errors).toEqual([])
  expect(polls).toBeGreaterThan(100)
  expect(deadlocks).toBe(0)
  record({
    fault: 'F19',
    when: WHEN,
    backend: 'postgres',
    seed: 1,
    tasks,
    lost: null,
    wrong: null,
    polls,
    extraCalls: 0,
    recoverMs: null,
  })
})
