import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { freePort } from '../../support/free-port.ts'
import { until } from '../../support/wait.ts'
import { aSocket } from './ask.ts'

/** The nginx of this machine; null where it has none. Distributions keep it in `sbin`, which is not in everybody's PATH. */
export function findNginx(): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin']
  return folders.map((folder) => join(folder, 'nginx')).find((path) => existsSync(path)) ?? null
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
  const folder = await mkdtemp(join(tmpdir(), 'nginx-'))
  const port = await freePort()
  const file = join(folder, 'nginx.conf')
  await writeFile(file, configuration({ folder, port, upstream, setting }))
  const child = spawn(nginx, ['-p', folder, '-c', file, '-e', join(folder, 'error.log')], { stdio: 'ignore' })
  onTestFinished(async () => {
    if (child.exitCode === null) {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
    }
    await rm(folder, { recursive: true, force: true })
  })
  await until(
    async () =>
      aSocket(port).then(
        (socket) => socket.destroy(),
        () => undefined,
      ),
    { what: 'nginx listens' },
  )
  return port
}

function configuration({
  folder,
  port,
  upstream,
  setting,
}: Readonly<Record<'folder' | 'setting', string> & Record<'port' | 'upstream', number>>): string {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `  ${name}_temp_path ${join(folder, name)};`)
  return `daemon off;
worker_processes 1;
pid ${join(folder, 'nginx.pid')};
events { worker_connections 64; }
http {
  access_log off;
${paths.join('\n')}
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://127.0.0.1:${upstream}; ${setting} }
  }
}
`
}
