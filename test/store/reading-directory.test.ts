import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DepartmentRates, RecipientFilter } from '../../src/report/rates.ts'
import { beginErasure, erasePerson } from '../../src/store/erase-people.ts'
import { letSeeNames, putPeople } from './support/people.ts'
import { aTask, lookAt, minutesLater } from './support/polls.ts'
import { openTestReader, pagesOf, type TestReader } from './support/reader.ts'

let db: TestReader
beforeAll(async () => {
  db = await openTestReader()
  await letSeeNames(db)
})
afterAll(() => db.close())

const rowsOf = (departments: readonly DepartmentRates[]) =>
  departments.map(({ department, targeted, delivered, read, unread, pending }) =>
    [department ?? '(none)', targeted, delivered, read, unread, pending].join(' '),
  )

describe('names and departments', () => {
  const campaign = 'named'
  let taskId: string
  beforeAll(async () => {
    const { key } = await aTask(db.store, { campaign, userIds: ['0366', 'ann', 'ben', 'cai', 'dee'] })
    ;({ taskId } = key)
    await lookAt(db.store, key, { read: ['0366'], unread: ['ann', 'ben', 'cai'] }, 5)
    await putPeople(db, [
      { userId: '0366', name: '李伟', departments: ['总部/销售部/华北', '总部/培训'] },
      { userId: 'ann', name: 'Ann "Q," O\'Brien <b>%_\\', departments: ['总部/销售部'] },
      { userId: 'ben', name: '😀 =SUM(A1)' },
      { userId: 'cai', departments: ['总部'] },
    ])
    // Of another organisation, which may have the same user id.
    await putPeople(db, [{ userId: 'dee', name: 'Someone else', departments: ['Other'] }], 'other')
  })
  const names = async (filter: RecipientFilter): Promise<string[][]> => {
    const [ofTask, ofCampaign] = [
      await db.rates.recipients({ taskId }, filter),
      (await db.rates.campaignRecipients({ campaign }, filter)).items,
    ]
    return [ofTask, ofCampaign].map((people) => people.map(({ userId }) => userId))
  }

  test('stand in each row of people, and are null where they are not known', async () => {
    const expected = [
      { userId: '0366', name: '李伟', department: '总部/销售部/华北; 总部/培训' },
      { userId: 'ann', name: 'Ann "Q," O\'Brien <b>%_\\', department: '总部/销售部' },
      { userId: 'ben', name: '😀 =SUM(A1)', department: null },
      { userId: 'cai', name: null, department: '总部' },
      { userId: 'dee', name: null, department: null },
    ]
    expect(await db.rates.recipients({ taskId }, {})).toMatchObject(expected)
    expect((await db.rates.campaignRecipients({ campaign }, {})).items).toMatchObject(expected)
    expect((await db.rates.explain({ taskId }, 'ann')).person).toMatchObject({ name: expected[1]?.name })
    expect((await db.rates.personTasks({ userId: '0366' }, {})).items).toMatchObject([{ taskId, ...expected[0] }])
  })

  test.each<[string, RecipientFilter, string[]]>([
    ['a part of a name', { search: '伟' }, ['0366']],
    ['a name in any case', { search: "o'brien" }, ['ann']],
    ['a user id', { search: '036' }, ['0366']],
    ['either', { search: 'an' }, ['ann']],
    ['a percent sign, which stands for itself', { search: '%' }, ['ann']],
    ['a letter beyond the first plane', { search: '😀' }, ['ben']],
    ['a name, where user ids alone are searched', { search: '伟', searchIn: 'userId' }, []],
    ['a user id, where user ids alone are searched', { search: 'a', searchIn: 'userId' }, ['ann', 'cai']],
    ['what no text of PostgreSQL can hold', { search: 'a\0' }, []],
    ['a department, with those below it', { department: '总部/销售部' }, ['0366', 'ann']],
    ['the highest department', { department: '总部' }, ['0366', 'ann', 'cai']],
    ['one of several departments', { department: '总部/培训' }, ['0366']],
    ['the lowest department', { department: '总部/销售部/华北' }, ['0366']],
    ['a part of a path, which is none', { department: '销售部' }, []],
    ['the begin of a name, which is none', { department: '总' }, []],
    ['a department of another app', { department: 'Other' }, []],
    ['a department that no text of PostgreSQL can hold', { department: 'a\0' }, []],
    ['no known department', { department: '' }, ['ben', 'dee']],
    ['a department and a state', { department: '总部', state: 'unread' }, ['ann', 'cai']],
    ['no known department, a state and a search', { department: '', state: 'unread', search: 'sum' }, ['ben']],
  ])('people of a task and of a campaign are found by %s', async (_what, filter, found) => {
    expect(await names(filter)).toEqual([found, found])
  })

  test('give rates by department: each person once in each of their departments and in all above', async () => {
    const departments = await db.rates.campaignDepartments({ campaign })
    expect(rowsOf(departments)).toEqual([
      '总部 3 3 1 2 0',
      '总部/培训 1 1 1 0 0',
      '总部/销售部 2 2 1 1 0',
      '总部/销售部/华北 1 1 1 0 0',
      '(none) 2 1 0 1 1',
    ])
    expect(departments[0]).toMatchObject({ app: 'default', campaign, readRate: 1 / 3, readRateOfTargeted: 1 / 3 })
    // Totals count a person once, however many departments they have.
    expect(await db.rates.campaign({ campaign })).toMatchObject({ targeted: 5, delivered: 4, read: 1, unread: 3 })
    // By the row that was read, and by name.
    expect(await db.rates.campaignDepartments(await db.rates.campaign({ campaign }))).toEqual(departments)
  })

  test('are rates of the people that the filter by department lists', async () => {
    for (const { department, targeted, read, unread } of await db.rates.campaignDepartments({ campaign })) {
      const { items } = await db.rates.campaignRecipients({ campaign }, { department: department ?? '' })
      const count = (state: string) => items.filter((person) => person.state === state).length
      expect([department, items.length, count('read'), count('unread')]).toEqual([department, targeted, read, unread])
    }
  })
})

