import { Redis, type RedisOptions } from 'ioredis'
import { closeWithClients, MAX_BLOCK_SECONDS } from './workarounds.ts'

/** Reconnects after two seconds at most; BullMQ's own delay grows to 20 s. */
const retryDelayMs = (times: number): number => Math.min(times * 200, 2_000)
/** While closing, a server that does not answer these few attempts is given up. */
const RETRIES_WHILE_CLOSING = 5
const CONNECT_TIMEOUT_MS = 2_000
/** On the connection on which a worker blocks for the next job. */
const BLOCKING_SILENCE_MS = MAX_BLOCK_SECONDS * 1_000 + 1_000

export interface RedisBehaviour {
  /** True: commands wait until the server is back. False: they fail with the connection. */
  readonly waits: boolean
  /** A server that does not answer for this long is gone, and the connection is made anew. */
  readonly silenceMs: number
}

/** A Redis client for BullMQ. */
export interface RedisLink {
  readonly redis: Redis
  /** Runs `close` and disconnects; does not wait for a server that is away. */
  close(close: () => Promise<void>): Promise<void>
}

export function openRedis(url: string, { waits, silenceMs }: RedisBehaviour, onError: (error: unknown) => void): RedisLink {
  let closing = false
  const redis = new RedisWithDuplicates(url, {
    maxRetriesPerRequest: waits ? null : 0,
    enableOfflineQueue: waits,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: silenceMs,
    keepAlive: 10_000,
    retryStrategy: (times) => (closing && times > RETRIES_WHILE_CLOSING ? null : retryDelayMs(times)),
  })
  redis.on('error', (error) => {
    // The server has no database of that number. ioredis would go on in database 0, where no worker polls.
    if (/DB index/i.test(error.message)) redis.disconnect()
    onError(error)
  })
  return {
    redis,
    async close(close) {
      closing = true
      await closeWithClients([redis, ...redis.duplicates], close)
    },
  }
}

/** BullMQ duplicates the client for a worker to block on; the duplicate may be silent for longer. */
class RedisWithDuplicates extends Redis {
  readonly duplicates: Redis[] = []

  override duplicate(options?: Partial<RedisOptions>): Redis {
    const duplicate = super.duplicate({ ...options, socketTimeout: BLOCKING_SILENCE_MS })
    this.duplicates.push(duplicate)
    return duplicate
  }
}
