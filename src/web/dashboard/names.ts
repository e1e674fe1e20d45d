import { TrackerError } from '../../domain/errors.ts'

/** To a server whose role in the database has no right to names, no name is known. */
export async function readIfPermitted<T>(read: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof TrackerError && error.code === 'NOT_PERMITTED') return otherwise
    throw error
  }
}
