import { Redis } from 'ioredis'
import type { RedisServer } from '../../support/redis-server.ts'
import type { World } from '../../support/world.ts'

export function redisOf(world: World): RedisServer {
  if (world.redis === null) throw new Error('this world has no Redis')
  return world.redis
}

/** A client past the proxy. */
export async function withRedis<T>(url: string, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url)
  redis.on('error', () => undefined)
  try {
    return await work(redis)
  } finally {
    redis.disconnect()
  }
}