test('a department comes before those below it, whatever its neighbours are called', async () => {
  await aTask(db.store, { campaign: 'neighbours', userIds: ['n1', 'n2', 'n3', 'n4'] })
  const departments = [['Sales Asia'], ['Sales/North'], ['Sales-2', 'sales'], ['Sales/North/City']]
  await putPeople(
    db,
    departments.map((paths, i) => ({ userId: `n${i + 1}`, departments: paths })),
  )
  expect((await db.rates.campaignDepartments({ campaign: 'neighbours' })).map(({ department }) => department)).toEqual([
    ...['Sales', 'Sales/North', 'Sales/North/City', 'Sales Asia', 'Sales-2', 'sales'],
  ])
})

test('without people there is one row, of those whose department is not known, and it is the campaign', async () => {
  const { key } = await aTask(db.store, { campaign: 'nameless', userIds: ['x1', 'x2', 'x3'] })
  await lookAt(db.store, key, { read: ['x1'], unread: ['x2'], forbidden: ['x3'] }, 5)
  const { targeted, delivered, read, unread, forbidden, readRate } = await db.rates.campaign({ campaign: 'nameless' })
  expect(await db.rates.campaignDepartments({ campaign: 'nameless' })).toMatchObject([
    { department: null, targeted, delivered, read, unread, forbidden, readRate },
  ])
  expect((await db.rates.recipients(key, {})).map(({ name, department }) => [name, department])).toEqual([
    [null, null],
    [null, null],
    [null, null],
  ])
})

test('a campaign that is not there has no departments, and one of several apps must be named', async () => {
  await expect(db.rates.campaignDepartments({ campaign: 'none' })).rejects.toMatchObject({ code: 'CAMPAIGN_NOT_FOUND' })
  for (const app of ['one', 'two']) await aTask(db.store, { app, campaign: 'of two apps', userIds: ['ann'] })
  await expect(db.rates.campaignDepartments({ campaign: 'of two apps' })).rejects.toMatchObject({ code: 'SEVERAL_APPS' })
  expect(await db.rates.campaignDepartments({ campaign: 'of two apps', app: 'two' })).toMatchObject([{ app: 'two', targeted: 1 }])
})

