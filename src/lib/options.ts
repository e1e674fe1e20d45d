import { TrackerError } from '../domain/errors.ts'
import { quote, truncate } from '../domain/quote.ts'

/**
 * Accepts an object without unknown names: a misspelt option would have no effect.
 * @param of the function that was called
 * @throws {TrackerError} `INVALID_CONFIG`
 */
export function assertOptions(of: string, options: unknown, names: readonly string[]): void {
  const accepted = `Accepted: ${names.join(', ')}.`
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TrackerError('INVALID_CONFIG', `${of} takes an object with options, not ${quote(options)}. ${accepted}`)
  }
  const unknown = Object.keys(options).filter((name) => !names.includes(name))
  if (unknown.length === 0) return
  // A name may be any text.
  const shown = truncate(unknown.join(', '), 200).replace(/\p{Cc}/gu, '\uFFFD')
  throw new TrackerError('INVALID_CONFIG', `${of} has no options ${shown}. ${accepted}`)
}
