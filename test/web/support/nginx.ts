import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { describe, onTestFinished } from 'vitest'
import { freePort } from '../../support/free-port.ts'
import { until } from '../../support/wait.ts'
import { aSocket } from './ask.ts'

/** The nginx of this machine; null where it has none. Distributions keep it in `sbin`, which is not in everybody's PATH. */
function findNginx(): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin']
  return folders.map((folder) => join(folder, 'nginx')).find((path) => existsSync(path)) ?? null
}

/** A suite that needs nginx, and openssl for its certificate: skipped loudly where one is missing, and a failure with `CI=true`. */
export function describeNginx(name: string, suite: (nginx: string) => void): void {
  const nginx = findNginx()
  const hasOpenssl = spawnSync('openssl', ['version']).status === 0
  if (nginx === null || !hasOpenssl) announceMissing(name)
  describe.skipIf(nginx === null || !hasOpenssl)(name, () => suite(nginx ?? ''))
}

function announceMissing(name: string): void {
  const message = `nginx or openssl is not installed: "${name}" needs them`
  if (process.env['CI'] === 'true')
    throw new Error(`${message}, and with CI=true nothing is skipped. Install them (apt-get install nginx-light openssl).`)
  console.warn(`SKIPPED: ${message}`)
}

/**
 * nginx in front of a server on loopback, closed with the test.
 * @param setting what the operator wrote beside `proxy_pass`
 * @returns its port
 */
export async function startNginx(
  nginx: string,
  { upstream, setting }: { readonly upstream: number; readonly setting: string },
): Promise<number> {
  return runNginx(
    nginx,
    ({ port }) => `server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://127.0.0.1:${upstream}; ${setting} }
  }`,
  )
}

export interface NginxPlace {
  readonly port: number
  /** Of a certificate for `tracker.example`, signed by itself. */
  readonly certificate: string
  readonly key: string
}

/**
 * nginx with a configuration of its own, closed with the test.
 * @param servers the `server` blocks
 * @returns its port
 */
export async function runNginx(nginx: string, servers: (place: NginxPlace) => string): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'nginx-'))
  const port = await freePort()
  const place = { port, certificate: join(folder, 'certificate.pem'), key: join(folder, 'key.pem') }
  const text = servers(place)
  if (text.includes(place.certificate)) makeCertificate(place)
  const file = join(folder, 'nginx.conf')
  await writeFile(file, configuration(folder, text))
  const child = spawn(nginx, ['-p', folder, '-c', file, '-e', join(folder, 'error.log')], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (more: string) => {
    said = (said + more).slice(-2_000)
  })
  const exited = once(child, 'exit')
  onTestFinished(async () => {
    if (child.exitCode === null) child.kill('SIGTERM')
    await exited
    await rm(folder, { recursive: true, force: true })
  })
  const listens = until(
    async () =>
      aSocket(port).then(
        (socket) => socket.destroy(),
        () => undefined,
      ),
    { what: 'nginx listens' },
  )
  await Promise.race([listens, exited.then(() => Promise.reject(new Error(`nginx ended: ${said}`)))])
  return port
}

function makeCertificate({ certificate, key }: NginxPlace): void {
  const names = 'subjectAltName=DNS:tracker.example,IP:127.0.0.1'
  const args = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=tracker.example',
  ]
  const { status, stderr } = spawnSync('openssl', [...args, '-addext', names, '-keyout', key, '-out', certificate], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`openssl made no certificate: ${stderr}`)
}

function configuration(folder: string, servers: string): string {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `  ${name}_temp_path ${join(folder, name)};`)
  return `daemon off;
worker_processes 1;
pid ${join(folder, 'nginx.pid')};
events { worker_connections 64; }
http {
  access_log off;
${paths.join('\n')}
  ${servers}
}
`
}
