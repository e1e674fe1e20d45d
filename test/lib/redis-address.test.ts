import { describe, expect, test } from 'vitest'
import { addressFault, assertAddress, QUEUE_SCHEMES } from '../../src/lib/address.ts'
import { errorText } from '../../src/lib/error-text.ts'
import { scrubJsonLine, scrubText, showAddress } from '../../src/lib/redact.ts'
import { clusterPrefix, hasHashTag, parseSeveralRedis } from '../../src/lib/redis-address.ts'

const PLAIN = { username: null, password: null, tls: false, family: null }
const NO_SENTINELS = { sentinelUsername: null, sentinelPassword: null, sentinelTls: false }

describe('an address of several servers of Redis', () => {
  test.each([
    [
      'redis+sentinel://s1,s2:26380,s3/delivery',
      {
        ...{ kind: 'sentinel', ...PLAIN, ...NO_SENTINELS, master: 'delivery', database: 0 },
        hosts: [
          { host: 's1', port: 26_379 },
          { host: 's2', port: 26_380 },
          { host: 's3', port: 26_379 },
        ],
      },
    ],
    [
      'rediss+sentinel://user:p%40ss@s1/delivery/3?sentinel_username=watcher&sentinel_password=s%26x&family=6',
      {
        ...{ kind: 'sentinel', master: 'delivery', database: 3, username: 'user', password: 'p@ss', tls: true, family: 6 },
        ...{ sentinelUsername: 'watcher', sentinelPassword: 's&x', sentinelTls: true },
        hosts: [{ host: 's1', port: 26_379 }],
      },
    ],
    [
      'rediss+sentinel://:p:w@s1/my.master_1?sentinel_tls=no',
      {
        ...{ kind: 'sentinel', ...PLAIN, ...NO_SENTINELS, master: 'my.master_1', database: 0, password: 'p:w', tls: true },
        hosts: [{ host: 's1', port: 26_379 }],
      },
    ],
    [
      'redis+cluster://n1:7000,[2001:db8::1]:7001,10.0.0.3/0',
      {
        ...{ kind: 'cluster', ...PLAIN },
        hosts: [
          { host: 'n1', port: 7000 },
          { host: '2001:db8::1', port: 7001 },
          { host: '10.0.0.3', port: 6379 },
        ],
      },
    ],
    [
      'rediss+cluster://user@n1?family=4',
      { kind: 'cluster', ...PLAIN, username: 'user', tls: true, family: 4, hosts: [{ host: 'n1', port: 6379 }] },
    ],
  ])('%s', (text, expected) => {
    expect(parseSeveralRedis(text)).toEqual(expected)
    expect(addressFault(text, QUEUE_SCHEMES)).toBeNull()
    expect(() => assertAddress('queueUrl', text, QUEUE_SCHEMES)).not.toThrow()
  })

  test.each([
    ['redis://a:6379,b:6379', /^queueUrl names several hosts\. Several sentinels: redis\+sentinel:.*; a cluster: redis\+cluster:/],
    ['redis://u:secret@a,b/0', /names several hosts/],
    ['redis+sentinel://', /names no host/],
    ['redis+sentinel://s1,s2', /lacks the name of the master/],
    ['redis+sentinel://s1/?sentinel_password=x', /lacks the name of the master/],
    ['redis+sentinel://s1/my%20master', /other characters than/],
    ['redis+sentinel://s1/delivery/one', /something else than the number of a database/],
    ['redis+sentinel://s1/delivery/1/2', /something else than the number of a database/],
    ['redis+sentinel://s1,,s2/delivery', /no host name.* at place 2 of its hosts/],
    ['redis+sentinel://s1:0/delivery', /no port from 1 to 65535, at place 1/],
    ['redis+sentinel://s1:70000/delivery', /at place 1/],
    ['redis+sentinel://s1:x/delivery', /at place 1/],
    [
      'redis+sentinel://s1/delivery?db=1',
      /has an unknown parameter "db"\. Accepted: sentinel_username, sentinel_password, sentinel_tls, family\./,
    ],
    ['redis+sentinel://s1/delivery?sentinel_tls=maybe', /another "sentinel_tls" than yes or no/],
    ['redis+sentinel://s1/delivery?sentinel_tls=yes&sentinel_tls=no', /has the parameter "sentinel_tls" twice/],
    ['redis+sentinel://s1/delivery?sentinel_password=%', /a "%" in the parameter "sentinel_password" that begins no escape/],
    ['redis+cluster://n1/1', /a cluster has database 0 only/],
    ['redis+cluster://n1/name', /a cluster has database 0 only/],
    ['redis+cluster://n1?sentinel_password=x', /unknown parameter "sentinel_password"\. Accepted: family\./],
    ['redis+cluster://n1?family=5', /another "family" than 4 or 6/],
    [`redis+cluster://${Array.from({ length: 51 }, (_, i) => `n${i}`).join(',')}`, /names 51 hosts\. Accepted: 50 at most/],
    ['redis+cluster://u:%zz@n1', /a "%" in the password/],
  ])('%s is refused with what is accepted', (text, message) => {
    expect(() => assertAddress('queueUrl', text, QUEUE_SCHEMES)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
    expect(() => assertAddress('queueUrl', text, QUEUE_SCHEMES)).toThrow(message)
  })

  test.each(['/', '?', '#', '@', '?x&y', ':/', '@b?c=d&'])(
    'a password with %s that is not escaped is refused, and no part of it is shown',
    (sign) => {
      const password = `sesame${sign}open`
      for (const address of [`redis+cluster://u:${password}@n1,n2`, `redis+sentinel://u:${password}@s1/delivery`]) {
        let message = ''
        try {
          assertAddress('queueUrl', address, QUEUE_SCHEMES)
        } catch (error) {
          message = String(error)
        }
        expect(message).toMatch(/Write it as %40, %2F, %3F or %23/)
        expect(message).not.toMatch(/sesame|open/)
      }
    },
  )

  test('other addresses are not its business', () => {
    for (const text of ['redis://a', 'rediss://a:1/2', 'postgres://a,b/db', 'redis+other://a', ''])
      expect(parseSeveralRedis(text)).toBeNull()
  })

  test('its passwords are hidden in logs and errors', () => {
    const address = 'redis+sentinel://user:sesame@s1:1,s2/delivery?sentinel_password=open'
    expect(scrubText(`at ${address} now`)).not.toMatch(/sesame|open/)
    expect(scrubJsonLine(JSON.stringify({ url: address, other: 'rediss+cluster://:sesame@n1,n2:7000' }))).not.toMatch(/sesame|open/)
    expect(errorText(new Error(`cannot reach ${address}`))).not.toContain('sesame')
  })

  test('is shown without user, passwords and query', () => {
    expect(showAddress('redis+sentinel://u:p%40w@s1:1,s2:2/delivery/3?sentinel_password=x')).toBe('redis+sentinel://s1:1,s2:2/delivery/3')
    expect(showAddress('rediss+cluster://u:pw@[::1]:1,n2')).toBe('rediss+cluster://[::1]:1,n2')
    expect(showAddress('redis+cluster://n1:7000')).toBe('redis+cluster://n1:7000')
    expect(showAddress('redis+cluster://u:p/w@n1,n2')).not.toMatch(/p\/w|u:p/)
    expect(showAddress('redis+cluster://u:p?w@n1,n2')).not.toMatch(/p\?w|u:p/)
  })
})

test.each([
  ['bull', '{bull}'],
  ['{bull}', '{bull}'],
  ['team:{bull}:x', 'team:{bull}:x'],
  ['{}bull', '{{}bull}'],
  ['a{b', '{a{b}'],
  ['a}b', '{a}b}'],
])('on a cluster the prefix %s becomes %s', (prefix, expected) => {
  expect(clusterPrefix(prefix)).toBe(expected)
  expect(hasHashTag(clusterPrefix(prefix))).toBe(true)
})

test('a prefix that cannot be a hash tag is refused', () => {
  expect(() => clusterPrefix('}bull')).toThrow(
    expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringContaining('begins with "}"') }),
  )
})
