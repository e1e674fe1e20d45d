/** What an error of a driver says, without user and password of an address in it. '' where it says nothing. */
export function errorText(error: unknown): string {
  return said(error).replaceAll(/\/\/[^@/\s]*@/g, '//***@')
}

/** A host with several addresses fails with an error that is empty but for the errors of each. */
function said(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.message !== '') return error.message
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : undefined
  if (inner !== undefined) return said(inner)
  return 'code' in error ? String(error.code) : ''
}
