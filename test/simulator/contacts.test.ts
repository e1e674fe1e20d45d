import { expect, test } from 'vitest'
import { type Bench, bench, fetchReply, formBody, type Json } from './harness.ts'

/** DingTalk's contact API: departments, and who is in them. */

const DIRECTORY = {
  departments: [
    { deptId: 10, name: '销售部' },
    { deptId: 11, name: 'North', parentId: 10 },
  ],
  people: [
    { userId: '0366', name: '王伟', deptIds: [10, 11] },
    { userId: 'manager4220', name: 'Ann', deptIds: [1] },
    { userId: '007', name: '李娜', deptIds: [10] },
  ],
}

const LISTSUB = '/topapi/v2/department/listsub'
const GET = '/topapi/v2/department/get'
const LIST = '/topapi/v2/user/list'
const SIMPLE = '/topapi/user/listsimple'

async function ask(it: Bench, path: string, fields: Json): Promise<Json> {
  return (await it.post(`${path}?access_token=${await it.token()}`, fields)).json
}

test('listsub: the departments one level below, of the root where none is named', async () => {
  const it = await bench({ directory: DIRECTORY })
  const top = { errcode: 0, errmsg: 'ok', request_id: expect.any(String) }
  expect(await ask(it, LISTSUB, {})).toMatchObject({ ...top, result: [{ dept_id: 10, name: '销售部', parent_id: 1 }] })
  expect(await ask(it, LISTSUB, { dept_id: 10 })).toMatchObject({ result: [{ dept_id: 11, name: 'North', parent_id: 10 }] })
  expect(await ask(it, LISTSUB, { dept_id: '11' })).toMatchObject({ errcode: 0, result: [] })
  expect(await ask(it, LISTSUB, { dept_id: 12 })).toMatchObject({ errcode: 60003 })
})

test('get: one department; the root has no parent', async () => {
  const it = await bench({ directory: DIRECTORY })
  expect(await ask(it, GET, { dept_id: 11 })).toMatchObject({ errcode: 0, result: { dept_id: 11, name: 'North', parent_id: 10 } })
  expect(await ask(it, GET, { dept_id: 1 })).toMatchObject({ result: expect.not.objectContaining({ parent_id: expect.anything() }) })
  expect(await ask(it, GET, {})).toMatchObject({ errcode: 40, errmsg: 'Missing required arguments:dept_id' })
})

test('list and listsimple: the members of the department itself, a page at a time', async () => {
  const it = await bench({ directory: DIRECTORY })
  expect(await ask(it, LIST, { dept_id: 10, cursor: 0, size: 1 })).toMatchObject({
    errcode: 0,
    result: { has_more: true, next_cursor: 1, list: [{ userid: '0366', name: '王伟', dept_id_list: [10, 11] }] },
  })
  expect(await ask(it, SIMPLE, { dept_id: 10, cursor: 1, size: 100 })).toEqual({
    ...{ errcode: 0, errmsg: 'ok', request_id: expect.any(String) },
    result: { has_more: false, list: [{ userid: '007', name: '李娜' }] },
  })
})

test.each([
  [{ cursor: 0 }, 40],
  [{ size: 10 }, 40],
  [{ cursor: 0, size: 101 }, 400002],
  [{ cursor: -1, size: 10 }, 400002],
])('a page of %j is refused', async (fields, errcode) => {
  const it = await bench({ directory: DIRECTORY })
  expect(await ask(it, LIST, { dept_id: 10, ...fields })).toMatchObject({ errcode })
})

test('a form works as JSON does, with the token in it; a call without one is refused', async () => {
  const it = await bench({ directory: DIRECTORY })
  const form = (fields: Record<string, string>) =>
    fetchReply(`${it.simulator.url}${SIMPLE}`, formBody({ dept_id: '1', cursor: '0', size: '10', ...fields }))
  expect((await form({ access_token: await it.token() })).json).toMatchObject({ result: { list: [{ userid: 'manager4220' }] } })
  expect((await form({})).json).toMatchObject({ errcode: 88, sub_code: '41001' })
})

