import { TrackerError } from '../domain/errors.ts'

const OWN_SERVER = 'Or set DATABASE_URL to a PostgreSQL server of your own.'

/** The error of this folder: what is wrong, and what to do. */
export function unavailable(problem: string, cause?: unknown): TrackerError {
  const options = cause === undefined ? {} : { cause }
  return new TrackerError('EMBEDDED_UNAVAILABLE', `The embedded PostgreSQL cannot run: ${problem} ${OWN_SERVER}`, options)
}

/** The same for an error of the system, which is named in brackets after the problem. */
export function failed(problem: string, error: unknown, remedy = ''): TrackerError {
  return unavailable(`${problem} (${errnoOf(error) ?? String(error)}).${remedy}`, error)
}

/** `ENOENT` and the like, from what Node throws. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
