import type { RateReader } from '../report/rates.ts'
import { openDatabase } from '../store/prisma.ts'
import { createRateReader } from '../store/rate-reader.ts'

export interface Reads {
  readonly reader: RateReader
  close(): Promise<void>
}

/** Opens the database for reading rates. Nothing connects before the first query. */
export function openReads(databaseUrl: string): Reads {
  const database = openDatabase(databaseUrl, { max: 2, applicationName: 'dingtalk-delivery reads' })
  return { reader: createRateReader(database), close: () => database.close() }
}
