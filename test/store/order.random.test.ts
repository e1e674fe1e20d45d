import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { minutesLater, someFates, truthAt } from '../domain/support.ts'
import { runs } from '../support/runs.ts'
import { openTestStore, type TestStore } from './support/database.ts'
import { aTask, type Lists, lookAt } from './support/polls.ts'

/** F23, on the real database: what is stored does not depend on the order of the answers, nor on how often each one comes. */

let opened: TestStore
beforeAll(async () => {
  opened = await openTestStore({ role: 'worker' })
})
afterAll(() => opened.close())

interface Said {
  readonly minute: number
  readonly lists: Lists
}

/** Is in every answer and reads never, so that the task stays open and every answer counts. */
const KEEPS_IT_OPEN = 'zoe'

/** The answers of a day, in each of which some people may be missing, and the same ones shuffled, some of them repeated. */
const aDay = fc
  .tuple(someFates(), fc.uniqueArray(fc.integer({ min: 1, max: 1_430 }), { minLength: 2, maxLength: 6 }), fc.boolean())
  .chain(([fates, minutes, named]) => {
    const people = [...Object.keys(fates), KEEPS_IT_OPEN]
    const answers = minutes.toSorted((a, b) => a - b).map((minute) => anAnswer(truthAt(fates, minutesLater(minute)), minute, people))
    return fc.record({ inOrder: fc.tuple(...answers), userIds: fc.constant(named ? people : null) })
  })
  .chain(({ inOrder, userIds }) =>
    fc.record({ inOrder: fc.constant(inOrder), shuffled: shuffledWithRepetitions(inOrder), userIds: fc.constant(userIds) }),
  )

function anAnswer(truth: Lists, minute: number, people: readonly string[]): fc.Arbitrary<Said> {
  const unread = [...(truth.unread ?? []), KEEPS_IT_OPEN]
  return fc.subarray([...people], { minLength: Math.ceil(people.length / 2) }).map((present) => {
    const only = (list: readonly string[] = []): string[] => list.filter((userId) => userId === KEEPS_IT_OPEN || present.includes(userId))
    return { minute, lists: Object.fromEntries(Object.entries({ ...truth, unread }).map(([name, list]) => [name, only(list)])) }
  })
}

function shuffledWithRepetitions(answers: readonly Said[]): fc.Arbitrary<Said[]> {
  return fc
    .array(fc.constantFrom(...answers), { maxLength: 3 })
    .chain((again) => fc.shuffledSubarray([...answers, ...again], { minLength: answers.length + again.length }))
}

test('F23: answers that are repeated, reordered and partial leave the same rows', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(aDay, async ({ inOrder, shuffled, userIds }) => {
      const [straight, tangled] = await Promise.all([inOrder, shuffled].map((answers) => rowsAfter(answers, userIds)))
      expect(tangled).toEqual(straight)
    }),
    { numRuns: runs(40), seed: 20_261_126 },
  )
})

/** A task of its own, whose polls are made one after the other. */
async function rowsAfter(answers: readonly Said[], userIds: readonly string[] | null): Promise<unknown> {
  const { key } = await aTask(opened.store, { userIds: userIds === null ? null : [...userIds] })
  for (const { lists, minute } of answers) await lookAt(opened.store, key, lists, minute)
  const { rows: people } = await opened.pool.query(
    `SELECT person.user_id, person.named, person.state, person.first_seen_at, person.last_unread_at, person.first_read_at,
       person.forbidden_code, person.forbidden_count
     FROM delivery_recipient AS person JOIN delivery_task AS task ON task.id = person.task_pk
     WHERE task.task_id = $1 ORDER BY person.user_id COLLATE "C"`,
    [key.taskId],
  )
  const { rows: task } = await opened.pool.query(
    `SELECT status, reason_code, last_good_requested_at, last_observed_at, pending, invalid, failed, forbidden, unread, read
     FROM delivery_task WHERE task_id = $1`,
    [key.taskId],
  )
  return { people, task }
}
