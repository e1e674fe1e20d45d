import fc from 'fast-check'
import { expect, test } from 'vitest'
import { effectiveCode, parseAnswer } from '../../src/domain/answer.ts'
import type { ListedState } from '../../src/domain/delivery.ts'
import { toProblemCode } from '../../src/domain/problems.ts'
import { exchangeAt, holds, minutesLater, wire } from './support.ts'

const EXCHANGE = exchangeAt(minutesLater(4))
const read = (body: unknown) => parseAnswer(body, EXCHANGE)

/** Whom the lists of a good answer name. */
function peopleIn(sendResult: Record<string, unknown>): Record<string, ListedState> {
  const answer = read({ errcode: 0, send_result: sendResult })
  if (answer.kind !== 'observed') throw new Error(`not a good answer: ${JSON.stringify(answer)}`)
  return Object.fromEntries(answer.observation.people)
}

function codeIn(body: unknown): string {
  const answer = read(body)
  return answer.kind === 'refused' ? answer.code : answer.kind
}

// ---- real answers

test('the answer captured from the real gateway', () => {
  const body = JSON.parse(
    '{"errcode":0,"errmsg":"ok","send_result":{"failed_user_id_list":[],"forbidden_list":[],"invalid_dept_id_list":[],"invalid_user_id_list":[],"read_user_id_list":["036632523163121146"],"unread_user_id_list":[]},"request_id":"16kcs7iwwcvj6"}',
  )
  expect(read(body)).toEqual({
    kind: 'observed',
    observation: { ...EXCHANGE, requestId: '16kcs7iwwcvj6', people: new Map([['036632523163121146', { kind: 'read' }]]) },
  })
})

test("the API page's example, which has no errmsg", () => {
  const body = JSON.parse(
    '{"errcode":0,"send_result":{"failed_user_id_list":[],"forbidden_list":[],"invalid_dept_id_list":[],"invalid_user_id_list":[],"read_user_id_list":["manager4220"],"unread_user_id_list":[]},"request_id":"6pcvwp6jcows"}',
  )
  expect(read(body)).toEqual({
    kind: 'observed',
    observation: { ...EXCHANGE, requestId: '6pcvwp6jcows', people: new Map([['manager4220', { kind: 'read' }]]) },
  })
})

// ---- lists

test('each list has its state', () => {
  expect(
    peopleIn({
      read_user_id_list: ['ann'],
      unread_user_id_list: ['bob'],
      failed_user_id_list: ['cy'],
      invalid_user_id_list: ['dee'],
      forbidden_user_id_list: ['eve'],
      invalid_dept_id_list: [1, 2, 3],
    }),
  ).toEqual({
    ann: { kind: 'read' },
    bob: { kind: 'unread' },
    cy: { kind: 'failed' },
    dee: { kind: 'invalid' },
    eve: { kind: 'forbidden', code: null, count: null },
  })
})

test('forbidden_user_id_list absent; a person only in forbidden_list', () => {
  expect(peopleIn({ forbidden_list: [{ code: '143105', count: 500, userid: 'ann' }] })).toEqual({
    ann: { kind: 'forbidden', code: '143105', count: 500 },
  })
})

test('a person only in forbidden_user_id_list is forbidden without a reason', () => {
  expect(peopleIn({ forbidden_user_id_list: ['ann'], forbidden_list: [{ code: '143106', count: 1, userid: 'bob' }] })).toEqual({
    ann: { kind: 'forbidden', code: null, count: null },
    bob: { kind: 'forbidden', code: '143106', count: 1 },
  })
})

test('a person in both forbidden lists has the reason', () => {
  expect(peopleIn({ forbidden_user_id_list: ['ann'], forbidden_list: [{ code: '143106', count: 1, userid: 'ann' }] })).toEqual({
    ann: { kind: 'forbidden', code: '143106', count: 1 },
  })
})

test('a code of forbidden_list as string or number, a count as number or string', () => {
  const entry = { kind: 'forbidden', code: '143105', count: 500 }
  expect(
    peopleIn({
      forbidden_list: [
        { code: '143105', count: 500, userid: 'ann' },
        { code: 143105, count: '500', userid: 'bob' },
      ],
    }),
  ).toEqual({ ann: entry, bob: entry })
})

test('a reason or a count that is none is left out, and the person stays forbidden', () => {
  const counts = [-1, 1.5, 2 ** 31, 'many', '-3', null, {}, Number.NaN]
  for (const count of counts) {
    expect(peopleIn({ forbidden_list: [{ code: null, count, userid: 'ann' }] })).toEqual({
      ann: { kind: 'forbidden', code: null, count: null },
    })
  }
})

