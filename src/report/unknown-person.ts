import { TrackerError } from '../domain/errors.ts'
import type { PersonRef } from './rates.ts'

/** No app sent anything to this user id, and none knows the name of it. */
export function unknownPerson({ userId, app }: PersonRef): TrackerError {
  const place = app === undefined ? 'any app' : `app ${app}`
  return new TrackerError('RECIPIENT_NOT_FOUND', `Nothing is known of the user id ${JSON.stringify(userId)} in ${place}.`)
}
