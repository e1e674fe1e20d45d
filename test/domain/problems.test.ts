import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseAnswer } from '../../src/domain/answer.ts'
import {
  CODES_BY_PROBLEM,
  forbiddenReasonOf,
  isQpsLimit,
  isUnsent,
  OUTCOMES,
  PROBLEM_CODES,
  PROBLEM_RULES,
  type ProblemCode,
  parsePenaltyEnd,
  SCOPES,
  type Scope,
  toProblem,
  toProblemCode,
} from '../../src/domain/problems.ts'
import { exchangeAt, holds, minutesLater } from './support.ts'

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** Every effective code that is known, the problem behind it, and the narrowest thing that it can be about. */
const MEANINGS: ReadonlyArray<readonly [ProblemCode, Scope, string, ReadonlyArray<number | string>]> = [
  [
    'token_refused',
    'worker',
    'token invalid or expired',
    [40014, 42001, 40001, 33001, 'HTTP_401', 'InvalidAuthentication', 'TOKEN_REFUSED'],
  ],
  ['credentials', 'worker', 'app key or secret', [40096, 40013, 40089, 40056, 41001, 52010, 'invalidClientIdOrSecret']],
  [
    ...(['third_party', 'worker', 'third-party suite'] as const),
    [...range(40078, 40088), 40090, ...range(41021, 41025), 41030, 42009, ...range(853001, 853004)],
  ],
  ['ip_not_allowed', 'worker', 'the way out of the network', [60020, 'Forbidden.AccessDenied.IpNotInWhiteList']],
  ['private_address', 'worker', 'a host name that leads into a private network', ['PRIVATE_ADDRESS']],
  [
    ...(['proxy', 'worker', 'the proxy of the company'] as const),
    ['PROXY_UNREACHABLE', 'PROXY_LOGIN', 'PROXY_REFUSED', 'PROXY_UNKNOWN_CA'],
  ],
  ['certificate', 'worker', 'a certificate that is not accepted', ['UNKNOWN_CA', 'INVALID_CERTIFICATE']],
  ['unknown_app', 'worker', 'an app that this worker does not know', ['UNKNOWN_APP']],
  ['agent_id', 'pair', 'agent id', [41011, 41020, ...range(70001, 70004)]],
  ['no_agent_id', 'task', 'no agent id, so no call', ['NO_AGENT_ID']],
  [
    ...(['parameters', 'task', 'parameters'] as const),
    [400002, 40035, 33012, 40003, 40031, 60121, 40, 41, 40000, 40038, 47001, 44002, 1430000, 1430001, 1430002, 1430004],
  ],
  ['permission', 'app', 'permission', [60011, ...range(48002, 48004), ...range(50002, 50005), 52019, '88/40000']],
  ['wrong_path', 'app', 'wrong path', [22, 404, 'HTTP_404', ...range(43001, 43009), 'InvalidAction.NotFound']],
  [
    ...(['rate_limit', 'app', 'rate limit or ban'] as const),
    [
      ...[90018, 90019, 90002, 90001, ...range(90003, 90014), 90017, 45009],
      ...['Forbidden.AccessDenied.QpsLimitForAppkeyAndApi', 'Forbidden.AccessDenied.QpsLimitForApi'],
    ],
  ],
  ['quota', 'app', 'monthly quota', [90020, 'Forbidden.AccessDenied.ApiCountLimitForOrg', 'ApiCountLimitForOrg']],
  ['outage', 'dingtalk', 'a fault of DingTalk', [15, -1, 1, 500, 400001, 50, 1430003, 143103, 143104, 143203, 143204]],
  ['outage', 'dingtalk', "the gateway's own names of its faults", ['isp.top-remote-connection-timeout', 'isp.top-mapping-parse-error']],
  ['outage', 'dingtalk', 'HTTP 429, 403 and 5xx', ['HTTP_429', 'HTTP_403', 'HTTP_500', 'HTTP_502', 'HTTP_503', 'HTTP_504']],
  ['outage', 'dingtalk', 'no answer, or one that is no result', ['NETWORK', 'TIMEOUT', 'NOT_JSON', 'NO_CODE', 'TOO_LARGE', 'TLS']],
  [
    'unknown_code',
    'answer',
    'a code that stands nowhere, such as a wrapper without one inside',
    [88, 12345678, '', 'isv.unknown', '0x', '00', 'Forbidden.AccessDenied'],
  ],
]

for (const [problem, scope, meaning, codes] of MEANINGS) {
  test(`${meaning}: ${problem} of scope ${scope}`, () => {
    const found = codes.map((code) => [code, toProblemCode(String(code)), PROBLEM_RULES[problem].scope])
    expect(found).toEqual(codes.map((code) => [code, problem, scope]))
  })
}