describe('one person', () => {
  beforeAll(async () => {
    const sent = (app: string, minutes: number) =>
      aTask(db.store, { app, campaign: `c${minutes}`, userIds: ['wei', 'other'], sentAt: minutesLater(minutes) })
    const first = await sent('p1', -30)
    await sent('p1', -10)
    await sent('p2', -20)
    await sent('p1', -10)
    await lookAt(db.store, first.key, { read: ['wei'] }, 3)
    await putPeople(db, [{ userId: 'wei', name: '魏', departments: ['A/B', 'C'], managerUserId: 'boss' }], 'p1')
    await putPeople(db, [{ userId: 'wei', name: '魏 三' }], 'p3')
  })

  test('is known in each app that knows the name or sent to them', async () => {
    expect(await db.rates.person({ userId: 'wei' })).toEqual([
      { app: 'p1', userId: 'wei', name: '魏', departments: ['A/B', 'C'], managerUserId: 'boss', updatedAt: expect.any(Date) },
      { app: 'p2', userId: 'wei', name: null, departments: [], managerUserId: null, updatedAt: null },
      { app: 'p3', userId: 'wei', name: '魏 三', departments: [], managerUserId: null, updatedAt: expect.any(Date) },
    ])
    expect(await db.rates.person({ userId: 'wei', app: 'p2' })).toMatchObject([{ app: 'p2', name: null }])
    expect(await db.rates.person({ userId: 'wei', app: 'p3' })).toMatchObject([{ app: 'p3' }])
    expect(await db.rates.person({ userId: 'other', app: 'p1' })).toMatchObject([{ app: 'p1', name: null }])
  })

  test.each([{ userId: 'nobody' }, { userId: 'wei', app: 'p4' }, { userId: 'WEI' }, { userId: 'we' }])(
    'of whom nothing is known is an error: %j',
    async (ref) => {
      const app = ref.app === undefined ? 'any app' : `app ${ref.app}`
      await expect(db.rates.person(ref)).rejects.toMatchObject({
        code: 'RECIPIENT_NOT_FOUND',
        message: `Nothing is known of the user id "${ref.userId}" in ${app}.`,
      })
      expect(await db.rates.personTasks(ref, {})).toEqual({ items: [], nextCursor: null })
    },
  )

  test('has everything that was sent to them, latest sent first, page by page', async () => {
    const ref = { userId: 'wei' }
    const { items } = await db.rates.personTasks(ref, {})
    expect(items.map(({ app, campaign, state }) => `${app} ${campaign} ${state}`)).toEqual([
      ...['p1 c-10 pending', 'p1 c-10 pending', 'p2 c-20 pending', 'p1 c-30 read'],
    ])
    expect(items.at(-1)).toMatchObject({
      ...{ sentAt: minutesLater(-30), deadlineAt: minutesLater(-30 + 24 * 60), status: 'tracking', name: '魏', department: 'A/B; C' },
      ...{ readAfter: minutesLater(-30), readBefore: expect.any(Date) },
    })
    for (const limit of [1, 2, 3, 4]) expect((await pagesOf((page) => db.rates.personTasks(ref, page), limit)).flat()).toEqual(items)
    expect((await db.rates.personTasks({ userId: 'wei', app: 'p1' }, {})).items.map(({ app }) => app)).toEqual(['p1', 'p1', 'p1'])
    await expect(db.rates.personTasks(ref, { limit: 0 })).rejects.toMatchObject({ field: 'limit' })
    await expect(db.rates.personTasks(ref, { cursor: 'x' })).rejects.toMatchObject({ field: 'cursor' })
  })
})

describe('the directory', () => {
  const all = Array.from({ length: 1_050 }, (_, i) => `d${String(i).padStart(4, '0')}`)
  beforeAll(async () => {
    await putPeople(
      db,
      all.map((userId, i) => ({
        userId,
        name: i % 2 === 0 ? `偶 ${i}` : null,
        departments: i % 3 === 0 ? ['D/E'] : i % 3 === 1 ? ['D'] : [],
      })),
      'directory',
    )
    await putPeople(db, [{ userId: 'd0000', name: 'of another app' }], 'directory-2')
  })
  const ids = async (filter: Parameters<typeof db.rates.people>[0]): Promise<string[]> =>
    (await pagesOf((page) => db.rates.people({ app: 'directory', ...filter, ...page }), 1_000)).flat().map(({ userId }) => userId)

  test('has every person once, page by page, by user id', async () => {
    expect(await ids({})).toEqual(all)
    const pages = await pagesOf((page) => db.rates.people({ app: 'directory', ...page }), 100)
    expect([pages.length, pages.flat().map(({ userId }) => userId)]).toEqual([11, all])
    const both = await pagesOf((page) => db.rates.people({ search: 'd0000', ...page }), 1)
    expect(both.map(([person]) => person?.app)).toEqual(['directory', 'directory-2'])
  })

  test('is searched by name, user id and department', async () => {
    expect(await ids({ search: '偶 10' })).toEqual([
      'd0010',
      'd0100',
      'd0102',
      'd0104',
      'd0106',
      'd0108',
      ...all.slice(1_000).filter((_, i) => i % 2 === 0),
    ])
    expect(await ids({ search: 'D0007' })).toEqual(['d0007'])
    expect(await ids({ department: 'D' })).toHaveLength(700)
    expect(await ids({ department: 'D/E' })).toHaveLength(350)
    expect(await ids({ department: '' })).toHaveLength(350)
    expect(await ids({ department: 'D', search: '偶 6' })).toEqual(expect.arrayContaining(['d0006']))
    expect(await ids({ department: 'E' })).toEqual([])
  })
})

