import { expect, test } from 'vitest'
import { addressFault, assertAddress, assertName, DATABASE_SCHEMES, QUEUE_NAME, QUEUE_SCHEMES } from '../../src/lib/address.ts'

test.each([
  'postgres://tracker:secret@db:5432/tracker',
  'postgresql://db/tracker?sslmode=require',
  'redis://redis',
  'redis://redis:6379',
  'redis://redis:6379/',
  'redis://:secret@redis:6379/3',
  'rediss://redis/0?family=6',
])('%s is where a queue can live', (url) => {
  expect(addressFault(url, QUEUE_SCHEMES)).toBeNull()
})

test.each(['mysql://db/x', 'http://redis:6379', 'redis', 'redis:6379', 'redis://', 'postgres:///tracker', ''])('%s is none', (url) => {
  expect(addressFault(url, QUEUE_SCHEMES)).not.toBeNull()
})

test.each(['redis://redis/nope', 'redis://redis:6379/1a', 'rediss://redis/0/1'])(
  '%s is none: the client would go on in database 0, where no worker polls',
  (url) => {
    expect(addressFault(url, QUEUE_SCHEMES)).not.toBeNull()
  },
)

test('a database is no Redis', () => {
  expect(addressFault('redis://redis:6379', DATABASE_SCHEMES)).toBe('')
  expect(addressFault('postgres://db/tracker', DATABASE_SCHEMES)).toBeNull()
})

test('an address that is none is refused by the name of its option, without what was given', () => {
  expect(() => assertAddress('queueUrl', 'redis://redis:6379', QUEUE_SCHEMES)).not.toThrow()
  const message =
    'queueUrl must be a URL that begins with redis:// or rediss:// or postgres:// or postgresql://; the path of a Redis URL is a database number; Sentinel is redis+sentinel://HOST,HOST/MASTER, a cluster redis+cluster://HOST,HOST. What was given (20 characters) is none.'
  expect(() => assertAddress('queueUrl', 'mysql://u:secret@db/', QUEUE_SCHEMES)).toThrow(
    expect.objectContaining({ code: 'INVALID_CONFIG', message }),
  )
  expect(() => assertAddress('databaseUrl', 'redis://redis', DATABASE_SCHEMES)).toThrow(/^databaseUrl must be .* postgresql:\/\/\. What/)
  expect(() => assertAddress('databaseUrl', 'postgres://u:secret@db/x?sslmode=on', DATABASE_SCHEMES)).toThrow(
    /^databaseUrl has sslmode="on"\. Accepted: disable, allow, .*verify-full\.$/,
  )
  for (const value of [null, 5, Number.NaN, 7n, {}, [], Symbol('x'), () => 'postgres://u:secret@db/x', Object.create(null)]) {
    expect(() => assertAddress('databaseUrl', value, DATABASE_SCHEMES)).toThrow(/What was given \((null|an? [a-z]+)\) is none\.$/)
  }
})

test('a name that no queue can have is refused with what is accepted', () => {
  expect(() => assertName('queueName', 'dingtalk-delivery', QUEUE_NAME)).not.toThrow()
  expect(() => assertName('queueName', 'a:b', QUEUE_NAME)).toThrow(/queueName "a:b" is not accepted\. Accepted: /)
  expect(() => assertName('queueName', 7, QUEUE_NAME)).toThrow(/queueName 7 is not accepted/)
})
