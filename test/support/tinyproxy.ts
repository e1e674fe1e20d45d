import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { until } from './wait.ts'

let available: boolean | undefined

/** False where `tinyproxy` is missing, which is said loudly; with `CI=true` that is an error. */
export function hasTinyproxy(): boolean {
  if (available !== undefined) return available
  available = spawnSync('tinyproxy', ['-v']).status === 0
  if (available) return true
  const message = 'tinyproxy is not installed, and a test of outgoing proxies needs it'
  if (process.env['CI'] === 'true') throw new Error(`${message}; with CI=true nothing is skipped. Install it (apt-get install tinyproxy).`)
  console.warn(`SKIPPED: ${message}`)
  return false
}

export interface Tinyproxy {
  readonly port: number
  stop(): Promise<void>
}

/** @param settings more lines of tinyproxy.conf, such as `BasicAuth user word` */
export async function startTinyproxy(...settings: readonly string[]): Promise<Tinyproxy> {
  const dir = await mkdtemp(join(tmpdir(), 'dingtalk-delivery-tinyproxy-'))
  const port = await freePort()
  const file = join(dir, 'tinyproxy.conf')
  await writeFile(file, [`Port ${port}`, 'Listen 127.0.0.1', 'Timeout 60', 'MaxClients 50', 'Allow 127.0.0.1', ...settings, ''].join('\n'))
  const child = spawn('tinyproxy', ['-d', '-c', file], { cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-4_000)))
  const exited = once(child, 'exit')
  const atExit = () => void child.kill('SIGKILL')
  process.once('exit', atExit)
  await Promise.race([
    until(() => listens(port), { what: 'tinyproxy listens' }),
    exited.then(() => Promise.reject(new Error(`tinyproxy ended: ${output}`))),
  ])
  return {
    port,
    async stop() {
      process.off('exit', atExit)
      child.kill('SIGKILL')
      await exited
      await rm(dir, { recursive: true, force: true })
    },
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}
