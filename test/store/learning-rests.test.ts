import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseConfig } from '../../src/app/config/config.ts'
import { createLearning } from '../../src/app/learning.ts'
import { until } from '../support/wait.ts'
import { openTestStore, type TestStore } from './support/database.ts'

let db: TestStore
beforeAll(async () => {
  db = await openTestStore()
})
afterAll(() => db.close())

test('a pass of learning is followed by a rest, and then by the next', async () => {
  const failed = (): never => {
    throw new Error('nothing fails here')
  }
  const events = { failed, learned: failed }
  const config = parseConfig({ DATABASE_URL: 'postgres://localhost/unused' })
  const { learn } = createLearning(config, { database: db, leaseMs: 5_000, events })
  expect(await learn(), 'it learned of no app').toEqual([])
  expect(await learn(), 'it rests').toBeNull()
  expect(await until(learn, { what: 'it has rested' })).toEqual([])
})
