import type { PersonRecord } from '../intake/people.ts'
import type { PeopleCounts } from '../polling/ports.ts'
import { openDatabase } from '../store/prisma.ts'
import {
  comparePeople,
  type ImportCounts,
  type ImportOptions,
  importPeople,
  readStoredPeople,
  type StoredPerson,
} from '../store/write-people.ts'

/** People of one app, for a command that shows what it will change before it changes it. */
export interface PeopleDirectory {
  /** All that are stored. */
  stored(): Promise<StoredPerson[]>
  /** What {@link PeopleDirectory.write} would do. */
  compare(people: readonly PersonRecord[]): Promise<PeopleCounts>
  /** All, or nothing. */
  write(people: readonly PersonRecord[], options: ImportOptions): Promise<ImportCounts>
}

/**
 * Opens the database, and closes it after `work`. The role of the names alone may do it, so the record of migrations is not read.
 * @throws {TrackerError} `DATABASE_UNAVAILABLE`, `SCHEMA_MISMATCH`, or `NOT_PERMITTED` where the role may not see and change names
 */
export async function withPeople<T>(databaseUrl: string, app: string, work: (directory: PeopleDirectory) => Promise<T>): Promise<T> {
  const database = openDatabase(databaseUrl, { max: 2, applicationName: 'dingtalk-delivery people' })
  try {
    return await work({
      stored: () => readStoredPeople(database, app),
      compare: (people) => comparePeople(database, app, people),
      write: (people, options) => importPeople(database, app, people, options),
    })
  } finally {
    await database.close()
  }
}