test('entries of forbidden_list without a user id are skipped', () => {
  expect(peopleIn({ forbidden_list: [null, 'ann', 7, [], {}, { code: '143105' }, { userid: '' }, { userid: {} }] })).toEqual({})
})

test('one person twice in forbidden_list, in any order, has one reason', () => {
  const entries = [{ code: '143105', count: 500, userid: 'ann' }, { code: '143106', count: 1, userid: 'ann' }, { userid: 'ann' }]
  const greatest = { ann: { kind: 'forbidden', code: '143106', count: 1 } }
  expect(peopleIn({ forbidden_list: entries })).toEqual(greatest)
  expect(peopleIn({ forbidden_list: entries.toReversed() })).toEqual(greatest)
})

test('a person in several lists: read > unread > forbidden > failed > invalid', () => {
  const lists = ['read_user_id_list', 'unread_user_id_list', 'forbidden_user_id_list', 'failed_user_id_list', 'invalid_user_id_list']
  const kinds = lists.map((_, i) => peopleIn(Object.fromEntries(lists.slice(i).map((list) => [list, ['ann']])))['ann']?.kind)
  expect(kinds).toEqual(['read', 'unread', 'forbidden', 'failed', 'invalid'])
})

test('a person in a list of failures and in forbidden_list has the reason of forbidden_list', () => {
  expect(peopleIn({ failed_user_id_list: ['ann'], forbidden_list: [{ code: '143105', count: 1, userid: 'ann' }] })['ann']?.kind).toBe(
    'forbidden',
  )
})

test('a name twice in a list is one person', () => {
  expect(peopleIn({ unread_user_id_list: ['ann', 'ann', ' ann '] })).toEqual({ ann: { kind: 'unread' } })
})

test('lists as comma-joined strings', () => {
  expect(peopleIn({ read_user_id_list: 'ann, 036', unread_user_id_list: '', failed_user_id_list: ',bob,' })).toEqual({
    ann: { kind: 'read' },
    '036': { kind: 'read' },
    bob: { kind: 'failed' },
  })
})

test('leading zeros in user ids stay: 036 and 36 are two people', () => {
  expect(Object.keys(peopleIn({ read_user_id_list: ['036', '36'] })).toSorted()).toEqual(['036', '36'])
})

test('names of the language are names of people like any other', () => {
  const people = read(JSON.parse('{"errcode":0,"send_result":{"unread_user_id_list":["__proto__","constructor","李雷"]}}'))
  expect(people.kind === 'observed' ? [...people.observation.people.keys()] : []).toEqual(['__proto__', 'constructor', '李雷'])
})

test('what cannot be a user id is passed over, and the others stay', () => {
  const items = [null, undefined, true, {}, [], '', '  ', 'a\u0000b', '\ud800', 'x'.repeat(129), 'a\nb', 'ann', 7]
  expect(Object.keys(peopleIn({ unread_user_id_list: items })).toSorted()).toEqual(['7', 'ann'])
})

test('missing lists, lists that are no lists and unknown keys are tolerated', () => {
  expect(peopleIn({ read_user_id_list: null, unread_user_id_list: 5, forbidden_list: 'x', status: 2, news: ['ann'] })).toEqual({})
})

test('unknown keys beside the lists are ignored', () => {
  expect(read({ ...wire({ read: ['ann'] }), success: true, trace: { a: [1] } })).toEqual(read(wire({ read: ['ann'] })))
})

test('errcode 0 as text is success', () => {
  expect(read({ ...wire({ read: ['ann'] }), errcode: '0' })).toEqual(read(wire({ read: ['ann'] })))
})

// ---- no information

test('send_result null, {}, missing or no object with errcode 0: no information', () => {
  const bodies = [{}, { send_result: null }, { send_result: {} }, { send_result: [] }, { send_result: '' }, { send_result: 'ann' }]
  for (const body of bodies) {
    expect(read({ errcode: 0, errmsg: 'ok', request_id: 'r1', ...body })).toEqual({ kind: 'empty', requestId: 'r1', ...EXCHANGE })
  }
})

test('lists that are all empty are an observation: no recipient is listed yet', () => {
  expect(read(wire({})).kind).toBe('observed')
})

// ---- refusals

