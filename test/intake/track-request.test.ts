import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InvalidInputError, TrackerError } from '../../src/domain/errors.ts'
import { parseApp, parseOneOf, parseTaskId, parseTrackRequest } from '../../src/intake/track-request.ts'
import { holds, minutesLater, SENT } from '../domain/support.ts'

const NOW = minutesLater(60)

const parse = (fields: Record<string, unknown>) => parseTrackRequest({ taskId: '256271667526', ...fields }, NOW)

/** The field and the message of the refusal. */
function refusalOf(act: () => unknown): { field: string; code: string; message: string } {
  try {
    act()
  } catch (error) {
    if (error instanceof InvalidInputError) return { field: error.field, code: error.code, message: error.message }
    throw error
  }
  throw new Error('it was accepted')
}

const refusedField = (fields: Record<string, unknown>) => refusalOf(() => parse(fields))

describe('a request', () => {
  test('needs no more than a task id', () => {
    expect(parseTrackRequest({ taskId: '256271667526' }, NOW)).toEqual({
      app: 'default',
      taskId: '256271667526',
      agentId: null,
      userIds: null,
      campaign: null,
      sentAt: null,
    })
  })

  test('may say everything', () => {
    const request = {
      taskId: '256271667526',
      agentId: '836390886',
      app: 'hr',
      userIds: ['bob', 'ann'],
      campaign: 'payroll-11',
      sentAt: SENT,
    }
    expect(parseTrackRequest(request, NOW)).toEqual({ ...request, userIds: ['ann', 'bob'] })
  })

  test('may say nothing about what it does not know: null is left out', () => {
    const nulls = { agentId: null, app: null, userIds: null, campaign: null, sentAt: null }
    expect(parse(nulls)).toEqual(parse({}))
  })

  test('must be an object', () => {
    for (const input of [null, undefined, 'x', 7, 7n, true, [], [{ taskId: '1' }], () => 1, Symbol('x')]) {
      expect(refusalOf(() => parseTrackRequest(input, NOW))).toMatchObject({ field: 'body', code: 'INVALID_INPUT' })
    }
    expect(refusalOf(() => parseTrackRequest(null, NOW)).message).toContain('at least "taskId", not null')
    expect(refusalOf(() => parseTrackRequest(undefined, NOW)).message).toContain('not nothing')
    expect(refusalOf(() => parseTrackRequest(() => 1, NOW)).message).toContain('not function')
  })

  test('must have no other field: a misspelt one would be lost silently', () => {
    expect(refusedField({ user_ids: ['ann'] })).toEqual({
      field: 'user_ids',
      code: 'INVALID_INPUT',
      message: 'Unknown field "user_ids". Accepted: taskId, agentId, app, userIds, campaign, sentAt.',
    })
    const poisoned: unknown = JSON.parse('{"taskId":"1","__proto__":{"app":"x"}}')
    expect(refusalOf(() => parseTrackRequest(poisoned, NOW)).field).toBe('__proto__')
  })

  test('is refused with an error that a program can tell from others', () => {
    const error = new InvalidInputError('taskId', 'message')
    expect(error).toBeInstanceOf(TrackerError)
    expect([error.name, new TrackerError('CLOSED', 'closed').name]).toEqual(['InvalidInputError', 'TrackerError'])
  })

  test('is accepted or refused as an InvalidInputError, whatever it is', () => {
    const fields = fc.constantFrom('taskId', 'agentId', 'app', 'userIds', 'campaign', 'sentAt')
    const close = fc.dictionary(
      fields,
      fc.oneof(fc.anything(), fc.string({ unit: 'binary' }), fc.nat(), fc.bigInt(), fc.date({ noInvalidDate: false })),
    )
    holds(
      fc.property(fc.oneof(fc.anything(), close), (input) => {
        try {
          expect(parseTrackRequest(input, NOW).taskId).toMatch(/^[1-9]\d*$/)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidInputError)
        }
      }),
      3_000,
    )
  })
})

