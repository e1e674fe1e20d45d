import { type Erased, erase } from '../polling/erase.ts'
import type { Person } from '../polling/ports.ts'
import { openQueue } from '../queue/connection.ts'
import { scrubJobs } from '../queue/scrub-jobs.ts'
import { withQueueTimeout } from '../queue/timeout.ts'
import { beginErasure, erasePerson } from '../store/erase-people.ts'
import { assertSchemaVersion, openDatabase } from '../store/prisma.ts'
import type { QueueConfig } from './config/config.ts'

export type { Erased } from '../polling/erase.ts'

const QUEUE_PATIENCE_MS = 3_000

/**
 * Replaces a person by a pseudonym in the database and the queue.
 * @throws {TrackerError} `DATABASE_UNAVAILABLE`, `QUEUE_UNAVAILABLE` or `SCHEMA_MISMATCH`; what was done until then stays done
 */
export async function erasePersonEverywhere(databaseUrl: string, queueConfig: QueueConfig, person: Person): Promise<Erased> {
  const database = openDatabase(databaseUrl, { max: 2, applicationName: 'dingtalk-delivery erase' })
  let said: unknown
  const queue = openQueue(queueConfig, 'producer', (error) => {
    said = error
  })
  try {
    // Nothing is begun while one of the two is away.
    await assertSchemaVersion(database.prisma)
    await withQueueTimeout(QUEUE_PATIENCE_MS, queue.it.waitUntilReady(), () => said)
    return await erase(
      {
        store: {
          begin: (someone) => beginErasure(database, someone),
          erase: (someone, pseudonym) => erasePerson(database, someone, pseudonym),
        },
        queue: { scrub: (someone, pseudonym) => scrubJobs(queue.it, someone, pseudonym) },
      },
      person,
    )
  } finally {
    await queue.close().catch(() => undefined)
    await database.close()
  }
}
