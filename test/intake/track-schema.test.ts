import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { InvalidInputError } from '../../src/domain/errors.ts'
import { ID_PATTERN, MAX_CAMPAIGN, MAX_USER_ID, TIME_PATTERN } from '../../src/domain/field-rules.ts'
import { parseTime, parseTrackRequest } from '../../src/intake/track-request.ts'
import { TRACK_SCHEMA } from '../../src/intake/track-schema.ts'
import { holds, SENT } from '../domain/support.ts'

/** So late that no send is ahead of it: how far ahead is no matter of form. */
const LATE = new Date(8.64e15)
const isSchemaContent = new Ajv2020().compile(TRACK_SCHEMA)

function isTaken(input: unknown): boolean {
  try {
    parseTrackRequest(input, LATE)
    return true
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidInputError)
    return false
  }
}

/** The rules for which JSON Schema has no words; whatever else is not as it must be, the schema says. */
function isBeyondSchema(input: unknown): boolean {
  const { userIds, campaign, sentAt } = Object(input) as Readonly<Record<string, unknown>>
  const ids = Array.isArray(userIds) ? userIds : []
  return (
    new Set(ids).size > 100 ||
    ids.some((id) => String(id).length > MAX_USER_ID) ||
    String(campaign).length > MAX_CAMPAIGN ||
    (typeof sentAt === 'string' && (parseTime(sentAt)?.getTime() ?? 0) < Date.UTC(2015))
  )
}

const digits = fc.oneof(
  fc.bigInt({ min: -3n, max: 2n ** 64n }).map(String),
  fc.bigInt({ min: 9_223_372_036_854_775_700n, max: 9_223_372_036_854_775_900n }).map(String),
  fc.stringMatching(/^\d{0,20}$/),
)
const number = fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(2 ** 53))
const letters = fc.constantFrom(
  'a',
  '0',
  '-',
  '_',
  ' ',
  '\t',
  '\u0000',
  '\u0085',
  '\u00a0',
  '\u2028',
  '\ufeff',
  '李',
  '😀',
  '\ud83d',
  '\ude00',
)
const label = fc.oneof(
  fc.string({ unit: letters, maxLength: 6 }),
  fc.string({ unit: letters, minLength: 60, maxLength: 210 }),
  fc.nat(210).map((length) => 'x'.repeat(length)),
  fc.nat(110).map((length) => '😀'.repeat(length)),
)
const two = (max: number): fc.Arbitrary<string> => fc.nat(max).map((value) => String(value).padStart(2, '0'))
const time = fc
  .tuple(
    fc.oneof(fc.integer({ min: 2010, max: 2032 }), fc.nat(9_999)).map((year) => String(year).padStart(4, '0')),
    fc.tuple(two(13), two(32)),
    fc.constantFrom('T', 't', ' ', '_'),
    fc.tuple(two(24), two(60), fc.constantFrom('', ':59', ':00.5', ':07.123456789', ':60', ':')),
    fc.constantFrom('Z', 'z', '', '+08:00', '-0330', '+23:59', '+24:00', '+8'),
  )
  .map(([year, [month, day], t, [hour, minute, second], zone]) => `${year}-${month}-${day}${t}${hour}:${minute}${second}${zone}`)
const anything = fc.jsonValue()
const request = fc.record(
  {
    taskId: fc.oneof({ weight: 6, arbitrary: fc.constant('1') }, digits, number, anything),
    agentId: fc.oneof(digits, number, anything),
    app: fc.oneof(
      fc.string({ unit: letters, maxLength: 5 }),
      fc.nat(70).map((length) => 'x'.repeat(length)),
      anything,
    ),
    userIds: fc.oneof(fc.array(fc.oneof({ weight: 5, arbitrary: label }, anything), { maxLength: 3 }), anything),
    campaign: fc.oneof(label, anything),
    sentAt: fc.oneof(
      time,
      number,
      fc.date({ noInvalidDate: true }).map((date) => date.getTime()),
      anything,
    ),
  },
  { requiredKeys: ['taskId'] },
)
/** One field at a time as well: of six that may each be wrong, hardly ever is only one. */
const single = fc
  .tuple(request, fc.constantFrom('agentId', 'app', 'userIds', 'campaign', 'sentAt'))
  .map(([input, name]) => ({ taskId: '1', [name]: Reflect.get(input, name) ?? null }))

test('the schema and the ways to enqueue take the same requests', () => {
  holds(
    fc.property(fc.oneof(request, single, anything), (input) => {
      expect(isSchemaContent(input) && !isBeyondSchema(input)).toBe(isTaken(input))
    }),
    20_000,
  )
})

test('the rules that the schema cannot say are the ways to enqueue’ own', () => {
  const beyond = [
    { taskId: '1', userIds: Array.from({ length: 101 }, (_, i) => `user${i}`) },
    { taskId: '1', userIds: ['😀'.repeat(65)] },
    { taskId: '1', campaign: '😀'.repeat(101) },
    { taskId: '1', sentAt: '2014-12-31T00:00:00Z' },
  ]
  for (const input of beyond) expect([isSchemaContent(input), isBeyondSchema(input), isTaken(input)]).toEqual([true, true, false])
  const ahead = { taskId: '1', sentAt: '2026-11-23T09:00:00+08:00' }
  expect(isSchemaContent(ahead)).toBe(true)
  expect(() => parseTrackRequest(ahead, new Date(SENT.getTime() - 3_600_000))).toThrow('60 minutes in the future')
})

test('what is taken is one of the calendar’s moments, and nothing of the calendar is left out', () => {
  const isTime = new RegExp(TIME_PATTERN, 'u')
  holds(
    fc.property(fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }), (date) => {
      expect(date.toISOString()).toMatch(isTime)
    }),
    2_000,
  )
  holds(
    fc.property(time, (text) => {
      const moment = parseTime(text)
      if (moment === null) return
      expect(moment.getTime()).not.toBeNaN()
      expect(new Date(text.slice(0, 10)).toISOString().slice(0, 10)).toBe(text.slice(0, 10))
    }),
    5_000,
  )
  for (const [day, is] of [
    ['2024-02-29', true],
    ['2023-02-29', false],
    ['2100-02-29', false],
    ['2000-02-29', true],
    ['2026-04-31', false],
  ] as const)
    expect([day, isTime.test(`${day}T00:00Z`)]).toEqual([day, is])
})

test('an id is a Long and nothing beside it', () => {
  const isId = new RegExp(ID_PATTERN, 'u')
  const edges = [0n, 1n, 9n, 10n, 10n ** 18n - 1n, 10n ** 18n, 2n ** 63n - 1n, 2n ** 63n, 10n ** 19n - 1n, 10n ** 19n]
  expect(edges.map((id) => isId.test(String(id)))).toEqual([false, true, true, true, true, true, true, false, false, false])
  holds(
    fc.property(fc.bigInt({ min: -10n, max: 2n ** 65n }), (id) => {
      expect(isId.test(String(id))).toBe(id >= 1n && id < 2n ** 63n)
    }),
    2_000,
  )
})
