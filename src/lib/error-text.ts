/** The message of a driver's error, without user and password of an address in it. '' where it has none. */
export function errorText(error: unknown): string {
  return messageOf(error)
    .replaceAll(/\/\/[^@/\s]*@/g, '//***@')
    .replaceAll(/\bsentinel_password=[^&\s]*/g, 'sentinel_password=***')
}

/** A host with several addresses fails with an error that is empty but for the errors of each. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.message !== '') return error.message
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : undefined
  if (inner !== undefined) return messageOf(inner)
  return 'code' in error ? String(error.code) : ''
}
