import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { PEOPLE_LIMIT_BYTES } from '../../src/web/body.ts'
import { ask, post } from './support/ask.ts'
import { openServer, type Served } from './support/server.ts'

const TOKENS = { write: 'a-token-that-may-write', read: 'a-token-that-reads-names', both: 'a-token-that-writes-names' }

let served: Served
let close: () => Promise<void>
beforeAll(async () => {
  ;({ served, close } = await openServer({
    apiToken: `write:${TOKENS.write},read+names:${TOKENS.read},write+names:${TOKENS.both}`,
    timeoutMs: 30_000,
  }))
})
afterAll(() => close())
afterEach(() => served.database.pool.query('TRUNCATE delivery_person, delivery_erasure'))

const put = (body: unknown, token = TOKENS.both) =>
  ask(served.url, '/v1/people', { ...post(body, { authorization: `Bearer ${token}` }), method: 'PUT' })

async function stored(): Promise<unknown[]> {
  const { rows } = await served.database.pool.query<Record<string, unknown>>(
    'SELECT app, user_id, name, departments, manager_user_id FROM delivery_person ORDER BY app, user_id',
  )
  return rows.map((row) => Object.values(row))
}

const WANG = { userId: '036632523163100003', name: '王芳 😀', departments: ['总部/销售部', 'Board'], managerUserId: 'manager4220' }
const STORED = ['default', WANG.userId, WANG.name, WANG.departments, WANG.managerUserId]
const counts = (given: object) => ({ created: 0, changed: 0, unchanged: 0, erased: 0, ...given })

describe('people who are sent', () => {
  test('are stored, and counted by what became of them', async () => {
    const first = await put({ people: [WANG, { userId: 'li' }] })
    expect([first.status, first.body]).toEqual([200, counts({ app: 'default', created: 2 })])
    const again = await put({ people: [{ ...WANG, name: '王方' }, { userId: 'li' }, { userId: 'zoe', name: 'Zoé' }] })
    expect(again.body).toEqual(counts({ app: 'default', created: 1, changed: 1, unchanged: 1 }))
    expect(await stored()).toEqual([
      ['default', WANG.userId, '王方', WANG.departments, WANG.managerUserId],
      ['default', 'li', null, [], null],
      ['default', 'zoe', 'Zoé', [], null],
    ])
  })

  test('keep what is left out, and lose what is null or empty', async () => {
    await put({ people: [WANG] })
    expect((await put({ people: [{ userId: WANG.userId }] })).body).toEqual(counts({ app: 'default', unchanged: 1 }))
    expect(await stored()).toEqual([STORED])
    await put({ people: [{ userId: WANG.userId, name: null, departments: [], managerUserId: null }] })
    expect(await stored()).toEqual([['default', WANG.userId, null, [], null]])
  })

  test('are of the app that is named, and a department that stands twice is one', async () => {
    await put({ people: [WANG] })
    expect((await put({ app: 'hr', people: [{ userId: WANG.userId, departments: ['A', 'A/B', 'A'] }] })).body).toMatchObject({
      app: 'hr',
      created: 1,
    })
    expect(await stored()).toEqual([STORED, ['hr', WANG.userId, null, ['A', 'A/B'], null]])
  })

  test('are left out where they were erased less than a day ago', async () => {
    await served.database.pool.query(`SELECT delivery_begin_erasure('${WANG.userId}', NULL)`)
    expect((await put({ people: [WANG, { userId: 'li' }] })).body).toEqual(counts({ app: 'default', created: 1, erased: 1 }))
    expect(await stored()).toEqual([['default', 'li', null, [], null]])
  })

  test('may be a thousand, with long names in several departments', async () => {
    const departments = Array.from({ length: 3 }, (_, i) =>
      Array(10)
        .fill(`部门${'x'.repeat(20)}${i}`)
        .join('/'),
    )
    const people = Array.from({ length: 1_000 }, (_, i) => ({
      userId: `u${i}`,
      name: `${'名'.repeat(196)}${String(i).padStart(4, '0')}`,
      departments,
    }))
    expect((await put({ people })).body).toEqual(counts({ app: 'default', created: 1_000 }))
  })
})

