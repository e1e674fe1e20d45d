import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { createTestDatabase } from '../support/postgres.ts'
import { builtFile, startNode } from '../support/process.ts'
import { describeRedis } from '../support/redis.ts'
import { startRedis } from '../support/redis-server.ts'

/** What a command needs is loaded by that command: the time of a start and the memory of a worker at rest are the modules that they load. */

const HOOK = fileURLToPath(new URL('../support/loaded-modules.mjs', import.meta.url))
const DIST = pathToFileURL(builtFile('cli/main.js')).href.replace('cli/main.js', '')

async function openList() {
  const directory = await mkdtemp(join(tmpdir(), 'loaded-modules-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const file = join(directory, 'modules.txt')
  return {
    env: { LOADED_MODULES: file, NODE_OPTIONS: `--import=${pathToFileURL(HOOK).href}` },
    async read() {
      const modules = [...new Set((await readFile(file, 'utf8')).trim().split('\n'))].filter((url) => url.startsWith('file:'))
      const packages = modules.flatMap((url) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? [])
      return {
        own: modules.flatMap((url) => (url.startsWith(DIST) ? [url.slice(DIST.length)] : [])).toSorted(),
        packages: [...new Set(packages)].toSorted(),
      }
    },
  }
}

async function loadedBy(...args: string[]) {
  const list = await openList()
  const { status, stderr } = spawnSync(process.execPath, args, { env: { PATH: process.env['PATH'], ...list.env }, encoding: 'utf8' })
  expect([status, stderr]).toEqual([0, ''])
  return await list.read()
}

test.each(['--version', '-V'])('%s loads nothing but the reading of package.json', async (option) => {
  expect(await loadedBy(builtFile('cli/main.js'), option)).toEqual({ own: ['cli/main.js', 'lib/package-version.js'], packages: [] })
})

test('a command is loaded without the others', async () => {
  const { own } = await loadedBy(builtFile('cli/main.js'), 'worker', '--help')
  expect(own).toContain('cli/worker.js')
  expect(own.filter((file) => /^cli\/(report|track|schedule|show)\.js|^(simulator|queue|store|web\/api)\//.test(file))).toEqual([])
})

test('the package is imported without any other package', async () => {
  const { packages } = await loadedBy('--input-type=module', '-e', `await import(${JSON.stringify(`${DIST}index.js`)})`)
  expect(packages).toEqual([])
})

describeRedis('with Redis', () => {
  test('a worker that has no task loads no client of HTTP, no web framework, no calendar, no engine of Prisma', async () => {
    const database = await createTestDatabase({ migrated: true })
    onTestFinished(() => database.drop())
    const redis = await startRedis()
    onTestFinished(() => redis.stop())
    const list = await openList()
    const env = { DATABASE_URL: database.url, QUEUE_URL: redis.url, SCHEDULE: 'learned', HEALTH_PORT: '0', LOG_PRETTY: '0', ...list.env }
    const apps = { DINGTALK_REGION: 'cn', DINGTALK_APP_KEY: 'key', DINGTALK_APP_SECRET: 'canary-secret', DINGTALK_AGENT_ID: '1' }
    const worker = startNode(builtFile('cli/main.js'), { args: ['worker'], env: { ...env, ...apps } })
    await worker.waitForLine(/worker ready/)
    worker.kill('SIGTERM')
    expect(await worker.exit).toMatchObject({ code: 0 })
    const { own, packages } = await list.read()
    expect(packages).toEqual(expect.arrayContaining(['bullmq', 'ioredis', 'pg', 'pino', 'prom-client', 'zod']))
    expect(packages.filter((name) => /^(undici|fastify|chinese-days|pino-pretty|@fastify\/.*)$/.test(name))).toEqual([])
    expect(own).toContain('prisma/runtime.cjs')
    expect(own.filter((file) => /wasm/.test(file))).toEqual([])
  })
})