describe('taskId and agentId', () => {
  test('a task id of 9007199254740993123 survives', () => {
    expect(parseTaskId('9007199254740993123')).toBe('9007199254740993123')
    expect(parseTaskId(9007199254740993123n)).toBe('9007199254740993123')
  })

  test('a safe integer is accepted, as are the ends of a Java Long', () => {
    expect([256271667526, 1, '1', '9223372036854775807'].map(parseTaskId)).toEqual(['256271667526', '1', '1', '9223372036854775807'])
  })

  test('a number that may have lost digits is refused, and the message says how to keep them', () => {
    for (const value of [2 ** 53, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(refusedField({ taskId: value }).message).toContain('is not a safe integer')
    }
    expect(refusedField({ taskId: 2 ** 53 }).message).toContain('Give it as a string or a bigint.')
  })

  test('what is no positive Java Long in canonical digits is refused', () => {
    const values = [
      undefined,
      null,
      '',
      '0',
      0,
      -1,
      -1n,
      '007',
      ' 1',
      '1 ',
      '1.0',
      '1e3',
      '+1',
      '１',
      '9223372036854775808',
      '1'.repeat(20),
      {},
      [],
      true,
    ]
    for (const taskId of values) expect(refusedField({ taskId })).toMatchObject({ field: 'taskId', code: 'INVALID_INPUT' })
    expect(refusedField({ taskId: '007' }).message).toBe(
      'taskId must be a whole number from 1 to 9223372036854775807 in digits without leading zeros, not "007". Give the task_id that DingTalk returned when the message was sent.',
    )
  })

  test('the agent id follows the same rule and is named', () => {
    expect(parse({ agentId: 836390886 }).agentId).toBe('836390886')
    expect(refusedField({ agentId: 'x' })).toMatchObject({ field: 'agentId' })
  })

  test('a value is shown on one line and short', () => {
    expect(refusedField({ taskId: 'x'.repeat(5_000) }).message.length).toBeLessThan(300)
    expect(refusedField({ taskId: 'a\nb' }).message).not.toContain('\n')
    expect(refusedField({ taskId: {} }).message).toContain('not an object')
    expect(refusedField({ taskId: [] }).message).toContain('not a list')
    expect(refusedField({ taskId: -5n }).message).toContain('not -5')
    expect(refusedField({ taskId: SENT }).message).toContain('not 2026-11-23T01:00:00.000Z')
  })
})

describe('app', () => {
  test('1 to 64 letters, digits, "_" or "-"', () => {
    expect([undefined, null, 'hr', 'A-1_b', '9', 'x'.repeat(64)].map(parseApp)).toEqual([
      'default',
      'default',
      'hr',
      'A-1_b',
      '9',
      'x'.repeat(64),
    ])
  })

  test('other names are refused', () => {
    for (const app of ['', ' hr', '-hr', '_hr', 'h r', 'hr:1', 'x'.repeat(65), '人事', 'hr\n', 7, {}]) {
      expect(refusedField({ app })).toMatchObject({ field: 'app', code: 'INVALID_INPUT' })
    }
  })
})

describe('userIds', () => {
  const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => `user${i}`)

  test('leading zeros stay, duplicates go, the order is fixed', () => {
    expect(parse({ userIds: ['36', '036', 'b', 'a', '036'] }).userIds).toEqual(['036', '36', 'a', 'b'])
  })

  test('100 are accepted, also when some are given twice', () => {
    expect(parse({ userIds: [...ids(100), ...ids(50)] }).userIds?.length).toBe(100)
  })

  test('more than 100 are refused at the door, with the limit and the remedy', () => {
    expect(refusedField({ userIds: ids(101) })).toEqual({
      field: 'userIds',
      code: 'TOO_MANY_RECIPIENTS',
      message:
        '101 recipients in one task: DingTalk reports at most 100. Send in batches of 100 and track each task id under one campaign.',
    })
  })

  test('an empty list is a mistake, and so is what is no list', () => {
    for (const userIds of [[], 'ann', {}, 7]) expect(refusedField({ userIds })).toMatchObject({ field: 'userIds' })
  })

  test('the user id that is wrong is named by its place', () => {
    const wrong = [7, null, undefined, '', ' ann', 'ann ', 'a\nb', 'a\u0000b', '\ud800', 'x'.repeat(129)]
    for (const userId of wrong) expect(refusedField({ userIds: ['ann', userId] })).toMatchObject({ field: 'userIds[1]' })
    expect(refusedField({ userIds: [36] }).message).toBe('userIds[0] must be a string, not 36: a number loses leading zeros.')
  })

  test('letters of any script, HTML and SQL are text like any other', () => {
    const userIds = ['李雷', '<b>', "'; DROP TABLE delivery_task; --", '😀'].toSorted()
    expect(parse({ userIds }).userIds).toEqual(userIds)
  })
})

