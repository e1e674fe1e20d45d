import type { Person } from './ports.ts'

export interface EraseDeps {
  readonly store: {
    /**
     * Removes the person's name. From now on polls replace their user id, and imports leave them out. Resolves with the pseudonym; the same as before
     * where it is done again.
     */
    begin(person: Person): Promise<string>
    /** Replaces the person in all tasks. */
    erase(person: Person, pseudonym: string): Promise<ErasedRows>
  }
  readonly queue: {
    /** Resolves with how many jobs named the person. */
    scrub(person: Person, pseudonym: string): Promise<number>
  }
}

export interface ErasedRows {
  /** In how many tasks the person was. */
  readonly tasks: number
  /** How many rows of people had the person, as themselves or as a manager. */
  readonly people: number
}

export interface Erased extends ErasedRows {
  readonly jobs: number
}

/**
 * Replaces a person by a pseudonym wherever they are stored. Safe to run again, also after a crash in the middle.
 * The order matters: polls replace the user id first, and a job that runs meanwhile has become a task before the tasks are searched.
 */
export async function erase({ store, queue }: EraseDeps, person: Person): Promise<Erased> {
  const pseudonym = await store.begin(person)
  const jobs = await queue.scrub(person, pseudonym)
  return { ...(await store.erase(person, pseudonym)), jobs }
}
