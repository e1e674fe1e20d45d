import { describe, expect, test } from 'vitest'
import { findPassword } from '../../src/lib/pass-file.ts'
import { type PostgresAddress, parsePostgresAddress } from '../../src/lib/postgres-address.ts'

const parse = (text: string, env: Readonly<Record<string, string>> = {}): PostgresAddress => parsePostgresAddress(text, env)
const serversOf = (text: string, env: Readonly<Record<string, string>> = {}) =>
  parse(text, env).servers.map(({ host, port }) => `${host} ${port}`)

describe('servers', () => {
  test.each([
    ['postgres://db/tracker', ['db 5432']],
    ['postgresql://u:p@db:6000/tracker', ['db 6000']],
    ['postgres://u@[::1]:6000/tracker', ['::1 6000']],
    ['postgres://u@[2001:db8::7]/tracker', ['2001:db8::7 5432']],
    ['postgres://h1:5433,h2:5434,h3/tracker', ['h1 5433', 'h2 5434', 'h3 5432']],
    ['postgres://h1,h2/tracker?port=6000', ['h1 6000', 'h2 6000']],
    ['postgres:///tracker?host=h1,h2&port=5433,5434', ['h1 5433', 'h2 5434']],
    ['postgres:///tracker?host=/var/run/postgresql', ['/var/run/postgresql 5432']],
    ['postgres://u:p@localhost/tracker?host=/var/run/postgresql&port=6000', ['/var/run/postgresql 6000']],
    ['postgres://u@%2Fvar%2Frun%2Fpostgresql:6000/tracker', ['/var/run/postgresql 6000']],
    ['postgres://%2Frun%2Fpg,db:5433/tracker', ['/run/pg 5432', 'db 5433']],
  ])('%s', (text, servers) => {
    expect(serversOf(text)).toEqual(servers)
  })

  test('what the address leaves out comes from the variables of libpq', () => {
    const env = { PGHOST: 'elsewhere', PGPORT: '6000', PGSSLMODE: 'require', PGTARGETSESSIONATTRS: 'standby', PGOPTIONS: '-c work_mem=8MB' }
    expect(serversOf('postgres:///tracker', env)).toEqual(['elsewhere 6000'])
    expect(serversOf('postgres://db/tracker', env)).toEqual(['db 6000'])
    expect(serversOf('postgres://db:5432/tracker', env)).toEqual(['db 5432'])
    expect(parse('postgres://db/tracker', env)).toMatchObject({ tls: { mode: 'require' }, target: 'standby' })
    expect(parse('postgres://db/tracker', env).settings).toEqual(new Map([['work_mem', '8MB']]))
    expect(parse('postgres://db/tracker?ssl=0&target_session_attrs=any', env)).toMatchObject({ tls: { mode: 'disable' }, target: 'any' })
  })
})

test('user, password and database are decoded, from the address or from parameters', () => {
  const shown = ({ user, password, database }: PostgresAddress) => [user, password, database]
  expect(shown(parse('postgres://u%40corp:p%3A%2F%25@db/my%20db'))).toEqual(['u@corp', 'p:/%', 'my db'])
  expect(shown(parse('postgres://db/x?user=ann&password=a%26b&dbname=y'))).toEqual(['ann', 'a&b', 'y'])
  // As libpq reads it, "#" and "@" need no code in a password.
  expect(shown(parse('postgres://u:p#1@2+3@db/x'))).toEqual(['u', 'p#1@2+3', 'x'])
  expect(shown(parse('postgres://db'))).toEqual([undefined, undefined, undefined])
})

test('no printed object has the password', () => {
  const address = parse('postgres://u:hunter2@db/x?sslpassword=hunter3&sslcert=/c&sslkey=/k')
  expect(JSON.stringify({ ...address })).not.toContain('hunter')
  expect(address.password).toBe('hunter2')
  expect(address.tls.keyPassword).toBe('hunter3')
})

test.each([
  ['', 'prefer'],
  ['sslmode=disable', 'disable'],
  ['sslmode=allow', 'allow'],
  ['sslmode=require', 'require'],
  ['sslmode=verify-ca&sslrootcert=/ca.pem', 'verify-ca'],
  ['sslmode=verify-full', 'verify-full'],
  ['sslrootcert=system', 'verify-full'],
  ['sslmode=no-verify', 'require'],
  ['ssl=true', 'verify-full'],
  ['ssl=false', 'disable'],
  ['ssl=true&sslmode=require', 'require'],
])('"%s" is sslmode %s', (query, mode) => {
  expect(parse(`postgres://db/x?${query}`).tls.mode).toBe(mode)
})

test('the parameters of Prisma and of libpq that tune nothing here are accepted', () => {
  const query = 'schema=dingtalk&connection_limit=5&pool_timeout=20&pgbouncer=true&statement_cache_size=0&connect_timeout=10&sslmode=prefer'
  const rest =
    'gssencmode=disable&keepalives=1&keepalives_idle=30&keepalives_interval=10&application_name=mine&client_encoding=UTF8&uselibpqcompat=true'
  expect(parse(`postgres://db/x?${query}&${rest}`)).toMatchObject({
    ...{ schema: 'dingtalk', connectionLimit: 5, poolTimeoutMs: 20_000, connectTimeoutMs: 10_000, applicationName: 'mine' },
    ...{ keepAlive: true, keepAliveIdleMs: 30_000 },
  })
  expect(parse('postgres://db/x?connect_timeout=0&pool_timeout=0&keepalives=0')).toMatchObject({
    ...{ connectTimeoutMs: undefined, poolTimeoutMs: undefined, keepAlive: false },
  })
})

