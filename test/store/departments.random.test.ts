import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runs } from '../support/runs.ts'
import { figuresOf, onePerPerson, readTables } from './support/naive.ts'
import { letSeeNames, putPeople } from './support/people.ts'
import { aTask, lookAt, minutesLater } from './support/polls.ts'
import { openTestReader, type TestReader } from './support/reader.ts'

/** Random people, departments, sends and answers; then the rates by department are compared with a count over the tables. */

let db: TestReader
beforeAll(async () => {
  db = await openTestReader()
  await letSeeNames(db)
})
afterAll(() => db.close())

const PEOPLE = ['ann', 'Bob', '李雷', '0366', 'x_y', '%', 'zoe'] as const
const PATHS = ['A', 'A/B', 'A/B/C', 'A B', 'a', '部门/北 京', '部门', 'B', 'A/D', 'O\'Brien/"Q"'] as const
const STATES = ['read', 'unread', 'failed', 'invalid', 'forbidden', 'nowhere'] as const

const somePeople = fc.record({
  /** For each person: departments; null: not in the directory. */
  departments: fc.array(fc.option(fc.subarray([...PATHS])), { minLength: PEOPLE.length, maxLength: PEOPLE.length }),
  tasks: fc.array(
    fc.record({
      sentMinutes: fc.constantFrom(0, 5),
      named: fc.subarray([...PEOPLE], { minLength: 1 }),
      listed: fc.array(fc.constantFrom(...STATES), { minLength: PEOPLE.length, maxLength: PEOPLE.length }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
})

/** The departments and all above them, each once. */
function countedIn(departments: readonly string[] | null): Array<string | null> {
  const above = (departments ?? []).flatMap((path) => path.split('/').map((_, i, names) => names.slice(0, i + 1).join('/')))
  return above.length === 0 ? [null] : [...new Set(above)]
}

const byDepartment = <Row extends { readonly department: string | null }>(rows: readonly Row[]): Row[] =>
  rows.toSorted((a, b) => ((a.department ?? '\uFFFF') < (b.department ?? '\uFFFF') ? -1 : 1))

/** As the row of a campaign says it. */
const LARGE = { targeted: 20_000, openTasks: 1 }

let made = 0

test('rates by department are what a count of the tables says', { timeout: 240_000 }, async () => {
  const property = fc.asyncProperty(somePeople, async ({ departments, tasks }) => {
    const app = `departments-${++made}`
    const campaign = 'one'
    const known = new Map<string, readonly string[]>(PEOPLE.flatMap((userId, i) => (departments[i] ? [[userId, departments[i]]] : [])))
    await putPeople(
      db,
      Array.from(known, ([userId, paths]) => ({ userId, departments: paths })),
      app,
    )
    for (const { sentMinutes, named, listed } of tasks) {
      const { key } = await aTask(db.store, { app, campaign, userIds: named, sentAt: minutesLater(sentMinutes) })
      const list = (wanted: string): string[] => PEOPLE.filter((_, i) => listed[i] === wanted)
      const lists = {
        read: list('read'),
        unread: list('unread'),
        failed: list('failed'),
        invalid: list('invalid'),
        forbidden: list('forbidden'),
      }
      if (Object.values(lists).some(({ length }) => length > 0)) await lookAt(db.store, key, lists, 20)
    }
    const people = onePerPerson((await readTables(db.pool, app)).people).map(([best]) => best)
    const counted = people.flatMap((person) =>
      person === undefined ? [] : countedIn(known.get(person.user_id) ?? null).map((department) => ({ department, state: person.state })),
    )
    const expected = [...new Set(counted.map(({ department }) => department))].map((department) => ({
      ...{ app, campaign, department },
      ...figuresOf(counted.filter((each) => each.department === department).map(({ state }) => state)),
    }))
    const actual = await db.rates.campaignDepartments({ app, campaign })
    expect(byDepartment(actual)).toEqual(byDepartment(expected))
    // For a campaign of many people the same is read in another way.
    expect(await db.rates.campaignDepartments({ app, campaign, ...LARGE })).toEqual(actual)
    // Each department comes behind the one that it is part of, and the last row is that of the others.
    const places = new Map(actual.map(({ department }, i) => [department, i]))
    for (const [department, place] of places) {
      const parent = department?.includes('/') === true ? department.slice(0, department.lastIndexOf('/')) : null
      if (parent !== null) expect(places.get(parent)).toBeLessThan(place)
      if (department === null) expect(place).toBe(actual.length - 1)
    }
  })
  await fc.assert(property, { numRuns: runs(60), seed: 20_261_130 })
})
