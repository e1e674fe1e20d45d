import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../app/config/config.ts'
import { TrackerError, type TrackerErrorCode, withRemedy } from '../domain/errors.ts'
import type { RateReader } from '../report/rates.ts'
import type { Context } from './context.ts'
import { configWithEmbedded, requireDatabase } from './embedded.ts'

/** A connection that hangs must not keep a command that has said everything. */
const CLOSING_MS = 1_000

/** Opens the database for reading, and closes it after `work`. */
export async function withReader<T>(context: Context, work: (reader: RateReader, config: Config) => Promise<T>): Promise<T> {
  const config = await configWithEmbedded(context)
  const databaseUrl = requireDatabase(config)
  const { openReads } = await import('../app/reads.ts')
  const { reader, close } = openReads(databaseUrl)
  try {
    return await work(reader, config)
  } finally {
    await Promise.race([close().catch(() => undefined), sleep(CLOSING_MS, undefined, { ref: false })])
  }
}

/** Adds the remedy for commands to an error of this code. */
function explaining(code: TrackerErrorCode): (error: unknown) => never {
  return (error) => {
    throw error instanceof TrackerError && error.code === code ? withRemedy(error, 'command') : error
  }
}

export const unknownCampaign = explaining('CAMPAIGN_NOT_FOUND')
export const unknownTask = explaining('TASK_NOT_FOUND')
export const severalApps = explaining('SEVERAL_APPS')
