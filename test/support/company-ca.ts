import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe } from 'vitest'

export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** A certificate authority as a company has one, for proxies that inspect TLS and for servers inside. */
export interface CompanyCa {
  /** The path of its certificate (PEM), for NODE_EXTRA_CA_CERTS. */
  file(): string
  /** A certificate for host names and addresses. */
  issue(...hosts: readonly string[]): Certificate
}

let available: boolean | undefined

function opensslAvailable(): boolean {
  available ??= spawnSync('openssl', ['version']).status === 0
  return available
}

/** A suite that needs the command `openssl`: skipped loudly where it is missing, and a failure with `CI=true`. */
export function describeWithCa(name: string, suite: (ca: CompanyCa) => void): void {
  if (!opensslAvailable()) {
    const message = `openssl is not installed: "${name}" needs it`
    if (process.env['CI'] === 'true')
      throw new Error(`${message}, and with CI=true nothing is skipped. Install it (apt-get install openssl).`)
    console.warn(`SKIPPED: ${message}`)
  }
  describe.skipIf(!opensslAvailable())(name, () => suite(createCompanyCa()))
}

/** Made when it is first used, and removed after the tests. With the command `openssl`, because Node signs no certificates. */
function createCompanyCa(): CompanyCa {
  let made: string | undefined
  afterAll(() => made !== undefined && rmSync(made, { recursive: true, force: true }))
  const inDir = (name: string): string => {
    if (made === undefined) {
      made = mkdtempSync(join(tmpdir(), 'dingtalk-delivery-ca-'))
      openssl(['req', '-x509', '-days', '2', '-subj', '/CN=Company CA', '-out', join(made, 'ca.pem'), ...newKey(join(made, 'ca.key'))])
    }
    return join(made, name)
  }
  let issued = 0
  return {
    file: () => inDir('ca.pem'),
    issue(...hosts) {
      const id = issued++
      const path = (end: string): string => inDir(`${id}.${end}`)
      const names = hosts.map((host) => (/^[\d.:]+$/.test(host) ? `IP:${host}` : `DNS:${host}`))
      writeFileSync(path('ext'), `subjectAltName=${names.join(',')}\n`)
      openssl(['req', '-subj', `/CN=${hosts[0]}`, '-out', path('csr'), ...newKey(path('key'))])
      const signing = ['-CA', inDir('ca.pem'), '-CAkey', inDir('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', path('ext')]
      openssl(['x509', '-req', '-in', path('csr'), '-out', path('crt'), ...signing])
      return { cert: readFileSync(path('crt'), 'utf8'), key: readFileSync(path('key'), 'utf8') }
    },
  }
}

function newKey(path: string): readonly string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', path]
}

function openssl(args: readonly string[]): void {
  const { status, stderr, error } = spawnSync('openssl', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`openssl ${args[0]} failed: ${error?.message ?? stderr}`)
}
