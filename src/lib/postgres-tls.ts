import { existsSync, readFileSync } from 'node:fs'
import { type ConnectionOptions, rootCertificates } from 'node:tls'
import { AddressFault, type SslMode, type TlsParameters } from './postgres-parameters.ts'

/** How one attempt to connect is made. */
export type Encryption = 'plain' | 'tls'

/** What is tried at one server, in order. Source: PostgreSQL's manual, 34.19.3. */
const ENCRYPTIONS: Readonly<Record<SslMode, readonly Encryption[]>> = {
  disable: ['plain'],
  allow: ['plain', 'tls'],
  prefer: ['tls', 'plain'],
  require: ['tls'],
  'verify-ca': ['tls'],
  'verify-full': ['tls'],
}

/** A socket of the same machine is never encrypted, whatever the mode is, as in libpq. */
export function encryptionsOf({ mode }: TlsParameters, host: string): readonly Encryption[] {
  return host.startsWith('/') ? ['plain'] : ENCRYPTIONS[mode]
}

/**
 * The TLS options of one connection. The files are read for each, because they are replaced while the program runs.
 * `require` with a file of CAs checks the certificate, as `verify-ca` does; that is libpq's rule. `verify-ca` without one checks the name too: the
 * CAs that Node knows sign certificates for anybody.
 * @param env for NODE_EXTRA_CA_CERTS and OpenSSL's SSL_CERT_FILE
 * @throws {AddressFault} where a file cannot be used
 */
export function tlsOptions(tls: TlsParameters, env: Readonly<Record<string, string | undefined>>): ConnectionOptions {
  const { mode, rootCert, minVersion, maxVersion } = tls
  const isVerified = mode === 'verify-full' || mode === 'verify-ca' || rootCert !== undefined
  const isNameChecked = mode === 'verify-full' || rootCert === undefined
  const ca = rootCert === undefined ? undefined : rootCert === 'system' ? systemCas(env) : [readPem('sslrootcert', rootCert)]
  return {
    rejectUnauthorized: isVerified,
    ...(ca && { ca }),
    ...(!isNameChecked && { checkServerIdentity: () => undefined }),
    ...(tls.cert !== undefined && { cert: readPem('sslcert', tls.cert) }),
    ...(tls.key !== undefined && { key: readPem('sslkey', tls.key) }),
    ...(tls.keyPassword !== undefined && { passphrase: tls.keyPassword }),
    ...(tls.crl !== undefined && { crl: readPem('sslcrl', tls.crl) }),
    ...(minVersion && { minVersion }),
    ...(maxVersion && { maxVersion }),
  }
}

function readPem(parameter: string, path: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'error'
    throw new AddressFault(
      `has ${parameter}=${path}, a file that cannot be read (${code}): give the path of a PEM file that this user may read`,
    )
  }
  // Node ignores a file without a certificate, and then trusts no server.
  if (!text.includes('-----BEGIN ')) throw new AddressFault(`has ${parameter}=${path}, which is no PEM file: convert it with openssl`)
  return text
}

/** Where Linux systems and BSDs keep the CAs of OpenSSL. */
const SYSTEM_FILES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
]

/** The CAs of the system, with those that Node knows: Node 20 has no call for the former. */
function systemCas(env: Readonly<Record<string, string | undefined>>): string[] {
  const file = env['SSL_CERT_FILE'] || SYSTEM_FILES.find((path) => existsSync(path))
  const extra = env['NODE_EXTRA_CA_CERTS']
  return [
    ...rootCertificates,
    ...(file === undefined ? [] : [readPem('sslrootcert', file)]),
    ...(extra === undefined || extra === '' || !existsSync(extra) ? [] : [readPem('NODE_EXTRA_CA_CERTS', extra)]),
  ]
}