test('calls are limited, metered, counted and struck by faults as all others are; without a permission DingTalk names it', async () => {
  const it = await bench({ directory: DIRECTORY, monthlyQuota: 2, callsPerSecond: 3 })
  it.simulator.inject({ kind: 'code', code: 60011, form: 'wrapped', times: 1, match: { endpoint: 'user/list' } })
  it.simulator.inject({ kind: 'code', code: 60011, times: 1, match: { endpoint: 'department/get' } })
  expect(await ask(it, LIST, { dept_id: 1 })).toMatchObject({
    sub_code: '60011',
    sub_msg: expect.stringContaining('[qyapi_get_department_member]'),
  })
  expect(await ask(it, GET, { dept_id: 1 })).toMatchObject({
    errcode: 60011,
    errmsg: expect.stringContaining('[qyapi_get_department_list]'),
  })
  expect([await ask(it, LISTSUB, {}), await ask(it, LISTSUB, {}), await ask(it, LISTSUB, {})]).toMatchObject([
    { errcode: 0 },
    { errcode: 0 },
    { sub_code: '90020' },
  ])
  expect(await ask(it, LISTSUB, {})).toMatchObject({ sub_code: '90018' })
  expect(it.simulator.stats()).toMatchObject({
    metered: 2,
    byEndpoint: { 'department/listsub': { calls: 4, byCode: { '0': 2, '90018': 1, '90020': 1 } }, 'user/list': { calls: 1 } },
  })
})

test('drawn from the seed: as many people as wanted, in twelve departments, some in two, ids with leading zeros, names in two languages', async () => {
  const { simulator } = await bench({ directory: { people: 3_000 } })
  const again = await bench({ directory: { people: 3_000 } })
  const other = await bench({ directory: { people: 3_000 }, seed: 8 })
  const { departments, people } = simulator.directory
  expect(again.simulator.directory).toEqual(simulator.directory)
  expect(other.simulator.directory.people).not.toEqual(people)
  expect(departments).toHaveLength(13)
  expect(departments.filter(({ parentId }) => parentId === null)).toMatchObject([{ deptId: 1 }])
  expect(departments.some(({ name }) => name.includes('/'))).toBe(true)
  expect(new Set(people.map(({ userId }) => userId)).size).toBe(3_000)
  for (const { deptId } of departments) expect(people.some(({ deptIds }) => deptIds.includes(deptId))).toBe(true)
  const share = (is: (person: (typeof people)[number]) => boolean) => people.filter(is).length / people.length
  expect(share(({ userId }) => userId.startsWith('0'))).toBeGreaterThan(0.5)
  expect(share(({ deptIds }) => deptIds.length === 2)).toBeGreaterThan(0.02)
  expect(share(({ name }) => /^\p{Script=Han}+$/u.test(name))).toBeGreaterThan(0.5)
  expect(share(({ name }) => /^[A-Z]/.test(name))).toBeGreaterThan(0.1)
})

test('with people, a send to a department reaches those in it and below it; the truth about people has an address', async () => {
  const it = await bench({ directory: DIRECTORY })
  const reached = async (fields: Json) => it.simulator.truth(await it.send(fields))?.recipients.map(({ userId }) => userId)
  expect(await reached({ dept_id_list: '10' })).toEqual(['0366', '007'])
  expect(await reached({ dept_id_list: '11', userid_list: 'someone' })).toEqual(['someone', '0366'])
  expect(await reached({ to_all_user: true })).toEqual(['0366', 'manager4220', '007'])
  const task = await it.send({ dept_id_list: '12', userid_list: '007' })
  it.pass(120_000)
  expect((await it.result(task))['invalid_dept_id_list']).toEqual([12])
  expect(await it.call('/_simulator/directory')).toMatchObject({ json: { people: DIRECTORY.people } })
})

test.each([
  [{ people: -1 }, /directory/],
  [{ departments: [{ deptId: 1, name: 'Root' }] }, /1 not at all/],
  [{ departments: [{ deptId: 2, name: 'A', parentId: 3 }] }, /leads to the root.*department 2/],
  [
    {
      departments: [
        { deptId: 2, name: 'A', parentId: 3 },
        { deptId: 3, name: 'B', parentId: 2 },
      ],
    },
    /leads to the root/,
  ],
  [{ people: [{ userId: '1', name: 'A', deptIds: [9] }] }, /no department 9/],
  [
    {
      people: [
        { userId: '1', name: 'A' },
        { userId: '1', name: 'B' },
      ],
    },
    /each userId once/,
  ],
])('%j is no directory', async (directory, says) => {
  await expect(bench({ directory })).rejects.toThrow(says)
})
