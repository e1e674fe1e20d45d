import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aTask, lookAt } from '../store/support/polls.ts'
import { ask } from './support/ask.ts'
import { openServer, type Served } from './support/server.ts'

const NAMES = 'a-token-that-sees-names'
const READ = 'a-token-that-may-read'

/** Carol is in two departments, dan in none, and of eve only the messages are known. */
const PEOPLE = [
  { userId: '0366', name: '李伟', departments: ['总部/销售部/华北'], managerUserId: 'carol' },
  { userId: 'carol', name: 'Carol, "CC"', departments: ['总部/销售部', '总部/培训'] },
  { userId: 'dan', name: '=Dan' },
  { userId: 'never-sent-to', name: '王芳', departments: ['总部'] },
]

let served: Served
let close: () => Promise<void>
let taskId: string
beforeAll(async () => {
  ;({ served, close } = await openServer({ apiToken: `read+names:${NAMES},read:${READ}` }))
  const { key } = await aTask(served.store, { campaign: 'payroll', userIds: ['0366', 'carol', 'dan', 'eve'] })
  ;({ taskId } = key)
  await lookAt(served.store, key, { read: ['0366'], unread: ['carol', 'dan', 'eve'] }, 5)
  const other = await aTask(served.store, { campaign: 'compare', userIds: ['0366', 'carol'] })
  await lookAt(served.store, other.key, { unread: ['0366', 'carol'] }, 10)
  await aTask(served.store, { campaign: 'payroll', app: 'hr', userIds: ['0366'] })
  await served.database.pool.query('SELECT delivery_put_people($1)', [JSON.stringify(PEOPLE)])
  await served.database.pool.query('GRANT SELECT ON delivery_people, delivery_department_rates TO test_worker')
})
afterAll(() => close())

const get = (path: string, token = NAMES) => ask(served.url, path, { headers: { authorization: `Bearer ${token}` } })
const idsOf = (rows: ReadonlyArray<Readonly<Record<string, unknown>>>) => rows.map(({ userId }) => userId)

describe('people', () => {
  test('are those whose name is known, by user id, found by name, id and department', async () => {
    const { body } = await get('/v1/people')
    expect(body.people[0]).toEqual({
      ...{ app: 'default', userId: '0366', name: '李伟', departments: ['总部/销售部/华北'], managerUserId: 'carol' },
      updatedAt: expect.stringMatching(/Z$/),
    })
    expect(idsOf(body.people)).toEqual(['0366', 'carol', 'dan', 'never-sent-to'])
    const found = async (query: Record<string, string>) =>
      idsOf((await get(`/v1/people?${new URLSearchParams(query).toString()}`)).body.people)
    expect(await found({ search: '李' })).toEqual(['0366'])
    expect(await found({ search: 'CAROL' })).toEqual(['carol'])
    expect(await found({ department: '总部/销售部' })).toEqual(['0366', 'carol'])
    expect(await found({ department: '总部' })).toEqual(['0366', 'carol', 'never-sent-to'])
    expect(await found({ department: '' })).toEqual(['dan'])
    expect(await found({ department: '销售部' })).toEqual([])
    expect(await found({ app: 'hr' })).toEqual([])
  })

  test('come page by page', async () => {
    const first = await get('/v1/people?limit=3')
    const rest = await get(`/v1/people?limit=3&cursor=${first.body.nextCursor}`)
    expect([idsOf(first.body.people), idsOf(rest.body.people), rest.body.nextCursor]).toEqual([
      ['0366', 'carol', 'dan'],
      ['never-sent-to'],
      null,
    ])
  })

  test('with one user id are an entry for each app that knows the name or sent to it', async () => {
    const { body } = await get('/v1/people/0366')
    expect(body.people).toMatchObject([
      { app: 'default', name: '李伟' },
      { app: 'hr', name: null, departments: [], updatedAt: null },
    ])
    expect((await get('/v1/people/0366?app=hr')).body.people).toMatchObject([{ app: 'hr' }])
    expect((await get('/v1/people/eve')).body.people).toMatchObject([{ app: 'default', userId: 'eve', name: null }])
    expect((await get('/v1/people/never-sent-to')).body.people).toMatchObject([{ name: '王芳' }])
  })

  test('of whom nothing is known are 404, whatever is asked about them', async () => {
    for (const path of ['/v1/people/nobody', '/v1/people/nobody/tasks', '/v1/people/eve?app=hr', '/v1/people/eve/tasks?app=hr']) {
      const { status, body } = await get(path)
      expect([path, status, body.error.code]).toEqual([path, 404, 'RECIPIENT_NOT_FOUND'])
    }
    expect((await get('/v1/people/never-sent-to/tasks')).body).toEqual({ tasks: [], nextCursor: null })
  })

  test('have everything that was sent to them, latest sent first', async () => {
    const { body } = await get('/v1/people/0366/tasks')
    expect(body.tasks).toHaveLength(3)
    expect(body.tasks.map(({ campaign, app, state }: Record<string, string>) => `${app} ${campaign} ${state}`).toSorted()).toEqual([
      'default compare unread',
      'default payroll read',
      'hr payroll pending',
    ])
    expect(body.tasks.find(({ state }: Record<string, string>) => state === 'read')).toMatchObject({
      ...{ taskId, name: '李伟', department: '总部/销售部/华北', status: 'tracking', readBefore: expect.any(String) },
      ...{ sentAt: expect.stringMatching(/Z$/), deadlineAt: expect.stringMatching(/Z$/) },
    })
    expect((await get('/v1/people/0366/tasks?app=hr')).body.tasks).toHaveLength(1)
    const first = await get('/v1/people/0366/tasks?limit=2')
    const rest = await get(`/v1/people/0366/tasks?limit=2&cursor=${first.body.nextCursor}`)
    expect([...first.body.tasks, ...rest.body.tasks]).toEqual(body.tasks)
  })
})