test('a page of HTML, a list, a number: no JSON object, so an outage', () => {
  for (const body of ['<html><title>403</title></html>', '', [], [{ errcode: 0 }], 0, null, undefined, true]) {
    expect(read(body)).toEqual({
      kind: 'refused',
      code: 'NOT_JSON',
      message: 'the answer is not a JSON object',
      requestId: null,
      ...EXCHANGE,
    })
  }
})

test('the ban page {"status":1111,…} is an outage, not a result', () => {
  expect(codeIn({ status: 1111, wait: 5, source: 'x5', punish: 'deny' })).toBe('NO_CODE')
  expect(toProblemCode('NO_CODE')).toBe('outage')
})

test('an errcode that is no code is none, whatever else is there', () => {
  for (const errcode of [null, '', true, {}, []]) expect(codeIn({ ...wire({ read: ['ann'] }), errcode })).toBe('NO_CODE')
})

test('an expired token, a rate limit and a missing permission that arrive as errcode 88 with sub_code', () => {
  const wrapped = (sub_code: string | number) =>
    codeIn({ errcode: 88, sub_code, sub_msg: '…', errmsg: `ding talk error[subcode=${sub_code}]` })
  expect([wrapped('40014'), wrapped(90018), wrapped('60011'), wrapped('40000')]).toEqual(['40014', '90018', '60011', '88/40000'])
})

test('an expired token, a rate limit and a missing permission that arrive only inside errmsg', () => {
  const wrapped = (code: number) => codeIn({ errcode: 88, errmsg: `ding talk error[subcode=${code},submsg=不合法的access_token]` })
  expect([wrapped(40014), wrapped(90018), wrapped(60011), wrapped(40000)]).toEqual(['40014', '90018', '60011', '88/40000'])
})

test('sub_code goes before errmsg, and errmsg before errcode', () => {
  expect(effectiveCode({ errcode: 88, sub_code: '40014', errmsg: '[subcode=90018]' })).toBe('40014')
  expect(effectiveCode({ errcode: 15, errmsg: '[SubCode=90018]' })).toBe('90018')
  expect(effectiveCode({ errcode: 40000 })).toBe('40000')
  expect(effectiveCode({ sub_code: '40014' })).toBe('40014')
  expect(effectiveCode({})).toBeNull()
})

test('a code inside an answer with errcode 0 does not undo the success', () => {
  expect(read({ ...wire({ read: ['ann'] }), sub_code: '40014', errmsg: 'ok [subcode=40014]' }).kind).toBe('observed')
})

test('a code 0 inside an error does not make it a success', () => {
  expect(codeIn({ ...wire({ read: ['ann'] }), errcode: 88, sub_code: '0' })).toBe('88')
  expect(codeIn({ ...wire({}), errcode: -1, errmsg: '[subcode=0]' })).toBe('-1')
})

test('a refusal keeps code, messages and request id', () => {
  expect(read({ errcode: 88, sub_code: '40014', sub_msg: '不合法的access_token', errmsg: 'ding talk error', request_id: 'r1' })).toEqual({
    kind: 'refused',
    code: '40014',
    message: 'ding talk error 不合法的access_token',
    requestId: 'r1',
    ...EXCHANGE,
  })
})

test('missing errmsg: the refusal has no message', () => {
  expect(read({ errcode: 40035 })).toMatchObject({ kind: 'refused', code: '40035', message: '' })
})

test('code, message and request id are kept short and storable: one NUL would fail the write of many polls', () => {
  const long = `\u0000${'😀'.repeat(400)}`
  const answer = read({ errcode: long, errmsg: long, request_id: long })
  if (answer.kind !== 'refused') throw new Error('a refusal was expected')
  const texts = [answer.code, answer.message, answer.requestId ?? '']
  expect(texts.map((text) => text.length)).toEqual([64, 300, 64])
  expect(texts.every((text) => text.isWellFormed() && !text.includes('\u0000'))).toBe(true)
})

test('any JSON, and any value at all, gives an answer', () => {
  const keys = fc.constantFrom(
    'errcode',
    'errmsg',
    'sub_code',
    'send_result',
    'request_id',
    'read_user_id_list',
    'forbidden_list',
    'userid',
  )
  const close = fc.object({
    key: keys,
    maxDepth: 4,
    values: [fc.constant(0), fc.string({ unit: 'binary' }), fc.integer(), fc.constant(null)],
  })
  holds(
    fc.property(fc.oneof(fc.jsonValue(), fc.anything(), close), (body) => {
      expect(['observed', 'empty', 'refused']).toContain(read(body).kind)
    }),
    5_000,
  )
})
