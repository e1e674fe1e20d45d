import { describe } from 'vitest'
import { redisAvailable } from './redis-server.ts'

/** A suite that needs `redis-server`: skipped loudly where it is missing, and a failure with `CI=true`. */
export function describeRedis(name: string, suite: () => void): void {
  if (!redisAvailable()) announceMissing(name)
  describe.skipIf(!redisAvailable())(name, suite)
}

function announceMissing(name: string): void {
  const message = `redis-server is not installed: "${name}" needs it`
  if (process.env['CI'] === 'true')
    throw new Error(`${message}, and with CI=true nothing is skipped. Install it (apt-get install redis-server).`)
  console.warn(`SKIPPED: ${message}`)
}