describe('a campaign', () => {
  test('has rates by department: each person once in a department, with those below it', async () => {
    const { body } = await get('/v1/campaigns/payroll/departments?app=default')
    expect(
      body.departments.map((row: Record<string, unknown>) => [row['department'], row['targeted'], row['read'], row['readRate']]),
    ).toEqual([
      ['总部', 2, 1, 1 / 2],
      ['总部/培训', 1, 0, 0],
      ['总部/销售部', 2, 1, 1 / 2],
      ['总部/销售部/华北', 1, 1, 1],
      [null, 2, 0, 0],
    ])
    expect((await get('/v1/campaigns/payroll/departments')).body.error.code).toBe('SEVERAL_APPS')
    expect((await get('/v1/campaigns/payrol/departments')).body.error.code).toBe('CAMPAIGN_NOT_FOUND')
  })

  test.each(['/v1/campaigns/payroll/recipients?app=default', () => `/v1/tasks/${taskId}/recipients?app=default`])(
    'has people with names, filtered by department, search and state: %s',
    async (given) => {
      const path = typeof given === 'string' ? given : given()
      const found = async (query: string) => idsOf((await get(`${path}${query}`)).body.recipients)
      expect((await get(path)).body.recipients).toMatchObject([
        { userId: '0366', name: '李伟', department: '总部/销售部/华北' },
        { userId: 'carol', department: '总部/销售部; 总部/培训' },
        { userId: 'dan', name: '=Dan', department: null },
        { userId: 'eve', name: null, department: null },
      ])
      const sales = encodeURIComponent('总部/销售部')
      expect(await found(`&department=${sales}`)).toEqual(['0366', 'carol'])
      expect(await found(`&department=${sales}&state=unread`)).toEqual(['carol'])
      expect(await found(`&department=${sales}&search=${encodeURIComponent('李')}`)).toEqual(['0366'])
      expect(await found('&department=')).toEqual(['dan', 'eve'])
      expect(await found('&department=none')).toEqual([])
      const { text } = await get(`${path}&format=csv&department=`)
      expect(text).toMatch(/,forbidden_reason,name,department\r\n.*,dan,.*,'=Dan,\r\n.*,eve,.*,,\r\n$/)
    },
  )

  test('is compared with others by the time since the send', async () => {
    const { status, headers, body } = await get('/v1/compare?campaign=payroll&campaign=compare&app=default')
    expect([status, headers.get('age')]).toEqual([200, '0'])
    expect(body.campaigns).toMatchObject([
      {
        campaign: { campaign: 'payroll', app: 'default', read: 1, delivered: 4 },
        points: [
          { minutes: 0, read: 0, readRate: 0 },
          { minutes: expect.closeTo(5 + 1 / 60, 6), read: 1, readRate: 1 / 4 },
        ],
        timeToRead: { people: 4, read: 1 },
      },
      { campaign: { campaign: 'compare', read: 0 }, points: [{ minutes: 0 }, { read: 0, readRate: 0 }], timeToRead: { people: 2 } },
    ])
    expect((await get('/v1/compare?campaign=compare&campaign=payroll&app=default')).body.campaigns).toEqual(body.campaigns.toReversed())
    // A campaign may have any name.
    expect((await get('/v1/campaigns/compare')).body).toMatchObject({ campaign: 'compare' })
  })

  test.each([
    ['campaign=payroll', 400, 'INVALID_INPUT', '2 to 6 times, once for each campaign to compare, not once'],
    ['', 400, 'INVALID_INPUT', 'not 0 times'],
    [['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => `campaign=${name}`).join('&'), 400, 'INVALID_INPUT', 'not 7 times'],
    ['campaign=a&campaign=b&campaign=a', 400, 'INVALID_INPUT', 'has "a" twice'],
    ['campaign=payroll&campaign=', 400, 'INVALID_INPUT', 'campaign must have 1 to 200 characters'],
    ['campaign=compare&campaign=payrol', 404, 'CAMPAIGN_NOT_FOUND', '"payrol"'],
    ['campaign=compare&campaign=payroll', 409, 'SEVERAL_APPS', 'default, hr'],
  ])('is not compared by ?%s', async (query, status, code, message) => {
    const answer = await get(`/v1/compare?${query}`)
    expect([answer.status, answer.body.error]).toEqual([
      status,
      { code, message: expect.stringContaining(message), ...(status === 400 && { field: 'campaign' }) },
    ])
  })
})

test.each(['/Sales', 'Sales/', ' Sales', 'a//b', 'a\0b', 'x'.repeat(501)])(
  '%j is no department, and is not an empty list',
  async (path) => {
    for (const list of ['/v1/people?', '/v1/campaigns/compare/recipients?', `/v1/tasks/${taskId}/recipients?`]) {
      const { status, body } = await get(`${list}department=${encodeURIComponent(path)}`)
      expect([status, body.error]).toMatchObject([
        400,
        { field: 'department', message: expect.stringContaining('such as "Headquarters/Sales"') },
      ])
    }
  },
)

describe('a caller who may not see names', () => {
  const secrets = [...new Set(JSON.stringify(PEOPLE).match(/\p{Script=Han}+|=Dan|Carol/gu))]

  test('gets user ids, and no name in any answer', async () => {
    for (const path of [
      '/v1/people/0366',
      '/v1/people/0366/tasks',
      '/v1/campaigns/payroll/recipients?app=default',
      '/v1/campaigns/payroll/recipients?app=default&format=csv',
      `/v1/tasks/${taskId}/recipients`,
      `/v1/tasks/${taskId}/recipients?format=csv`,
      `/v1/tasks/${taskId}/people/0366`,
      '/v1/compare?campaign=payroll&campaign=compare&app=default',
    ]) {
      const { status, text } = await get(path, READ)
      expect([path, status, secrets.filter((word) => text.includes(word))]).toEqual([path, 200, []])
    }
    expect((await get('/v1/people/0366', READ)).body.people).toMatchObject([{ app: 'default', name: null, departments: [] }, { app: 'hr' }])
  })

  test('finds nothing by a name', async () => {
    const search = encodeURIComponent('李')
    expect((await get(`/v1/campaigns/payroll/recipients?app=default&search=${search}`, READ)).body.recipients).toEqual([])
    expect((await get(`/v1/tasks/${taskId}/recipients?search=${search}`, READ)).body.recipients).toEqual([])
    expect(idsOf((await get(`/v1/tasks/${taskId}/recipients?search=03`, READ)).body.recipients)).toEqual(['0366'])
  })

  test('is refused where names are asked for, with the role that it takes', async () => {
    for (const path of [
      '/v1/people',
      '/v1/people?search=x',
      '/v1/campaigns/payroll/departments?app=default',
      '/v1/campaigns/payroll/recipients?app=default&department=x',
      '/v1/campaigns/payroll/recipients?app=default&department=',
      `/v1/tasks/${taskId}/recipients?department=x&format=csv`,
    ]) {
      const { status, body } = await get(path, READ)
      expect([path, status, body.error]).toEqual([
        path,
        403,
        { code: 'FORBIDDEN', message: expect.stringContaining('API_TOKEN of the server has it as read+names:TOKEN') },
      ])
    }
  })
})
