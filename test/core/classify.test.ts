import fc from 'fast-check'
import { expect, test } from 'vitest'
import { forbiddenReasonOf, penaltyEndOf, quotaResetAfter, type Verdict, verdictOf } from '../../src/core/classify.ts'
import { holds } from './support.ts'

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** Every effective code that is known, and what it must be taken for. */
const MEANINGS: ReadonlyArray<readonly [Verdict['kind'], string, ReadonlyArray<number | string>]> = [
  ['ok', 'success', [0]],
  ['token', 'token invalid or expired', [40014, 42001, 40001, 33001]],
  [
    'throttled',
    'rate limit or temporary ban of the app, the organisation or the API',
    [90018, 90019, 90002, 90001, ...range(90003, 90014), 90017, 45009],
  ],
  ['quota', "the organisation's monthly quota is used up", [90020, 'ApiCountLimitForOrg']],
  ['transient', 'a fault that passes', [-1, 500, 400001, 15, 50, 1430003]],
  ['transient', 'HTTP 429 and 5xx', ['HTTP_429', 'HTTP_500', 'HTTP_502', 'HTTP_503', 'HTTP_504']],
  ['transient', 'no answer, or one that is no result', ['NETWORK', 'TIMEOUT', 'NOT_JSON', 'NO_CODE', 'TOO_LARGE']],
  ['transient', 'a send-side rate limit at top level', [143103, 143104, 143203, 143204]],
  ['configuration', 'permission or IP allow-list', [60011, 60020, 48002, 50003, 50002, 50004, 50005, 48003, 48004, '88/40000']],
  ['configuration', 'app key, secret or agent id', [40096, 40013, 40089, 52010, 40056, 41011, 52019, ...range(70001, 70004), 41001]],
  ['configuration', 'third-party suite', [...range(40078, 40090), ...range(41021, 41025), 41030, 42009, ...range(853001, 853004)]],
  ['configuration', 'wrong path', [...range(43001, 43009), 22, 404, 'HTTP_404']],
  ['configuration', 'bad credentials at the new token endpoint', ['invalidClientIdOrSecret']],
  ['configuration', 'what only this worker can know', ['TOKEN_REFUSED', 'NO_AGENT_ID', 'UNKNOWN_APP', 'PRIVATE_ADDRESS']],
  [
    'task',
    "this task's parameters",
    [40035, 400002, 33012, 40003, 40031, 60121, 40, 41, 40000, 40038, 47001, 44002, 1430000, 1430001, 1430002, 1430004],
  ],
  ['transient', 'a code that nobody knows, such as a wrapper without a code inside', [88, 12345678, '', 'isv.unknown', '0x', '00']],
]

for (const [kind, meaning, codes] of MEANINGS) {
  test(`${meaning}: ${kind}`, () => {
    expect(Object.fromEntries(codes.map((code) => [code, verdictOf(String(code)).kind]))).toEqual(
      Object.fromEntries(codes.map((code) => [code, kind])),
    )
  })
}

test('every configuration and task verdict says what to fix', () => {
  const verdicts = MEANINGS.flatMap(([, , codes]) => codes.map((code) => verdictOf(String(code))))
  const remedies = verdicts.flatMap((verdict) => ('remedy' in verdict ? [verdict.remedy] : []))
  expect(remedies.length).toBeGreaterThan(50)
  for (const remedy of remedies) expect(remedy).toMatch(/\b(check|grant|add|set|give)\b/)
})

test('"system busy" and unknown codes get three quick retries', () => {
  expect([verdictOf('-1'), verdictOf('12345678')]).toEqual([
    { kind: 'transient', quickRetries: 3 },
    { kind: 'transient', quickRetries: 3 },
  ])
})

test('whatever code carries it, "Call timeout" is known by its words', () => {
  for (const code of ['15', '50', '500', '-1', '88', 'HTTP_504', '40035']) {
    expect(verdictOf(code, 'Call timeout').kind).toBe('callTimeout')
    expect(verdictOf(code, 'ding talk error[subcode=15,submsg=服务调用超时]').kind).toBe('callTimeout')
  }
})

test('a success whose message has the words of a call timeout is a success', () => {
  expect(verdictOf('0', 'Call timeout')).toEqual({ kind: 'ok' })
})

test('a plain timeout of the transport is no call timeout: a broken network must not stop tasks', () => {
  expect(verdictOf('TIMEOUT', 'no answer within 10 s').kind).toBe('transient')
})

test('any code with any message has a verdict', () => {
  holds(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (code, message) => {
      expect(verdictOf(code, message).kind).toMatch(/^[a-zA-Z]+$/)
    }),
  )
})

test('names of the language are not codes', () => {
  for (const code of ['constructor', '__proto__', 'toString']) expect(verdictOf(code).kind).toBe('transient')
})

test('the end of a penalty is read as China time', () => {
  const message = '您的服务器调用钉钉开放平台API的频率超限,所有请求都被暂时禁用了 限制将在 2026-09-03 00:01:03 结束.'
  expect(penaltyEndOf(message)).toEqual(new Date('2026-09-02T16:01:03Z'))
})

test('a message that names no end, or an impossible one, gives no hint', () => {
  expect([penaltyEndOf(''), penaltyEndOf('请稍后再试'), penaltyEndOf('限制将在 2026-19-93 00:01:03 结束')]).toEqual([null, null, null])
})

test('the monthly quota starts anew at midnight of the first, China time', () => {
  expect(quotaResetAfter(new Date('2026-11-23T01:00:00Z'))).toEqual(new Date('2026-11-30T16:00:00Z'))
  expect(quotaResetAfter(new Date('2026-12-31T15:59:59Z'))).toEqual(new Date('2026-12-31T16:00:00Z'))
  expect(quotaResetAfter(new Date('2026-12-31T16:00:00Z'))).toEqual(new Date('2027-01-31T16:00:00Z'))
})

test('a code of forbidden_list has a word', () => {
  const codes = ['143105', '143205', '143106', '143206', '143103', '143203', '143104', '143204']
  expect(codes.map(forbiddenReasonOf)).toEqual([
    'daily_limit',
    'daily_limit',
    'duplicate_content',
    'duplicate_content',
    'app_rate_limit',
    'app_rate_limit',
    'organisation_rate_limit',
    'organisation_rate_limit',
  ])
})

test('a code of forbidden_list that nobody knows is "other", and so is none', () => {
  expect([forbiddenReasonOf('143999'), forbiddenReasonOf(null)]).toEqual(['other', 'other'])
})
