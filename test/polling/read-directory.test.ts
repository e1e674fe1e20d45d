import { expect, test } from 'vitest'
import type { Refusal } from '../../src/domain/delivery.ts'
import type { Department } from '../../src/domain/directory.ts'
import type { Permit } from '../../src/polling/permits.ts'
import type { ContactCall, ContactResult, ContactsApi, MemberPage } from '../../src/polling/ports.ts'
import { createContactCalls, DirectoryReadError, readDepartments, readMembers } from '../../src/polling/read-directory.ts'

const NOW = new Date('2026-11-30T04:00:00Z')
const GRANTED: Permit = { kind: 'granted', month: '2026-11' }
const NO_BUDGET: Permit = { kind: 'budget', until: NOW, used: 5, reserved: 0, month: '2026-11', budget: 5 }

const ok = <Value>(value: Value): ContactResult<Value> => ({ answer: { kind: 'answered', value }, calls: 1 })
const refusal = (code: string, message = ''): Refusal => ({
  ...{ kind: 'refused', code, message, requestId: null, requestedAt: NOW, respondedAt: NOW },
})
const refused = (code: string, message = '', calls = 1): ContactResult<never> => ({ answer: refusal(code, message), calls })

interface Script {
  readonly listsub?: (id: string) => ContactResult<readonly Department[]>
  readonly get?: (id: string) => ContactResult<Department>
  readonly listsimple?: (id: string, cursor: number, call: ContactCall) => Promise<ContactResult<MemberPage>> | ContactResult<MemberPage>
  readonly permits?: readonly Permit[]
}

/** The calls of a reading, in the order in which they were made, and the months that were given back. */
function aReading({ listsub, get, listsimple, permits = [] }: Script) {
  const asked: string[] = []
  const refunds: string[] = []
  const next = [...permits]
  const record = <Value>(what: string, value: Value): Value => (asked.push(what), value)
  const contacts: ContactsApi = {
    listsub: async (id) => record(`listsub ${id}`, listsub?.(id) ?? ok([])),
    get: async (id) => record(`get ${id}`, get?.(id) ?? refused('60003')),
    listsimple: async (id, cursor, call) =>
      record(`listsimple ${id} ${cursor}`, (await listsimple?.(id, cursor, call)) ?? ok({ members: [], next: null })),
  }
  const deps = {
    ...{ contacts, now: () => NOW, app: 'default' },
    permits: { take: async () => next.shift() ?? GRANTED },
    limiter: { refund: async (_: string, month: string) => void refunds.push(month) },
  }
  return { calls: createContactCalls(deps, new AbortController().signal), asked, refunds }
}

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => (error instanceof DirectoryReadError ? error.failure : error),
  )

const BELOW: Readonly<Record<string, readonly Department[]>> = {
  '1': [
    { id: '10', name: 'Sales', parentId: '1' },
    { id: '20', name: 'Research', parentId: '1' },
  ],
  '10': [{ id: '11', name: 'North', parentId: '10' }],
}
const listsub = (id: string) => ok(BELOW[id] ?? [])

test('each department is asked for once, level by level', async () => {
  const { calls, asked } = aReading({ listsub })
  expect(await readDepartments(calls, '1')).toEqual({
    departments: [...(BELOW['1'] ?? []), ...(BELOW['10'] ?? [])],
    read: ['1', '10', '20', '11'],
    reachesTop: true,
  })
  expect([asked, calls.made()]).toEqual([['listsub 1', 'listsub 10', 'listsub 20', 'listsub 11'], 4])
})

test('a department that is listed twice, or below itself, is read once', async () => {
  const { calls, asked } = aReading({ listsub: (id) => ok([...(BELOW[id] ?? []), ...(BELOW['10'] ?? [])]) })
  expect(await readDepartments(calls, '1')).toMatchObject({ read: ['1', '10', '20', '11'] })
  expect(asked).toHaveLength(4)
})

test('a member list is read page by page', async () => {
  const { calls, asked } = aReading({
    listsimple: (id, cursor) =>
      ok({ members: [{ userId: `${id}-${cursor}`, name: 'Ann' }], next: id === '10' && cursor === 0 ? 100 : null }),
  })
  const progress: number[] = []
  expect(await readMembers(calls, ['10', '20'], (done) => progress.push(done))).toEqual([
    {
      departmentId: '10',
      members: [
        { userId: '10-0', name: 'Ann' },
        { userId: '10-100', name: 'Ann' },
      ],
    },
    { departmentId: '20', members: [{ userId: '20-0', name: 'Ann' }] },
  ])
  expect([asked, progress]).toEqual([
    ['listsimple 10 0', 'listsimple 10 100', 'listsimple 20 0'],
    [1, 2],
  ])
})