test('each code stands in the table once, and every one of the table is tested above', () => {
  const listed = PROBLEM_CODES.flatMap((problem) => CODES_BY_PROBLEM[problem].map(String))
  expect(listed.length).toBe(new Set(listed).size)
  const tested = new Set(MEANINGS.flatMap(([, , , codes]) => codes.map(String)))
  expect(listed.filter((code) => !tested.has(code))).toEqual([])
})

test('0 is a success, whatever its message says', () => {
  expect([toProblemCode('0'), toProblemCode('0', 'Call timeout'), toProblemCode('0', 'agent_id')]).toEqual([null, null, null])
})

describe('"Call timeout" and the timeout of the gateway', () => {
  /** What the answer of the gateway means. */
  const problemIn = (body: Record<string, unknown>): string => {
    const answer = parseAnswer(body, exchangeAt(minutesLater(4)))
    return answer.kind === 'refused' ? toProblem(answer, null).code : answer.kind
  }
  const wrapped = (code: string | number, words: string) => ({ errcode: 88, errmsg: `ding talk error[subcode=${code},submsg=${words}]` })

  test('as the whole message it is known by its words, whatever code carries it', () => {
    for (const code of ['15', '50', '500', '-1', '88', '40035', 'HTTP_504', '12345678']) {
      for (const words of [
        'Call timeout',
        'call timeout',
        'CALL TIMEOUT',
        ' Call timeout. ',
        '调用超时',
        '调用超时。',
        'Call timeout 调用超时',
      ]) {
        expect([code, words, toProblemCode(code, words)]).toEqual([code, words, 'call_timeout'])
      }
    }
  })

  test('the gateway may wrap it, once or beside the bare words', () => {
    for (const code of [15, 50, '-1']) {
      expect(problemIn(wrapped(code, 'Call timeout'))).toBe('call_timeout')
      expect(problemIn(wrapped(code, '调用超时'))).toBe('call_timeout')
      expect(problemIn({ ...wrapped(code, 'Call timeout'), sub_code: code, sub_msg: 'Call timeout' })).toBe('call_timeout')
      expect(problemIn({ errcode: code, errmsg: 'Call timeout', sub_msg: '调用超时' })).toBe('call_timeout')
    }
  })

  test('a longer message that ends with the same words is the timeout of the gateway: an outage, no verdict on the task', () => {
    for (const words of [
      '远程服务调用超时',
      '服务调用超时',
      'Remote service call timeout',
      'call timeout of the remote service',
      '调用超时间限制',
    ]) {
      expect([words, problemIn({ errcode: 15, errmsg: words })]).toEqual([words, 'outage'])
      expect([words, problemIn(wrapped(15, words))]).toEqual([words, 'outage'])
      expect([words, problemIn({ errcode: 15, errmsg: 'Remote service error', sub_msg: words })]).toEqual([words, 'outage'])
    }
  })

  test('isp.* is the gateway, as a code or in the words, also where its message is a call timeout', () => {
    const isp = 'isp.top-remote-connection-timeout'
    expect(problemIn({ errcode: 15, sub_code: isp, errmsg: 'Remote service error', sub_msg: '远程服务调用超时' })).toBe('outage')
    expect(problemIn({ errcode: 15, sub_code: isp, sub_msg: '调用超时' })).toBe('outage')
    expect(problemIn({ errcode: 15, errmsg: `${isp} 远程服务调用超时` })).toBe('outage')
    expect(problemIn(wrapped(isp, '调用超时'))).toBe('outage')
  })

  test('a plain timeout of the transport is an outage: a broken network says nothing about a task', () => {
    expect(toProblemCode('TIMEOUT', 'no answer within 10 s')).toBe('outage')
  })

  test('a message of repeated words is read in no time', () => {
    const startedMs = performance.now()
    for (const words of ['调用超时 ', 'call timeout  ', '[submsg=call timeout] ', '[submsg=']) toProblemCode('15', `${words.repeat(100)}x`)
    expect(performance.now() - startedMs).toBeLessThan(1_000)
  })
})

describe('code 40', () => {
  test('a missing agent id is the agent id, not the task', () => {
    for (const message of ['Missing required arguments:agent_id', 'Missing required arguments: agentId', '缺少参数 AGENT_ID']) {
      expect(toProblemCode('40', message)).toBe('agent_id')
    }
  })

  test('any other missing argument is the task, and so are other codes that name the agent id', () => {
    expect([toProblemCode('40', 'Missing required arguments:task_id'), toProblemCode('40')]).toEqual(['parameters', 'parameters'])
    expect(toProblemCode('400002', 'agent_id or task_id invalid')).toBe('parameters')
  })
})

test('any code with any message has a problem or is a success, and a rule', () => {
  holds(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (code, message) => {
      const problem = toProblemCode(code, message)
      expect(problem === null ? code : PROBLEM_RULES[problem].outcome).toBeTypeOf('string')
    }),
  )
})

