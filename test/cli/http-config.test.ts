import { describe, expect, test } from 'vitest'
import { describeConfig, parseConfig } from '../../src/app/config/config.ts'
import { TrackerError } from '../../src/domain/errors.ts'

const READ = 'rEaD-tOkEn-0000001'
const WRITE = 'wRiTe-tOkEn-000002'
const MORE = 'mOrE-tOkEn-0000003'

function refusalOf(env: Readonly<Record<string, string>>): string {
  try {
    parseConfig(env)
  } catch (error) {
    if (error instanceof TrackerError && error.code === 'INVALID_CONFIG') return error.message
    throw error
  }
  return expect.fail(`accepted: ${JSON.stringify(env)}`)
}

describe('API_TOKEN', () => {
  test.each([
    ['one after another', `read:${READ},write:${WRITE}`],
    ['with spaces', ` read:${READ} , write:${WRITE} `],
    ['a line each, as in a file', `read:${READ}\nwrite:${WRITE}\n`],
    ['a line each, with commas', `read:${READ},\r\nwrite:${WRITE},`],
  ])('is a list of tokens with roles: %s', (_, given) => {
    expect(parseConfig({ API_TOKEN: given }).apiToken).toEqual([
      { role: 'read', name: null, token: READ },
      { role: 'write', name: null, token: WRITE },
    ])
  })

  test('may have names, which the log shows, and no token', () => {
    const config = parseConfig({ API_TOKEN: `write:payroll:${WRITE},write:hr_2:${MORE},read:${READ}` })
    expect(config.apiToken?.map(({ role, name }) => [role, name])).toEqual([
      ['write', 'payroll'],
      ['write', 'hr_2'],
      ['read', null],
    ])
    const shown = JSON.stringify(describeConfig(config))
    expect(shown).toContain('payroll')
    for (const token of [READ, WRITE, MORE]) expect(shown).not.toContain(token)
  })

  test('may see names with a role of its own, in any place of the list', () => {
    const config = parseConfig({ API_TOKEN: `read+names:hr:${READ},write+names:${WRITE}, read:${MORE}` })
    expect(config.apiToken).toEqual([
      { role: 'read+names', name: 'hr', token: READ },
      { role: 'write+names', name: null, token: WRITE },
      { role: 'read', name: null, token: MORE },
    ])
    for (const given of [`names:${READ},read:${MORE}`, `read+name:${READ},read:${MORE}`, `names+read:${READ},read:${MORE}`])
      expect(refusalOf({ API_TOKEN: given })).toContain('entry 1 has no role')
  })

  test.each([
    'a,token,of,0.1.0',
    'user:and,a:password',
    'admin:abcdefghijklmnop',
    ':,:,:,:,:,:,:,:,',
    'thread:abcdefghijklm',
    'x-read:abcdefghijklmn',
    'read-abcdefghijklm',
  ])('is one token that may do everything where no entry has a role: %s', (given) =>
    expect(parseConfig({ API_TOKEN: given }).apiToken).toEqual([{ role: 'write+names', name: null, token: given }]),
  )

  test.each([
    [`read:${READ},write:short`, 'entry 2 (write) has a token of 5 characters'],
    [`write:${WRITE},read:`, 'entry 2 (read) has a token of 0 characters'],
    [`write`.padEnd(17, ':'), 'entry 1 (write) has more than two colons'],
    [`write:a b:${WRITE}`, 'entry 1 (write) has a token of 1 characters'],
    [`write:pay/roll:${WRITE}`, 'entry 1 (write) has a name'],
    [`write:${'n'.repeat(33)}:${WRITE}`, 'entry 1 (write) has a name'],
    [`write::${WRITE}`, 'entry 1 (write) has a name'],
    [`${WRITE},read:${READ}`, 'entry 1 has no role'],
    [`read:${READ},${WRITE}`, 'entry 2 has no role'],
    [`admin:${WRITE},read:${READ}`, 'entry 1 has no role'],
    [`Read:${READ}`, 'entry 1 has no role'],
    [`Read+names:${READ}`, 'entry 1 has no role'],
    [`read+names:short`, 'entry 1 (read+names) has a token of 5 characters'],
    [`read:${READ} WRITE:${WRITE}`, 'entry 2 has no role'],
    [`read:${READ},write:${READ}`, 'entry 2 (write) has the same token as another entry (read)'],
    [`read:a:${READ},write:a:${WRITE}`, 'entry 2 (write) has the name of another entry'],
    [`read:${READ}工资`, 'entry 1 (read) has a token of 20 characters'],
    ['read:a,read:b,read:c,read:d', '2 more are wrong'],
  ])('case %#: a wrong entry is named by position and role, and shows nothing of a token', (given, says) => {
    const message = refusalOf({ API_TOKEN: given })
    expect(message).toContain(says)
    expect(message).toContain('Accepted: a list of read:TOKEN, write:TOKEN, read+names:TOKEN and write+names:TOKEN')
    for (const token of [READ, WRITE, 'short', 'pay/roll', 'admin']) expect(message).not.toContain(token)
  })
})

