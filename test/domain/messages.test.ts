import { describe, expect, test } from 'vitest'
import {
  answerText,
  delayParts,
  delayText,
  endReasonParts,
  endReasonText,
  LANGUAGES,
  notAdmittedText,
  problemOfDelay,
  problemRemedy,
  problemText,
  type Stored,
  scopeText,
} from '../../src/domain/messages.ts'
import { CODES_BY_PROBLEM, PROBLEM_CODES, SCOPES, toProblem } from '../../src/domain/problems.ts'
import type { DelayReason, EndReason } from '../../src/domain/reasons.ts'

/** A failed poll with this answer, as it is stored. */
const refused = (code: string, message = 'words of DingTalk', agentId: string | null = '836390886'): Stored => {
  const { code: problem, detail } = toProblem({ code, message, requestId: 'r1' }, agentId)
  return { code: problem, detail: { ...detail } }
}
const stored = ({ code, detail }: EndReason | DelayReason): Stored => ({ code, detail: detail === null ? null : { ...detail } })

const PROBLEM = { code: 'permission', detail: { ...toProblem({ code: '60011', message: 'no', requestId: null }, '1').detail } } as const
const ENDS: readonly EndReason[] = [
  { code: 'all_read', detail: null },
  { code: 'all_accounted_for', detail: { read: 8, unreachable: 2 } },
  { code: 'cancelled', detail: null },
  { code: 'window_over', detail: null },
  {
    code: 'window_closed_early',
    detail: {
      ...{ lastObservedAt: '2026-11-23T09:00:00.000Z', refusedSince: '2026-11-23T10:00:00.000Z', said: '400002' },
      ...{ sentAfter: '2026-11-22T09:00:00.000Z', sentBefore: '2026-11-22T10:00:00.000Z' },
    },
  },
  { code: 'blind_before_deadline', detail: { lastObservedAt: '2026-11-23T09:00:00.000Z', because: { problem: PROBLEM } } },
  { code: 'never_observed', detail: { because: { delay: { code: 'call_rate', detail: null } } } },
  { code: 'never_observed', detail: { because: null } },
  { code: 'sent_too_long_ago', detail: null },
  { code: 'probably_too_many_recipients', detail: PROBLEM.detail },
  PROBLEM,
]
const PAUSE = { ...PROBLEM.detail, scope: 'app', problem: 'permission', until: '2026-11-23T09:00:00.000Z' } as const
const DELAYS: readonly DelayReason[] = [
  { code: 'call_rate', detail: null },
  { code: 'call_budget', detail: { budget: 5000, used: 4000, reserved: 1000, month: '2026-11' } },
  { code: 'paused', detail: PAUSE },
  { code: 'calls_used_up', detail: { calls: 30 } },
  { code: 'write_refused', detail: null },
  { code: 'earlier_version', detail: { text: 'what 0.1.0 stored' } },
]

