import type { Person } from './ports.ts'

export interface EraseDeps {
  readonly store: {
    /** From now on polls replace the person's user id. Resolves with the pseudonym; the same as before where it is done again. */
    begin(person: Person): Promise<string>
    /** Resolves with in how many tasks the person was. */
    erase(person: Person, pseudonym: string): Promise<number>
  }
  readonly queue: {
    /** Resolves with how many jobs named the person. */
    scrub(person: Person, pseudonym: string): Promise<number>
  }
}

export interface Erased {
  readonly tasks: number
  readonly jobs: number
}

/**
 * Replaces a person by a pseudonym wherever they are stored. Safe to run again, also after a crash in the middle.
 * The order matters: polls replace the user id first, and a job that runs meanwhile has become a task before the tasks are searched.
 */
export async function erase({ store, queue }: EraseDeps, person: Person): Promise<Erased> {
  const pseudonym = await store.begin(person)
  const jobs = await queue.scrub(person, pseudonym)
  return { tasks: await store.erase(person, pseudonym), jobs }
}
