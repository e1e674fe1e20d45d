import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { describeRedis } from './redis.ts'
import { startRedis } from './redis-server.ts'
import { until } from './wait.ts'

describeRedis('a Redis server of a test', () => {
  test('keeps its port and what it has stored through a kill', async () => {
    const server = await startRedis()
    const client = new Redis(server.url, { retryStrategy: () => 20, maxRetriesPerRequest: null })
    client.on('error', () => undefined)
    try {
      await client.set('key', 'value')
      await server.kill('SIGKILL')
      await server.restart()
      expect(await client.get('key')).toBe('value')
      expect(await client.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction'])
    } finally {
      client.disconnect()
      await server.stop()
    }
  })
})

test('until returns the answer, and says what it waited for and how it failed last', async () => {
  let asked = 0
  expect(await until(() => ++asked > 2 && 'found', { what: 'it is found' })).toBe('found')
  const failing = until(() => Promise.reject(new Error('refused')), { what: 'it is found', timeoutMs: 30 })
  await expect(failing).rejects.toThrow('30 ms went by, but not until it is found; at last: refused')
})