/** Not in any message: it may end up in a log. */
const SECRET = 'Wang-Fang-zq'

describe('nothing is stored, and the field is named, of', () => {
  test.each([
    [{ name: `${SECRET}\n` }, 'people[1].name', 'has a line break or another character that is no text'],
    [{ name: ` ${SECRET}` }, 'people[1].name', 'has a space at the beginning or end'],
    [{ name: SECRET.padEnd(201, 'x') }, 'people[1].name', 'has 201 characters, and 200 are the most'],
    [{ name: '' }, 'people[1].name', 'is empty. Give null to remove a name'],
    [{ name: 7 }, 'people[1].name', 'must be a string, not a number'],
    [{ departments: SECRET }, 'people[1].departments', 'must be a list of paths, not a text'],
    [{ departments: ['A', `B//${SECRET}`] }, 'people[1].departments[1]', 'has a department without a name'],
    [{ departments: [`A / ${SECRET}`] }, 'people[1].departments[0]', 'has a space at the beginning or end of a name'],
    [{ departments: [SECRET.padEnd(501, 'x')] }, 'people[1].departments[0]', 'has 501 characters, and 500 are the most'],
    [
      { departments: Array.from({ length: 51 }, (_, i) => `${SECRET}${i}`) },
      'people[1].departments',
      'has 51 departments, and 50 are the most',
    ],
    [{ departments: [null] }, 'people[1].departments[0]', 'must be a string, not null'],
    [{ managerUserId: 'a,b' }, 'people[1].managerUserId', 'looks like several ids in one'],
    [{ userId: 10023 }, 'people[1].userId', 'a number loses leading zeros'],
    [{ userId: undefined }, 'people[1].userId', 'must be a string, not nothing'],
    [{ userId: WANG.userId }, 'people[1].userId', 'is the same as people[0].userId'],
    [{ phone: SECRET }, 'people[1].phone', 'Unknown field "phone" of people[1]. Accepted: userId, name, departments, managerUserId'],
  ])('%j', async (fields, field, says) => {
    const { status, body, text } = await put({ people: [WANG, { userId: 'li', ...fields }] })
    expect([status, body.error]).toEqual([400, { code: 'INVALID_INPUT', field, message: expect.stringContaining(says) }])
    expect(text).not.toContain(SECRET)
    expect(await stored()).toEqual([])
    expect(served.log.join('\n')).not.toContain(SECRET)
  })

  test.each([
    [{ people: 'x' }, 'people', 'must be a list of objects'],
    [{ people: [] }, 'people', 'people is empty'],
    [{ people: Array.from({ length: 1_001 }, (_, i) => ({ userId: String(i) })) }, 'people', 'has 1001 items, and 1000 are the most'],
    [{ people: [null] }, 'people[0]', 'must be an object with at least "userId", not null'],
    [{ people: [WANG], app: 'a b' }, 'app', 'app must be 1 to 64 letters'],
    [{ people: [WANG], apps: 'x' }, 'apps', 'Unknown field "apps". Accepted: app, people'],
    [[WANG], 'body', 'must be an object with "people", not a list'],
    ['', 'body', 'must be an object with "people", not nothing'],
  ])('the request %j', async (request, field, says) => {
    const { status, body } = await put(request)
    expect([status, body.error]).toEqual([400, { code: 'INVALID_INPUT', field, message: expect.stringContaining(says) }])
  })

  test('a body that is too large, and a caller who may not change names', async () => {
    const { status, body } = await put(' '.repeat(PEOPLE_LIMIT_BYTES + 1))
    expect([status, body.error]).toEqual([
      413,
      { code: 'BODY_TOO_LARGE', message: expect.stringContaining('at most 1,000 people a request') },
    ])
    for (const token of [TOKENS.write, TOKENS.read]) {
      const refused = await put({ people: [WANG] }, token)
      expect([refused.status, refused.body.error.code]).toEqual([403, 'FORBIDDEN'])
    }
    expect(await stored()).toEqual([])
  })
})