test.each([
  [
    '-c search_path=a,public -c work_mem=8MB',
    [
      ['search_path', 'a,public'],
      ['work_mem', '8MB'],
    ],
    undefined,
  ],
  [
    '-csearch_path=a --lock-timeout=5s',
    [
      ['search_path', 'a'],
      ['lock_timeout', '5s'],
    ],
    undefined,
  ],
  ['-c search_path="Mixed\\ Case"', [['search_path', '"Mixed Case"']], undefined],
  ['endpoint=ep-cool-name', [], 'endpoint=ep-cool-name'],
  ['-c jit=off project=x', [['jit', 'off']], 'project=x'],
])('options %s', (options, settings, startup) => {
  const address = parse(`postgres://db/x?options=${encodeURIComponent(options)}`)
  expect([...address.settings]).toEqual(settings)
  expect(address.startupOptions).toBe(startup)
  expect([...parse(`postgres://db/x?options=${options.replaceAll('%', '%25')}`).settings]).toEqual(settings)
})

test('a space in options may be a plus, as URLSearchParams writes it', () => {
  const url = new URL('postgres://db/x')
  url.searchParams.set('options', '-c default_transaction_read_only=on')
  expect([...parse(url.href).settings]).toEqual([['default_transaction_read_only', 'on']])
})

test.each([
  ['postgres://', /names no host.*\?host=/],
  ['postgres:///x', /names no host/],
  ['postgres://host:notaport/x', /the port "notaport". Accepted: a whole number from 1 to 65535/],
  ['postgres://h:70000/x', /the port "70000"/],
  ['postgres://h1,h2,h3/x?port=1,2', /3 hosts and 2 ports: give one port for all/],
  ['postgres://h1,,h3/x', /empty name between its hosts/],
  ['postgres://::1/x', /IPv6 address is written in brackets/],
  ['postgres://db/x?sslmode=on', /sslmode="on"\. Accepted: disable, allow, prefer, require, verify-ca, verify-full/],
  ['postgres://db/x?sslmod=require', /"sslmod", which is not known\. Known: .*sslmode/],
  ['postgres://db/x?sslmode=require&sslrootcert=system', /give sslmode=verify-full/],
  ['postgres://db/x?sslcert=/a', /sslcert without sslkey/],
  ['postgres://db/x?sslnegotiation=direct', /give sslmode=require or stronger/],
  ['postgres://db/x?target_session_attrs=master', /Accepted: any, read-write/],
  ['postgres://db/x?connection_limit=0', /connection_limit="0"\. Accepted: a whole number from 1/],
  ['postgres://db/x?connect_timeout=5s', /connect_timeout="5s"/],
  ['postgres://db/x?hostaddr=10.0.0.1', /hostaddr="10\.0\.0\.1", which is not supported: give the IP address as the host/],
  ['postgres://db/x?service=prod', /service file/],
  ['postgres://db/x?gssencmode=require', /use TLS with sslmode=verify-full/],
  ['postgres://db/x?client_encoding=LATIN1', /speaks UTF8 only/],
  ['postgres://db/x?statement_timeout=5000', /leave it out/],
  ['postgres://db/x?sslmode', /a parameter without "="/],
  ['postgres://u:50%@db/x', /"%" in the password .* write "%" itself as %25/],
])('%s is refused', (text, fault) => {
  expect(() => parse(text)).toThrow(fault)
})

test.each([
  'postgres://u:hunt/er2@db/x',
  'postgres://u:hunt?er2@db/x',
  'postgres://u:hunter2%zz@db/x',
  'postgres://u:hunter2@db/x?passwrod=hunter2',
  'postgres://db/x?password=hunter2&sslmode=on',
  'postgres://db/x?sslpassword=hunter2%',
])('%s: no part of a password is shown', (text) => {
  expect(() => parse(text)).toThrow(expect.objectContaining({ name: 'AddressFault', message: expect.not.stringMatching(/hunt|er2/) }))
})

test('the file of passwords is read as libpq does', () => {
  const file = ['# db:*:*:*:comment', 'other:5432:x:u:no', 'db:5432:x:u:a\\:b\\\\c', '*:*:*:*:last', ''].join('\n')
  expect(findPassword(file, { host: 'db', port: 5432, database: 'x', user: 'u' })).toBe('a:b\\c')
  expect(findPassword(file, { host: 'db', port: 5433, database: 'x', user: 'u' })).toBe('last')
  expect(findPassword('localhost:*:*:u:here', { host: '/run/pg', port: 5432, database: 'x', user: 'u' })).toBe('here')
  expect(findPassword('db:5432:x:u:p', { host: 'db', port: 5432, database: 'y', user: 'u' })).toBeUndefined()
})