describe('what is in front of the server', () => {
  test.each([
    ['127.0.0.1', ['127.0.0.1']],
    ['10.0.0.0/8, FD00::/8 ,::1', ['10.0.0.0/8', 'fd00::/8', '::1']],
    ['192.168.1.0/24,2001:db8::7/128', ['192.168.1.0/24', '2001:db8::7/128']],
  ])('TRUSTED_PROXIES=%s', (given, proxies) => expect(parseConfig({ TRUSTED_PROXIES: given }).trustedProxies).toEqual(proxies))

  test.each([
    ...[
      'nginx',
      'loopback',
      '127.1',
      '0x7f.1',
      '2130706433',
      '10.0.0.0/0',
      '::/0',
      '10.0.0.0/33',
      'fd00::/129',
      '10.0.0.0/',
      '10.0.0.0/-1',
    ],
    ...[
      '10.0.0.0/255.0.0.0',
      '10.0.0.0/08',
      '10.0.0.1:8080',
      '[::1]',
      'fe80::1%eth0',
      '::ffff:10.0.0.1',
      '*',
      '127.0.0.1,,::1',
      'true',
      '10.0.0.0/8/8',
    ],
  ])('TRUSTED_PROXIES=%s is refused', (given) => {
    expect(refusalOf({ TRUSTED_PROXIES: given })).toContain('TRUSTED_PROXIES: ')
    expect(refusalOf({ TRUSTED_PROXIES: given })).toContain('Accepted: IP addresses and networks')
  })

  test.each([
    ['/dingtalk', '/dingtalk'],
    ['/tools/dingtalk/', '/tools/dingtalk'],
    ['/', ''],
  ])('BASE_PATH=%s', (given, path) => expect(parseConfig({ BASE_PATH: given }).basePath).toBe(path))

  test.each(['dingtalk', '//evil.example', '/a/../b', 'https://tracker.example/dingtalk', '/a b', '/a%20b', '/v1', '/tasks/x', '/a?b'])(
    'BASE_PATH=%s is refused',
    (given) => expect(refusalOf({ BASE_PATH: given })).toContain('Accepted: a path such as /dingtalk'),
  )

  test.each(['X-Forwarded-User', 'X-Auth-Request-Email', 'Remote-User', 'X-authentik-username', 'Cf-Access-Authenticated-User-Email'])(
    'AUTH_HEADER=%s',
    (given) => {
      const { authHeader, authHeaderRole } = parseConfig({ AUTH_HEADER: given, TRUSTED_PROXIES: '::1' })
      expect([authHeader, authHeaderRole]).toEqual([given.toLowerCase(), 'read'])
    },
  )

  test.each([
    'Host',
    'cookie',
    'Authorization',
    'User-Agent',
    'Accept-Language',
    'X-Forwarded-For',
    'X-Real-IP',
    'Sec-Fetch-User',
    'Origin',
    'X User',
    'X_User',
    '1',
    ':path',
    'x'.repeat(65),
  ])('AUTH_HEADER=%s is refused: anybody sends it, or nobody can', (given) =>
    expect(refusalOf({ AUTH_HEADER: given, TRUSTED_PROXIES: '::1' })).toContain('a header that only the proxy sets'),
  )

  test('AUTH_HEADER without TRUSTED_PROXIES is refused; the role is one of four', () => {
    expect(refusalOf({ AUTH_HEADER: 'X-Forwarded-User' })).toContain('AUTH_HEADER is set without TRUSTED_PROXIES')
    expect(refusalOf({ AUTH_HEADER: 'X-Forwarded-User', TRUSTED_PROXIES: 'nginx' })).toContain('TRUSTED_PROXIES: "nginx"')
    expect(refusalOf({ AUTH_HEADER_ROLE: 'admin' })).toContain('Accepted: read, write, read+names, write+names.')
    const env = { AUTH_HEADER: 'X-Forwarded-User', TRUSTED_PROXIES: '127.0.0.1', AUTH_HEADER_ROLE: 'write' }
    expect(parseConfig(env).authHeaderRole).toBe('write')
    expect(parseConfig({ ...env, AUTH_HEADER_ROLE: 'read+names' }).authHeaderRole).toBe('read+names')
  })
})