test('after an erasure there is a pseudonym without name and department, and the totals stay', async () => {
  const campaign = 'erased'
  const { key } = await aTask(db.store, { campaign, userIds: ['gone', 'stays'] })
  await lookAt(db.store, key, { read: ['gone'], unread: ['stays'] }, 5)
  await putPeople(db, [
    { userId: 'gone', name: '离职', departments: ['X/Y'] },
    { userId: 'stays', name: '在职', departments: ['X'], managerUserId: 'gone' },
  ])
  expect(rowsOf(await db.rates.campaignDepartments({ campaign }))).toEqual(['X 2 2 1 1 0', 'X/Y 1 1 1 0 0'])
  await erasePerson(db, { userId: 'gone', app: null }, await beginErasure(db, { userId: 'gone', app: null }))
  const people = await db.rates.recipients(key, {})
  expect(people).toMatchObject([
    { userId: expect.stringMatching(/^anonymous:/), name: null, department: null, state: 'read' },
    { userId: 'stays', name: '在职' },
  ])
  expect(rowsOf(await db.rates.campaignDepartments({ campaign }))).toEqual(['X 1 1 0 1 0', '(none) 1 1 1 0 0'])
  expect(await db.rates.person({ userId: 'stays' })).toMatchObject([{ managerUserId: null }])
  await expect(db.rates.person({ userId: 'gone' })).rejects.toMatchObject({ code: 'RECIPIENT_NOT_FOUND' })
  expect((await db.rates.people({ search: '离职' })).items).toEqual([])
  expect(await db.rates.campaign({ campaign })).toMatchObject({ targeted: 2, read: 1, unread: 1 })
})

test('after retention has replaced user ids, people count where no department is known', async () => {
  const campaign = 'retained'
  const [old, young] = [
    await aTask(db.store, { campaign, userIds: ['r1', 'r2'] }),
    await aTask(db.store, { campaign, userIds: ['r1', 'r3'] }),
  ]
  await putPeople(
    db,
    ['r1', 'r2', 'r3'].map((userId) => ({ userId, name: `name of ${userId}`, departments: ['R'] })),
  )
  await lookAt(db.store, old.key, { read: ['r1', 'r2'] }, 5)
  await lookAt(db.store, young.key, { unread: ['r1', 'r3'] }, 5)
  await db.pool.query("UPDATE delivery_task SET finished_at = now() - interval '99 days' WHERE task_id = $1", [old.key.taskId])
  await db.pool.query("SELECT delivery_remove_names(now() - interval '90 days', 50)")
  const { items } = await db.rates.campaignRecipients({ campaign }, {})
  // The best state of r1 is in the task that has a pseudonym for them.
  expect(items.filter(({ name }) => name !== null)).toMatchObject([{ userId: 'r3', name: 'name of r3' }])
  expect(items).toHaveLength(3)
  expect(rowsOf(await db.rates.campaignDepartments({ campaign }))).toEqual(['R 1 1 0 1 0', '(none) 2 2 2 0 0'])
  expect(await db.rates.campaign({ campaign })).toMatchObject({ targeted: 3, read: 2, unread: 1 })
})

test('a role without the right to names sees user ids, what was sent, and no name', async () => {
  const other = await openTestReader()
  try {
    const { key } = await aTask(other.store, { campaign: 'c', userIds: ['ann'] })
    await putPeople(other, [{ userId: 'ann', name: '安', departments: ['A'] }])
    expect(await other.rates.recipients(key, {})).toMatchObject([{ userId: 'ann', name: null, department: null }])
    expect((await other.rates.campaignRecipients({ campaign: 'c' }, {})).items).toMatchObject([{ name: null, department: null }])
    expect(await other.rates.recipients(key, { search: '安' })).toEqual([])
    expect(await other.rates.person({ userId: 'ann' })).toMatchObject([{ app: 'default', name: null, departments: [] }])
    expect((await other.rates.personTasks({ userId: 'ann' }, {})).items).toMatchObject([{ name: null, department: null }])
    // Refused or empty: no name and no department comes through.
    expect(await other.rates.people({}).catch(() => ({ items: [] }))).toMatchObject({ items: [] })
    expect(await other.rates.recipients(key, { department: 'A' }).catch(() => [])).toEqual([])
    await letSeeNames(other)
    expect(await other.rates.recipients(key, { search: '安' })).toMatchObject([{ name: '安', department: 'A' }])
  } finally {
    await other.close()
  }
})