test('names of the language are not codes', () => {
  for (const code of ['constructor', '__proto__', 'toString']) expect(toProblemCode(code)).toBe('unknown_code')
})

describe('what is stored of a refusal', () => {
  const stored = (code: string, message: string, agentId: string | null = '836390886') =>
    toProblem({ code, message, requestId: '6pcvwp6jcows' }, agentId)

  test('the code and words of the answer, the scope, the id of the request and the agent id', () => {
    expect(stored('41011', '不合法的agentid')).toEqual({
      code: 'agent_id',
      detail: {
        ...{ said: '41011', message: '不合法的agentid', scope: 'pair' },
        ...{ requestId: '6pcvwp6jcows', agentId: '836390886', ip: null },
      },
    })
    expect(stored('NO_AGENT_ID', 'none', null).detail).toMatchObject({ scope: 'task', agentId: null })
  })

  test('the address that DingTalk saw, IPv4 or IPv6, for the allow-list', () => {
    const ipIn = (message: string): string | null => stored('60020', message).detail.ip
    expect(ipIn('访问ip不在白名单之中,request ip=203.0.113.7 appKey(dingabc)')).toBe('203.0.113.7')
    expect(ipIn('not in whitelist, request ip=2001:db8::7.')).toBe('2001:db8::7')
    expect(ipIn('Request IP: 203.0.113.7, see the console')).toBe('203.0.113.7')
    expect([ipIn('not in whitelist'), ipIn('request ip=unknown'), ipIn('')]).toEqual([null, null, null])
  })

  test('the code of success stands for an answer without lists', () => {
    expect(stored('0', 'ok')).toMatchObject({ code: 'no_result', detail: { scope: 'answer' } })
  })
})

describe('the rules', () => {
  test('every problem has a scope and an outcome that the database knows', () => {
    for (const code of PROBLEM_CODES) {
      expect(SCOPES).toContain(PROBLEM_RULES[code].scope)
      expect(OUTCOMES).toContain(PROBLEM_RULES[code].outcome)
    }
  })

  test('one answer pauses nothing wider than its scope, but for limits that DingTalk itself states', () => {
    const single = PROBLEM_CODES.filter((code) => PROBLEM_RULES[code].agreement?.tasks === 1)
    expect(single).toEqual(['rate_limit', 'quota'])
  })

  test('what DingTalk does not count is returned: its rate limits and its quota', () => {
    expect(PROBLEM_CODES.filter((code) => !PROBLEM_RULES[code].isCounted)).toEqual(['rate_limit', 'quota'])
  })

  test('what may be paused is probed: sooner where polls succeeded before', () => {
    for (const code of PROBLEM_CODES) {
      const { agreement, probeMinutes, firstProbeMinutes } = PROBLEM_RULES[code]
      if (agreement !== null) expect(firstProbeMinutes.length).toBeGreaterThan(0)
      for (const minutes of [probeMinutes, firstProbeMinutes]) expect(minutes).toEqual(minutes.toSorted((a, b) => a - b))
    }
  })

  test('a used-up quota is probed once an hour: it can be bought', () => {
    expect(PROBLEM_RULES.quota.probeMinutes).toEqual([1, 60])
  })
})

test('both QPS limits last a second, and no other limit does', () => {
  expect(['QpsLimitForAppkeyAndApi', 'QpsLimitForApi'].map((name) => isQpsLimit(`Forbidden.AccessDenied.${name}`))).toEqual([true, true])
  expect(['Forbidden.AccessDenied.ApiCountLimitForOrg', '90018'].map(isQpsLimit)).toEqual([false, false])
})

test('the end of a penalty is read as China time', () => {
  const message = '您的服务器调用钉钉开放平台API的频率超限,所有请求都被暂时禁用了 限制将在 2026-09-03 00:01:03 结束.'
  expect(parsePenaltyEnd(message)).toEqual(new Date('2026-09-02T16:01:03Z'))
})

test('a message that names no end, or an impossible one, gives no hint', () => {
  expect([parsePenaltyEnd(''), parsePenaltyEnd('请稍后再试'), parsePenaltyEnd('限制将在 2026-19-93 00:01:03 结束')]).toEqual([
    null,
    null,
    null,
  ])
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

test('an unknown code of forbidden_list is "other", and so is none', () => {
  expect([forbiddenReasonOf('143999'), forbiddenReasonOf(null)]).toEqual(['other', 'other'])
})

test('a call that ended before anything was sent is none; one that was sent is, whatever came back', () => {
  expect(['PRIVATE_ADDRESS', 'PROXY_UNREACHABLE', 'PROXY_LOGIN', 'UNKNOWN_CA'].filter((code) => !isUnsent(code))).toEqual([])
  expect(['0', '40035', 'TIMEOUT', 'HTTP_503', 'NETWORK'].filter(isUnsent)).toEqual([])
})
