import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Page, PageFilter } from '../../src/report/rates.ts'
import { letSeeNames, putPeople } from './support/people.ts'
import { aRequest, minutesLater } from './support/polls.ts'
import { openTestReader, pagesOf, type TestReader } from './support/reader.ts'

const NAMES = Array.from({ length: 23 }, (_, i) => `user${i}`)

let db: TestReader
beforeAll(async () => {
  db = await openTestReader()
  // Many at one moment, as one message to many is sent; some ids are longer than others, so that they do not sort as numbers.
  const requests = NAMES.map((_, i) =>
    aRequest({
      app: i % 3 === 0 ? 'a' : 'b',
      taskId: String(7 * 13 ** (i % 6) + i),
      campaign: `c${i % 11}`,
      sentAt: minutesLater(-(i % 2)),
    }),
  )
  await db.store.track(requests)
  await db.store.track([aRequest({ campaign: 'crowd', userIds: NAMES }), aRequest({ campaign: 'crowd', userIds: ['user7', '李雷'] })])
  await db.store.track(NAMES.slice(0, 9).map((_, i) => aRequest({ app: 'sent', userIds: ['wei'], sentAt: minutesLater(-(i % 2)) })))
  await letSeeNames(db)
  await putPeople(
    db,
    [...NAMES, '李雷'].map((userId) => ({ userId, name: 'the same' })),
    'b',
  )
  await putPeople(db, [{ userId: 'user7', name: 'the same' }], 'a')
})
afterAll(() => db.close())

interface List {
  readonly name: string
  readonly rows: number
  page(filter: PageFilter): Promise<Page<unknown>>
}

const LISTS: readonly List[] = [
  { name: 'tasks', rows: NAMES.length + 11, page: (filter) => db.rates.tasks(filter) },
  { name: 'tasks of an app', rows: 8, page: (filter) => db.rates.tasks({ app: 'a', ...filter }) },
  { name: 'campaigns', rows: 20, page: (filter) => db.rates.campaigns(filter) },
  { name: 'the directory of people', rows: NAMES.length + 2, page: (filter) => db.rates.people(filter) },
  { name: 'what was sent to a person', rows: 9, page: (filter) => db.rates.personTasks({ userId: 'wei' }, filter) },
  { name: 'people of a campaign', rows: NAMES.length + 1, page: (filter) => db.rates.campaignRecipients({ campaign: 'crowd' }, filter) },
]

describe.each(LISTS)('$name', ({ rows, page }) => {
  test.each([1, 2, 3, 7, 100])('page by page of %i are everything once, in one order', async (limit) => {
    const [whole] = await pagesOf(page, 1_000)
    expect(whole).toHaveLength(rows)
    const pages = await pagesOf(page, limit)
    expect(pages.flat()).toEqual(whole)
    expect(pages).toHaveLength(Math.ceil(rows / limit))
  })

  test('that end with a full page say that there is none behind it', async () => {
    expect(await page({ limit: rows })).toMatchObject({ nextCursor: null })
    expect((await page({ limit: rows - 1 })).nextCursor).toEqual(expect.any(String))
  })

  test.each([0, -1, 1_001, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('have no page of %d', async (limit) => {
    await expect(page({ limit })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'limit',
      message: `limit must be a whole number from 1 to 1000, not ${limit}.`,
    })
  })

  test('have 1 to 1,000 rows a page, 100 if not said otherwise', async () => {
    expect((await page({ limit: 1 })).items).toHaveLength(1)
    expect((await page({ limit: 1_000 })).items).toHaveLength(rows)
    expect((await page({})).items).toHaveLength(rows)
  })

  test('refuse what is not a cursor of theirs', async () => {
    const own = (await page({ limit: 1 })).nextCursor ?? ''
    const others = await Promise.all(LISTS.map(async (list) => (await list.page({ limit: 1 })).nextCursor ?? ''))
    const listOf = (cursor: string): unknown => Buffer.from(cursor, 'base64url').toString().split('"')[1]
    const foreign = others.filter((cursor) => listOf(cursor) !== listOf(own))
    const made = (keys: unknown): string => Buffer.from(JSON.stringify(keys)).toString('base64url')
    const forged = [
      ...['', '0', 'x', 'null', own.slice(0, 8), '😀', '\0'],
      ...[null, {}, [], 5, ['tasks'], ['tasks', 'yesterday', 'a', '1'], ['tasks', '2026-02-31T99:00:00.000Z', 'a', '1']].map(made),
      ...[
        ['tasks', '2026-02-01T00:00:00.000Z', 'a\0', '1'],
        ['people', 5],
        ['people', ''],
        ['people', 'a', 'b'],
        ['campaigns', null, 'a', 'b'],
      ].map(made),
    ]
    for (const cursor of [...foreign, ...forged]) {
      await expect(page({ cursor }), cursor).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        field: 'cursor',
        message: 'cursor is not one of this list. Take nextCursor of the page before, or leave it out for the first page.',
      })
    }
  })
})

test('a cursor needs no quoting in an address, whatever the last row is called', async () => {
  const odd = { app: 'odd', sentAt: minutesLater(-9) }
  await db.store.track([aRequest({ ...odd, campaign: '工资/11 & "bonus"?' }), aRequest({ ...odd, campaign: 'A' })])
  const { items, nextCursor } = await db.rates.campaigns({ app: 'odd', limit: 1 })
  expect(items).toMatchObject([{ campaign: '工资/11 & "bonus"?' }])
  expect(nextCursor).toMatch(/^[\w-]+$/)
  expect((await db.rates.campaigns({ app: 'odd', cursor: nextCursor ?? '' })).items).toMatchObject([{ campaign: 'A' }])
})

test('a cursor from before the year 1 is before everything, and breaks nothing', async () => {
  const cursor = Buffer.from(JSON.stringify(['tasks', '0000-01-01T00:00:00.000Z', 'a', '1'])).toString('base64url')
  expect(await db.rates.tasks({ cursor })).toEqual({ items: [], nextCursor: null })
})

test('what is sent while somebody turns the pages is in none of those behind', async () => {
  const first = await db.rates.tasks({ app: 'b', limit: 5 })
  await db.store.track([aRequest({ app: 'b' })])
  const rest = await db.rates.tasks({ app: 'b', cursor: first.nextCursor ?? '' })
  expect([...first.items, ...rest.items].map(({ taskId }) => taskId)).toHaveLength(15)
})
