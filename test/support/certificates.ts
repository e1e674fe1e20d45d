import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'

/** A suite that needs `openssl`: skipped loudly where it is missing, and a failure with `CI=true`. Node's own crypto makes no certificates. */
export function describeOpenSsl(name: string, suite: () => void): void {
  const isThere = spawnSync('openssl', ['version']).status === 0
  if (!isThere) announceMissing(name)
  describe.skipIf(!isThere)(name, suite)
}

function announceMissing(name: string): void {
  const message = `openssl is not installed: "${name}" needs it`
  if (process.env['CI'] === 'true')
    throw new Error(`${message}, and with CI=true nothing is skipped. Install it (apt-get install openssl).`)
  console.warn(`SKIPPED: ${message}`)
}

export interface Pair {
  readonly cert: string
  readonly key: string
}

export interface TestCa {
  /** The directory of its files; `ca.pem` is its certificate. */
  readonly directory: string
  readonly cert: string
  /** @param subjectAltName such as `DNS:localhost` @param days negative: expired */
  issue(subjectAltName: string, days?: number, commonName?: string): Pair
  remove(): void
}

export function makeCa(): TestCa {
  const directory = mkdtempSync(join(tmpdir(), 'dingtalk-delivery-ca-'))
  const at = (name: string): string => join(directory, name)
  const openssl = (...args: readonly string[]): void =>
    void execFileSync('openssl', args, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '30', '-subj', '/CN=CA of a test')
  let issued = 0
  return {
    directory,
    cert: readFileSync(at('ca.pem'), 'utf8'),
    issue(subjectAltName, days = 30, commonName = 'server') {
      const name = `issued-${issued++}`
      writeFileSync(at('extensions'), `subjectAltName=${subjectAltName}\n`)
      openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${commonName}`)
      const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', String(days), '-extfile', 'extensions']
      openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...signed)
      return { cert: readFileSync(at(`${name}.pem`), 'utf8'), key: readFileSync(at(`${name}.key`), 'utf8') }
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}
