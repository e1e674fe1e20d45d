import fc from 'fast-check'
import { randomFrom } from '../../support/random.ts'
import { anyJson, anyText, HOSTILE_TEXTS, SEED } from './values.ts'

/** A stream of numbers from 0 to below `below`, the same for the same seed. */
export function dice(seed: number): (below: number) => number {
  const random = randomFrom(seed)
  return (below) => random() * below
}

const NAMES = [
  'ann',
  'bob',
  '036',
  '李雷',
  '__proto__',
  'constructor',
  'ann ',
  7,
  -0,
  1e21,
  'x'.repeat(128),
  'x'.repeat(10_000),
  'a,b',
  'a\u0000',
]
const CODES = [
  0,
  '0',
  0,
  0,
  -1,
  88,
  '88',
  60020,
  90018,
  90002,
  40014,
  40035,
  43009,
  15,
  500,
  Number.POSITIVE_INFINITY,
  1e21,
  2 ** 53 + 2,
  'ApiCountLimitForOrg',
  'Call timeout',
]
const MESSAGES = [
  'ok',
  'Call timeout',
  '调用超时',
  'ding talk error[subcode=40014,submsg=x]',
  'ding talk error[subcode=,submsg=x]',
  '[subcode=\u0000\ud800]',
  '限制将在 2026-11-23 12:00:00 结束',
  '限制将在 9999-12-31 23:59:59 结束',
  '限制将在 0000-99-99 99:99:99 结束',
  `${'x'.repeat(299)}😀`,
  'x'.repeat(5_000),
]

/** Pieces that a library made once, so that a hundred thousand answers of them cost seconds. */
const sample = <T>(arbitrary: fc.Arbitrary<T>, count: number): readonly T[] => fc.sample(arbitrary, { numRuns: count, seed: SEED })
const ANYTHING = sample(anyJson, 500)
const TEXTS = [...sample(anyText, 300), ...HOSTILE_TEXTS.filter((text) => text.length < 1_000)]
const LARGE_TEXT = 'x'.repeat(1_000_000)
const LARGE = Array.from({ length: 10_000 }, (_, i) => `user${i}`)

const LISTS = ['read_user_id_list', 'unread_user_id_list', 'failed_user_id_list', 'invalid_user_id_list', 'forbidden_user_id_list']

/** Answers of DingTalk, or of whoever stands before it: right in shape as a rule, and wrong anywhere. */
export function answersOf(seed: number): () => unknown {
  const roll = dice(seed)
  const oneOf = <T>(items: readonly T[]): T => items[Math.floor(roll(items.length))]!
  const rarely = (): boolean => roll(12) < 1
  const several = <T>(make: () => T, most: number): T[] => Array.from({ length: Math.floor(roll(most + 1)) }, make)
  const anything = (): unknown => oneOf(ANYTHING)
  const text = (): unknown =>
    roll(20_000) < 1 ? LARGE_TEXT : rarely() ? oneOf(TEXTS) : oneOf(MESSAGES.slice(0, rarely() ? MESSAGES.length : 5))
  const name = (): unknown => (rarely() ? anything() : oneOf(rarely() ? TEXTS : NAMES))

  function list(): unknown {
    if (rarely()) return anything()
    if (rarely()) return several(() => String(oneOf(NAMES)), 5).join(',')
    return roll(20_000) < 1 ? LARGE : several(name, 6)
  }
  function reason(): unknown {
    return rarely()
      ? anything()
      : { code: rarely() ? anything() : oneOf(CODES), count: rarely() ? anything() : roll(600) | 0, userid: name() }
  }
  function result(): unknown {
    if (rarely()) return anything()
    const fields = LISTS.filter(() => roll(3) < 2).map((field) => [field, list()] as const)
    return fieldsOf([...fields, ...(roll(2) < 1 ? [['forbidden_list', rarely() ? anything() : several(reason, 4)] as const] : [])])
  }

  /** As `JSON.parse` makes them: `__proto__` is a field like any other. */
  function fieldsOf(entries: ReadonlyArray<readonly [string, unknown]>): unknown {
    const more = rarely() ? [[oneOf(TEXTS), anything()] as const] : []
    return Object.fromEntries([...entries, ...more])
  }
  return () => {
    if (rarely()) return anything()
    const code = rarely() ? anything() : oneOf(CODES)
    const isWrapped = roll(8) < 1
    return fieldsOf([
      ['errcode', code],
      ['errmsg', text()],
      ...(roll(8) < 7 ? [['send_result', result()] as const] : []),
      ...(isWrapped ? [['sub_code', rarely() ? anything() : oneOf(CODES)] as const, ['sub_msg', text()] as const] : []),
      ['request_id', text()],
    ])
  }
}