/** Whole sentences, and no value that is missing. */
const SENTENCES: Readonly<Record<(typeof LANGUAGES)[number], RegExp>> = {
  en: /^[A-Z].*[^\s.;,]\.$/s,
  zh: /^[^a-z].*[。]$/s,
}
const MISSING = /undefined|null|NaN|\[object|\s{2}| [.,;:]|\(\)|（）|\.\.|。。/

describe.each(LANGUAGES)('in %s', (language) => {
  const assertSentence = (text: string): void => {
    expect(text).toMatch(SENTENCES[language])
    expect(text).not.toMatch(MISSING)
  }

  test.each(PROBLEM_CODES)('the problem %s has a title and a remedy, with and without details', (code) => {
    const [answer = 'SOME_CODE'] = CODES_BY_PROBLEM[code]
    for (const detail of [
      null,
      {},
      { ...toProblem({ code: String(answer), message: 'request ip=203.0.113.7', requestId: 'r' }, '7').detail },
    ]) {
      assertSentence(problemText({ code, detail }, language))
      assertSentence(problemRemedy({ code, detail }, language))
    }
  })

  test.each(ENDS)('the end $code is a sentence, with and without details', (end) => {
    assertSentence(endReasonText(stored(end), language))
    assertSentence(endReasonText({ code: end.code, detail: null }, language))
  })

  test.each(DELAYS)('the delay $code is a sentence, with and without details', (delay) => {
    if (delay.code !== 'earlier_version') assertSentence(delayText(stored(delay), language))
    assertSentence(delayText({ code: delay.code, detail: null }, language))
  })

  test('every scope has a name', () => {
    expect(new Set(SCOPES.map((scope) => scopeText(scope, language))).size).toBe(SCOPES.length)
  })

  test('the address, the agent id and the permission that DingTalk names are quoted', () => {
    expect(problemRemedy(refused('60020', 'request ip=203.0.113.7 not in whitelist'), language)).toContain('203.0.113.7')
    expect(problemRemedy(refused('60020', 'request ip=2001:db8::7'), language)).toContain('2001:db8::7')
    expect(problemText(refused('41011'), language)).toContain('836390886')
    expect(problemRemedy(refused('60011', '应用尚未开通所需的权限：[qyapi_get_member]'), language)).toContain('qyapi_get_member')
    expect(problemRemedy(refused('60011', 'requiredScopes=[Contact.User.Read]'), language)).toContain('Contact.User.Read')
    expect(problemRemedy(refused('60011', 'no permission'), language)).toContain('qyapi_base')
    expect(problemRemedy(refused('404'), language)).toMatch(/DINGTALK_OAPI_URL.*DINGTALK_REGION/)
    expect(problemRemedy(refused('90020'), language)).toContain('npx dingtalk-delivery resume --app')
  })

  test('what a proxy said decides what to do about it', () => {
    const remedyOf = (code: string): string => problemRemedy(refused(code, 'the proxy http://proxy.example:3128 …'), language)
    expect(remedyOf('PROXY_LOGIN')).toMatch(/HTTPS_PROXY.*HTTP_PROXY.*http:\/\//)
    expect(remedyOf('PROXY_REFUSED')).toMatch(/CONNECT.*443.*NO_PROXY|443.*CONNECT.*NO_PROXY/)
    expect(remedyOf('PROXY_UNREACHABLE')).toMatch(/HTTPS_PROXY.*NO_PROXY/)
    for (const code of ['PROXY_UNKNOWN_CA', 'UNKNOWN_CA']) expect(remedyOf(code)).toContain('NODE_EXTRA_CA_CERTS')
    expect(remedyOf('INVALID_CERTIFICATE')).not.toContain('NODE_EXTRA_CA_CERTS')
    expect(answerText(refused('PROXY_LOGIN', 'HTTP 407'), language)).toMatch(/^(What happened: |发生的情况：)PROXY_LOGIN HTTP 407$/)
  })

  test('a region that was assumed is named where the wrong one may be the cause, and nowhere else', () => {
    const remedyOf = (code: string, assumedRegion?: 'intl'): string => {
      const problem = toProblem({ code, message: 'no', requestId: null, assumedRegion }, null)
      const remedy = problemRemedy({ ...problem, detail: { ...problem.detail } }, language)
      assertSentence(remedy)
      return remedy
    }
    for (const code of ['40089', 'invalidClientIdOrSecret', '40096', '40014', 'TOKEN_REFUSED', '40078', 'HTTP_404']) {
      expect(remedyOf(code, 'intl')).toMatch(/DINGTALK_REGION.*intl.*cn.*dingtalk\.com|DINGTALK_REGION.*intl.*dingtalk\.com.*cn/)
      expect(remedyOf(code)).not.toContain('dingtalk.com')
    }
    for (const code of ['60011', '60020', '90020', '400002', 'NETWORK', 'PROXY_LOGIN']) expect(remedyOf(code, 'intl')).toBe(remedyOf(code))
  })

  test.each(['99999', 'Some.New.Code', '1234567'])('%s, which is not known, is named, and no remedy names the network', (code) => {
    const problem = refused(code)
    expect(problem.code).toBe('unknown_code')
    expect(problemText(problem, language)).toContain(code)
    expect(problemRemedy(problem, language)).not.toMatch(/reach|firewall|网络|连接|防火墙/)
  })

  test.each(['15', '-1', '500', 'HTTP_502', 'HTTP_429', 'NOT_JSON'])(
    '%s is an outage that was answered: no remedy names the network',
    (code) => {
      expect(problemRemedy(refused(code), language)).not.toMatch(/reached|firewall|防火墙/)
    },
  )

  test.each(['TIMEOUT', 'NETWORK'])('%s is an outage without an answer: the network is to be checked', (code) => {
    expect(problemText(refused(code), language)).toMatch(/could not be reached|无法连接/)
    expect(problemRemedy(refused(code), language)).toMatch(/firewall|防火墙/)
  })

  test('what 0.1.0 stored as text is shown as that text', () => {
    const detail = { text: 'blind_before_deadline: the last successful poll was at 9' }
    expect(endReasonText({ code: 'blind_before_deadline', detail }, language)).toBe(detail.text)
    expect(endReasonText({ code: 'parameters', detail }, language)).toBe(detail.text)
    expect(delayText({ code: 'earlier_version', detail }, language)).toBe(detail.text)
    expect(problemText({ code: 'parameters', detail }, language)).toBe(detail.text)
  })

  test.each(['from_the_future', 'constructor', '__proto__', 'toString'])('%s, a code of a newer version, is named', (code) => {
    for (const detail of [null, { anything: [1] }]) {
      expect(endReasonText({ code, detail }, language)).toContain(code)
      expect(delayText({ code, detail }, language)).toContain(code)
      expect(problemText({ code, detail }, language)).toContain(code)
      expect(problemRemedy({ code, detail }, language)).toBe('')
    }
    expect(scopeText(code, language)).toBe(code)
  })

  test('details that are not what they must be are left out', () => {
    const detail = {
      said: 7,
      agentId: {},
      ip: [],
      message: null,
      read: 'x',
      lastObservedAt: 'never',
      because: 'x',
      calls: '9',
      problem: 1,
      until: 5,
    }
    for (const code of PROBLEM_CODES) assertSentence(problemText({ code, detail }, language))
    for (const { code } of ENDS) assertSentence(endReasonText({ code, detail }, language))
    for (const { code } of DELAYS) assertSentence(delayText({ code, detail }, language))
    assertSentence(endReasonText({ code: 'never_observed', detail: { because: { problem: [], delay: { code: 3 } } } }, language))
  })

  test('the end contains why no poll succeeded', () => {
    const blind = endReasonText({ code: 'never_observed', detail: { because: { problem: refused('60011') } } }, language)
    expect(blind).toContain('qyapi_base')
    const budget = { code: 'call_budget', detail: { budget: 5000, used: 4000, reserved: 1000, month: '2026-11' } }
    expect(endReasonText({ code: 'blind_before_deadline', detail: { because: { delay: budget } } }, language)).toContain('5000')
  })
})

test('an answer is quoted as it came; a call that got none is not said to have been answered', () => {
  expect(answerText(refused('41011', 'agentid does not exist'), 'en')).toBe('DingTalk answered: 41011 agentid does not exist')
  expect(answerText(refused('41011', ''), 'zh')).toBe('钉钉返回：41011')
  expect(answerText(refused('TIMEOUT', 'no answer within 10 s'), 'en')).toBe('What happened: TIMEOUT no answer within 10 s')
  expect(answerText({ code: 'outage', detail: { said: 'NETWORK' } }, 'zh')).toBe('发生的情况：NETWORK')
  expect(answerText({ code: 'outage', detail: null }, 'en')).toBeNull()
})

test('times stay times, for a face to show in its own way', () => {
  const end = stored({ code: 'blind_before_deadline', detail: { lastObservedAt: '2026-11-23T09:00:00.000Z', because: null } })
  expect(endReasonParts(end, 'en')).toContainEqual(new Date('2026-11-23T09:00:00.000Z'))
  expect(endReasonText(end, 'en')).toContain('(2026-11-23 09:00 UTC)')
  expect(endReasonText(end, 'en', (at) => `at ${at.getTime()}`)).toContain('(at 1795424400000)')
  const pause = stored({ code: 'paused', detail: PAUSE })
  expect(delayParts(pause, 'zh')).toContainEqual(new Date(PAUSE.until))
  expect(delayText(pause, 'zh', () => '九点')).toContain('九点')
})

test('a pause has a problem, and no other delay has', () => {
  expect(problemOfDelay(stored({ code: 'paused', detail: PAUSE }))).toEqual({ code: 'permission', detail: PAUSE })
  expect(problemOfDelay({ code: 'paused', detail: null })).toBeNull()
  expect(problemOfDelay({ code: 'call_rate', detail: { problem: 'quota' } })).toBeNull()
})

test.each(['en', 'zh'] as const)('a task without a call for its final poll is explained in %s, with the remedy', (language) => {
  expect(notAdmittedText(language)).toMatch(/MONTHLY_CALL_BUDGET.*[.。]$/)
})
