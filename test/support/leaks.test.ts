import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { assertNoLeak, CANARIES, leaksIn, secretsIn } from './canaries.ts'
import { assertNoLeakInError, assertNoLeakInRedis } from './leaks.ts'
import { startNode } from './process.ts'
import { describeRedis } from './redis.ts'
import { startRedis } from './redis-server.ts'

/** Who watches has to be watched: each of these must find what is there. */
test.each(Object.entries(CANARIES))('%s is found, plain, in a URL and in a header, and is not shown', (name, canary) => {
  for (const text of [`x${canary}y`, encodeURIComponent(`?a=${canary}`), Buffer.from(canary).toString('base64')])
    expect(leaksIn(text)).toEqual([name])
  expect(leaksIn('nothing of interest')).toEqual([])
  expect(() => assertNoLeak('a place', canary)).toThrow(`a secret leaked: ${name} can be read in a place`)
})

test('the secrets of an environment are tokens, keys and the passwords in addresses', () => {
  const env = { API_TOKEN: 'long-token', DATABASE_URL: 'postgres://me:pass%20word@db/x', PORT: '80', LOG_LEVEL: 'info' }
  expect(secretsIn(env)).toEqual([
    ['API_TOKEN', 'long-token'],
    ['the password in DATABASE_URL', 'pass word'],
  ])
  expect(secretsIn({ API_TOKEN: 'read:first-token,write:payroll:second-token' })).toEqual([
    ['API_TOKEN', 'first-token'],
    ['API_TOKEN', 'second-token'],
  ])
})

test.each(['stdout', 'stderr'] as const)('a process that shows what it was given on %s fails its test', async (stream) => {
  const directory = await mkdtemp(join(tmpdir(), 'dingtalk-delivery-leak-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const entry = join(directory, 'leaky.mjs')
  await writeFile(entry, `process.${stream}.write('it is ' + process.env.MY_TOKEN)`)
  const reaps: Array<() => Promise<void>> = []
  const env = { MY_TOKEN: 'only-this-test-has-it' }
  const child = startNode(entry, { env, onTestFinished: (reap) => void reaps.push(reap) })
  await expect(child.exit).rejects.toThrow(`a secret leaked: MY_TOKEN can be read in ${stream} of leaky.mjs`)
  await expect(reaps[0]?.()).rejects.toThrow('a secret leaked')
  expect(await startNode(entry, { env, mayShowSecrets: [stream] }).exit).toEqual({ code: 0, signal: null })
})

test('an error is looked through with its causes and whatever hangs on them', () => {
  const cause = Object.assign(new Error('no'), { command: { args: ['default', CANARIES.redisPassword] } })
  const hidden = Object.defineProperty(new Error('no'), 'client', { value: { password: CANARIES.databasePassword } })
  for (const error of [new Error('outer', { cause }), new Error('outer', { cause: new Error('inner', { cause }) }), hidden])
    expect(() => assertNoLeakInError(error)).toThrow('a secret leaked')
  expect(() => assertNoLeakInError(new Error('outer', { cause: new Error('inner') }))).not.toThrow()
})

describeRedis('in Redis', () => {
  test('a secret is found in a key of any type', async () => {
    const server = await startRedis()
    onTestFinished(() => server.stop())
    const { Redis } = await import('ioredis')
    const redis = new Redis(server.url)
    onTestFinished(() => redis.disconnect())
    const secret = `x ${CANARIES.appSecret}`
    for (const [command, ...args] of [
      ['set', 'a', secret],
      ['set', secret, 'a'],
      ['hset', 'a', 'field', secret],
      ['hset', 'a', secret, '1'],
      ['rpush', 'a', secret],
      ['sadd', 'a', secret],
      ['zadd', 'a', '1', secret],
      ['xadd', 'a', '*', 'field', secret],
    ] as const) {
      await redis.call(command, ...args)
      await expect(assertNoLeakInRedis(server.url), command).rejects.toThrow('a secret leaked: appSecret')
      await redis.flushall()
    }
    await expect(assertNoLeakInRedis(server.url)).resolves.toBeUndefined()
  })
})
