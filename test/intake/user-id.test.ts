import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseAnswer } from '../../src/domain/answer.ts'
import { InvalidInputError } from '../../src/domain/errors.ts'
import { isUserId } from '../../src/domain/field-rules.ts'
import { parseTrackRequest, parseUserId } from '../../src/intake/track-request.ts'
import { holds, minutesLater } from '../domain/support.ts'

const NOW = minutesLater(60)
const EXCHANGE = { requestedAt: NOW, respondedAt: NOW }

function refusalOf(userId: string): string | null {
  try {
    parseTrackRequest({ taskId: '1', userIds: [userId] }, NOW)
    return null
  } catch (error) {
    if (error instanceof InvalidInputError) return error.message
    throw error
  }
}

/** What the answer reader makes of a list. */
function readIds(list: unknown): string[] {
  const answer = parseAnswer({ errcode: 0, send_result: { unread_user_id_list: list } }, EXCHANGE)
  return answer.kind === 'observed' ? [...answer.observation.people.keys()] : []
}

/** Near every rule: its letters, alone and between letters of ids. */
const text = fc.oneof(
  fc.string({
    unit: fc.constantFrom(
      ...Array.from('a0李😀 ,;|"\'`“”’[]{}()<>=+-_@.:/\\\t\r\n'),
      '\u00ad',
      '\u200b',
      '\u200d',
      '\ufeff',
      '\u3000',
      '，',
      '、',
      '；',
      '\u2028',
    ),
    maxLength: 8,
  }),
  fc.string({ unit: 'binary', maxLength: 140 }),
)

describe('one rule for what a user id is', () => {
  test('whatever is accepted is what an answer is read for, unchanged, in a list and in a joined text', () => {
    holds(
      fc.property(text, text, (one, other) => {
        fc.pre(refusalOf(one) === null && refusalOf(other) === null)
        expect(readIds([one, other])).toEqual([...new Set([one, other])])
        expect(readIds(`${one},${other}`)).toEqual([...new Set([one, other])])
      }),
      5_000,
    )
  })

  test('what is refused is read as nobody, or as somebody else: it would be a person who never reads', () => {
    holds(
      fc.property(text, (one) => {
        fc.pre(refusalOf(one) !== null)
        expect(readIds([one])).not.toContain(one)
      }),
      5_000,
    )
  })

  test('what is plain is recognised at once, and by the whole rule alike', () => {
    holds(
      fc.property(fc.stringMatching(/^[A-Za-z0-9_.@-]{1,130}$/), (id) => {
        expect(isUserId(id)).toBe(id.length <= 128)
      }),
      500,
    )
  })
})

describe('a refusal says what was probably meant', () => {
  test.each([
    '0366,manager4220',
    '0366, manager4220',
    '0366，manager4220',
    '0366、manager4220',
    '0366;manager4220',
    '李雷； 韩梅梅',
    '0366|manager4220',
    '0366\tmanager4220',
    '0366\nmanager4220',
    '0366\r\n\r\nmanager4220',
    ',0366',
    '0366,',
    'default,256271667526,payroll-11,"0366",read',
  ])('%j is several ids', (userId) => {
    expect(refusalOf(userId)).toMatch(/^userIds\[0\] ".*" looks like several ids in one, .* Give each id as an item of its own\.$/)
  })

  test.each([
    '"0366"',
    '0366"',
    '"0366',
    '“0366”',
    '「0366」',
    "'0366'",
    '‘0366’',
    '`0366`',
    '="0366"',
    '[0366]',
    '{0366}',
    "'=0366",
    "'-0366",
    "'@0366",
    "'+0366",
  ])('%j is an id with quotation marks or brackets', (userId) => {
    expect(refusalOf(userId)).toMatch(/^userIds\[0\] ".*" has quotation marks or brackets, which no id has\. Give the id without them\.$/)
  })

  test.each(['\u200b0366', '03\u00ad66', '0366\u200e', '\u202a0366\u202c', '03\ufeff66', '0366\u2060'])(
    '%j has an invisible character',
    (userId) => {
      expect(refusalOf(userId)).toMatch(/^userIds\[0\] ".*" has an invisible character, .* Give the id without it\.$/u)
    },
  )

  test.each(['', ' 0366', '0366\n', '\t0366', 'a\u0007b', 'x'.repeat(129)])('%j is no label', (userId) => {
    expect(refusalOf(userId)).toMatch(/^userIds\[0\] must have 1 to 128 characters without spaces around them or control characters/)
  })
})

test('what ids of organisations look like is accepted', () => {
  const ids = [
    '036632523163121146',
    'manager4220',
    'li.wei',
    'li-wei_2',
    'li@corp.com',
    '$:LWCP_v1:$abc==',
    '李雷',
    'Li Wei',
    "O'Brien",
    'a;',
    'a/b',
    'a"b',
    '=HYPERLINK("x")',
    '(a)',
    '#1',
  ]
  expect(ids.map(refusalOf)).toEqual(ids.map(() => null))
})

test('somebody whom an earlier version took for one person can still be looked up', () => {
  expect(parseUserId('userId', '0366,manager4220')).toBe('0366,manager4220')
})