describe('campaign', () => {
  test('a label of up to 200 characters', () => {
    expect(['payroll-11', '工资 11月', 'x'.repeat(200)].map((campaign) => parse({ campaign }).campaign)).toEqual([
      'payroll-11',
      '工资 11月',
      'x'.repeat(200),
    ])
  })

  test('other labels are refused', () => {
    for (const campaign of ['', ' ', ' x', 'x ', 'a\nb', '\ud800', 'x'.repeat(201), 7, {}]) {
      expect(refusedField({ campaign })).toMatchObject({ field: 'campaign', code: 'INVALID_INPUT' })
    }
  })
})

describe('sentAt', () => {
  test('a Date, ISO 8601 with a time zone in any of its forms, or epoch milliseconds', () => {
    const forms = [
      SENT,
      SENT.getTime(),
      '2026-11-23T09:00:00+08:00',
      '2026-11-23T01:00Z',
      '2026-11-23 09:00:00.000+0800',
      '2026-11-23t01:00:00z',
    ]
    for (const sentAt of forms) expect(parse({ sentAt }).sentAt).toEqual(SENT)
  })

  test('left out stays left out: the clock of whoever stores it decides', () => {
    expect(parse({}).sentAt).toBeNull()
    expect(parse({ sentAt: null }).sentAt).toBeNull()
  })

  test('a local time is refused: it would be off by hours without anybody noticing', () => {
    expect(refusedField({ sentAt: '2026-11-23T09:00:00' })).toMatchObject({ field: 'sentAt' })
  })

  test('what is no time is refused', () => {
    const values = [
      '',
      'yesterday',
      '2026-11-23',
      '2026-13-01T00:00Z',
      '2026-02-31T00:00Z',
      '2026-11-23T09:00+99:99',
      Number.NaN,
      1e20,
      new Date(Number.NaN),
      {},
      true,
    ]
    for (const sentAt of values) expect(refusedField({ sentAt })).toMatchObject({ field: 'sentAt', code: 'INVALID_INPUT' })
    expect(refusedField({ sentAt: new Date(Number.NaN) }).message).toContain('not an invalid date')
  })

  test('seconds in place of milliseconds are refused', () => {
    expect(refusedField({ sentAt: SENT.getTime() / 1_000 }).message).toContain('is before 2015. Epoch times are milliseconds, not seconds.')
  })

  test('ahead by what synchronised clocks differ is now', () => {
    for (const aheadMs of [1, 2_000]) expect(parse({ sentAt: NOW.getTime() + aheadMs }).sentAt).toEqual(NOW)
  })

  test('ahead by more, up to 15 minutes, was stamped by a wrong clock: when it was sent is not known', () => {
    for (const aheadMs of [2_001, 15 * 60_000]) expect(parse({ sentAt: NOW.getTime() + aheadMs }).sentAt).toBeNull()
  })

  test('sent further in the future is a mistake', () => {
    const message = 'sentAt 2026-11-23T02:16:00.000Z is 16 minutes in the future. Check the clock and the time zone of the sender.'
    for (const sentAt of [minutesLater(76), minutesLater(76).getTime(), '2026-11-23T10:16:00+08:00']) {
      expect(refusedField({ sentAt }).message).toBe(message)
    }
  })

  test('sent 3 h or 25 h ago is taken as it is', () => {
    expect([180, 1_500].map((ago) => parse({ sentAt: minutesLater(60 - ago) }).sentAt)).toEqual([minutesLater(-120), minutesLater(-1_440)])
  })
})

test('one of several words, or it is told which there are', () => {
  expect(parseOneOf('state', ['read', 'unread'], 'read')).toBe('read')
  expect(() => parseOneOf('state', ['read', 'unread'], 'gone')).toThrow(
    expect.objectContaining({ field: 'state', message: 'state must be one of read, unread, not "gone".' }),
  )
})
