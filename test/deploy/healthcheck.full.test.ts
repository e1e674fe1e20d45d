import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'

/** The health check of the image, on services that answer as they are told here. */

const SCRIPT = join(import.meta.dirname, '../../deploy/docker/healthcheck.mjs')
let folder: string
let good: Service
let bad: Service
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'healthcheck-'))
  good = await startService(200, '{"ok":true}')
  bad = await startService(503, '{"ok":false,\n"checks":[{"name":"database"}]}')
})
afterAll(async () => {
  await Promise.all([good.close(), bad.close()])
  await rm(folder, { recursive: true, force: true })
})

test.each([
  ['node /app/node_modules/.bin/dingtalk-delivery worker', 'HEALTH_PORT'],
  ['/sbin/docker-init -- node /app/node_modules/.bin/dingtalk-delivery worker', 'HEALTH_PORT'],
  ['sh -c dingtalk-delivery worker', 'HEALTH_PORT'],
  ['node dist/cli/main.js worker', 'HEALTH_PORT'],
  ['node /usr/bin/dingtalk-delivery-tracker serve', 'PORT'],
  ['dingtalk-delivery --some-option serve', 'PORT'],
])('%s is asked on %s alone', async (command, port) => {
  const other = port === 'PORT' ? 'HEALTH_PORT' : 'PORT'
  expect(await check(command, { [port]: good.port, [other]: bad.port })).toEqual({ code: 0, stdout: '' })
  expect(await check(command, { [port]: bad.port, [other]: good.port })).toMatchObject({ code: 1 })
})

test('start has both, and one that is wrong is enough', async () => {
  const command = 'dingtalk-delivery start'
  expect(await check(command, { PORT: good.port, HEALTH_PORT: good.port })).toEqual({ code: 0, stdout: '' })
  expect(await check(command, { PORT: good.port, HEALTH_PORT: bad.port })).toMatchObject({ code: 1 })
  expect(await check(command, { PORT: bad.port, HEALTH_PORT: good.port })).toMatchObject({ code: 1 })
})

test.each(['migrate', 'track 256271667529 --campaign worker', 'report --campaign serve', 'doctor', '--help', ''])(
  'dingtalk-delivery %s ends by itself, and is healthy until then',
  async (args) => {
    expect(await check(`dingtalk-delivery ${args}`, { PORT: bad.port, HEALTH_PORT: bad.port })).toEqual({ code: 0, stdout: '' })
  },
)

test('another program is none of its concern', async () => {
  expect(await check('sleep worker', { HEALTH_PORT: bad.port })).toEqual({ code: 0, stdout: '' })
})

test.each(['127.0.0.1', '0.0.0.0', '', 'localhost'])('with HOST=%s the service is asked where it listens', async (host) => {
  expect(await check('dingtalk-delivery serve', { PORT: good.port, HOST: host })).toEqual({ code: 0, stdout: '' })
})

test('the path is that of the argument, and what is wrong is said in one line', async () => {
  const { code, stdout } = await check('dingtalk-delivery worker', { HEALTH_PORT: bad.port }, '/readyz')
  expect(code).toBe(1)
  expect(stdout).toBe(`http://127.0.0.1:${bad.port}/readyz: 503 {"ok":false, "checks":[{"name":"database"}]}\n`)
  expect(bad.paths.at(-1)).toBe('/readyz')
  await check('dingtalk-delivery worker', { HEALTH_PORT: bad.port })
  expect(bad.paths.at(-1)).toBe('/livez')
})

test('where nothing listens it fails, on the default port as well', async () => {
  const closed = await startService(200, '')
  await closed.close()
  const { code, stdout } = await check('dingtalk-delivery worker', { HEALTH_PORT: closed.port })
  expect([code, stdout]).toEqual([1, expect.stringMatching(/ECONNREFUSED/)])
  // An address of loopback that nothing else takes.
  expect(await check('dingtalk-delivery serve', { HOST: '127.255.255.254' })).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('http://127.255.255.254:8080/livez'),
  })
})

interface Service {
  readonly port: string
  readonly paths: readonly string[]
  close(): Promise<void>
}

async function startService(status: number, body: string): Promise<Service> {
  const paths: string[] = []
  const server: Server = createServer((request, response) => {
    paths.push(request.url ?? '')
    response.writeHead(status).end(body)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port: String(port),
    paths,
    async close() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

/** @param command the command line of the container's first process, as the kernel shows it */
async function check(command: string, env: Readonly<Record<string, string>>, path = '/livez'): Promise<{ code: unknown; stdout: string }> {
  const file = join(folder, 'cmdline')
  await writeFile(file, command.startsWith('sh -c ') ? `sh\0-c\0${command.slice(6)}\0` : `${command.replaceAll(' ', '\0')}\0`)
  const child = spawn(process.execPath, [SCRIPT, path, file], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const [stdout, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  return { code, stdout }
}