const UP: Readonly<Record<string, Department>> = {
  '11': { id: '11', name: 'North', parentId: '10' },
  '10': { id: '10', name: 'Sales', parentId: '1' },
}

test('a reading that begins below the root learns the names above it', async () => {
  const { calls, asked } = aReading({ get: (id) => ok(UP[id] ?? { id, name: '', parentId: null }) })
  expect(await readDepartments(calls, '11')).toEqual({ departments: [UP['11'], UP['10']], read: ['11'], reachesTop: true })
  expect(asked).toEqual(['get 11', 'get 10', 'listsub 11'])
})

test('a department above that the app may not see begins no path; the first one must be seen', async () => {
  const hidden = aReading({ get: (id) => (id === '11' ? ok({ id, name: 'North', parentId: '10' }) : refused('50004')) })
  expect(await readDepartments(hidden.calls, '11')).toMatchObject({ departments: [UP['11']], reachesTop: false })
  const first = aReading({ get: () => refused('50004') })
  expect(await failureOf(readDepartments(first.calls, '11'))).toMatchObject({ kind: 'refused', name: 'get', departmentId: '11' })
  const other = aReading({ get: (id) => (id === '11' ? ok({ id, name: 'North', parentId: '10' }) : refused('60003')) })
  expect(await failureOf(readDepartments(other.calls, '11'))).toMatchObject({ kind: 'refused', departmentId: '10' })
})

test('departments above each other in a circle end', async () => {
  const { calls } = aReading({ get: (id) => ok({ id, name: id, parentId: id === '11' ? '10' : '11' }) })
  expect(await readDepartments(calls, '11')).toMatchObject({ read: ['11'] })
})

test('without a permit no call is made', async () => {
  const { calls, asked } = aReading({ permits: [NO_BUDGET] })
  expect(await failureOf(readDepartments(calls, '1'))).toEqual({ kind: 'not permitted', permit: NO_BUDGET })
  expect([asked, calls.made()]).toEqual([[], 0])
})

test.each([
  ['that DingTalk does not count', refused('90020'), ['2026-11']],
  ['that was never sent', refused('TOKEN_REFUSED', '', 0), ['2026-11']],
  ['that counts', refused('60011'), []],
])('a permit of a call %s', async (_, answer, given) => {
  const { calls, refunds } = aReading({ listsub: () => answer })
  expect(await failureOf(readDepartments(calls, '1'))).toMatchObject({ kind: 'refused' })
  expect(refunds).toEqual(given)
})

test('a second call with a fresh token has a permit of its own, or is not made', async () => {
  const asks: boolean[] = []
  const listsimple: Script['listsimple'] = async (_, __, { mayRepeat, signal }) => {
    asks.push(await mayRepeat(signal))
    return asks[0] === true ? { ...ok({ members: [], next: null }), calls: 2 } : refused('60011')
  }
  const one = aReading({ listsimple })
  await readMembers(one.calls, ['1'], () => undefined)
  expect([asks.splice(0), one.refunds, one.calls.made()]).toEqual([[true], [], 2])
  const none = aReading({ listsimple, permits: [GRANTED, NO_BUDGET] })
  expect(await failureOf(readMembers(none.calls, ['1'], () => undefined))).toMatchObject({ kind: 'refused' })
  expect([asks, none.refunds]).toEqual([[false], []])
})

test('a penalty that lasts is not waited for', async () => {
  const { calls, asked } = aReading({ listsub: () => refused('90018', '限制将在 2026-11-30 12:05:00 结束.') })
  expect(await failureOf(readDepartments(calls, '1'))).toMatchObject({ answer: { code: '90018' } })
  expect(asked).toHaveLength(1)
})

test('a rate limit is waited for as long as DingTalk says, and then the call is made again', async () => {
  let left = 2
  const { calls, asked, refunds } = aReading({
    listsub: () => (left-- > 0 ? refused('90018', '限制将在 2026-11-30 12:00:00 结束.') : ok([])),
  })
  expect(await readDepartments(calls, '1')).toMatchObject({ read: ['1'] })
  expect([asked.length, refunds]).toEqual([3, ['2026-11', '2026-11']])
})
