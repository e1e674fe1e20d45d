import type { Resuming } from '../polling/ports.ts'
import { openDatabase } from '../store/prisma.ts'
import { createResuming } from '../store/resume.ts'

/** Opens the database for `work`, and closes it after that. */
export async function withResuming<Result>(databaseUrl: string, work: (resuming: Resuming) => Promise<Result>): Promise<Result> {
  const database = openDatabase(databaseUrl, { max: 1, applicationName: 'dingtalk-delivery resume' })
  try {
    return await work(createResuming(database.prisma))
  } finally {
    await database.close()
  }
}
