/** The code of an error of a connection; else its name. A message may quote the URL, and so a secret. */
export function errorCode(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  // undici wraps a wrong name in a certificate behind a proxy.
  if (error.cause instanceof Error && 'code' in error && error.code === 'UND_ERR_PRX_TLS') return errorCode(error.cause)
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

/** Node's names for a chain of certificates that ends at no authority it trusts. Source: the documentation of `node:tls`, X509 certificate error codes. */
const UNTRUSTED: ReadonlySet<string> = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_UNTRUSTED',
  'CERT_SIGNATURE_FAILURE',
])

/** The same for certificates that are wrong in themselves: too old, for another name, withdrawn. */
const INVALID: ReadonlySet<string> = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'HOSTNAME_MISMATCH',
  'CERT_REVOKED',
  'CERT_REJECTED',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'CERT_CHAIN_TOO_LONG',
])

export function isUntrusted(code: string): boolean {
  return UNTRUSTED.has(code)
}

export function isInvalidCertificate(code: string): boolean {
  return INVALID.has(code)
}
