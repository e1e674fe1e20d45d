import type { Config } from '../app/config/config.ts'
import { withTimeout } from '../lib/timeout.ts'
import type { RateReader } from '../report/rates.ts'
import type { Context } from './context.ts'
import { configWithEmbedded, requireDatabase } from './embedded.ts'

/** A connection that hangs must not keep a command that has printed its result. */
export const CLOSE_TIMEOUT_MS = 1_000

/** Opens the database for reading, and closes it after `work`. */
export async function withReader<T>(context: Context, work: (reader: RateReader, config: Config) => Promise<T>): Promise<T> {
  const config = await configWithEmbedded(context)
  const databaseUrl = requireDatabase(config)
  const { openReads } = await import('../app/operations.ts')
  const { reader, close } = openReads(databaseUrl)
  try {
    return await work(reader, config)
  } finally {
    await withTimeout(CLOSE_TIMEOUT_MS, close()).catch(() => undefined)
  }
}
