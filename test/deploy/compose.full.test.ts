import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { createTracker } from '../../src/index.ts'
import { type ApiPageServer, startApiPageServer } from '../support/api-page-server.ts'
import { CANARIES } from '../support/canaries.ts'
import { composeService, environmentOf, type Variables } from '../support/compose.ts'
import { freePort } from '../support/free-port.ts'
import { type PostgresServer, startPostgresServer } from '../support/postgres-server.ts'
import { type NodeProcess, runCli, startCli } from '../support/process.ts'
import { describeWith } from '../support/programs.ts'
import { until } from '../support/wait.ts'
import { WORKLOADS } from './support/kubernetes.ts'

/** What Docker Compose would run, without Docker: the file's commands and environments, on servers that this machine has. */

/** A database of 0.1.0: everything in it belongs to the owner. */
const DUMP = readFileSync(join(import.meta.dirname, '../store/support/dump-0.1.0.sql'), 'utf8')
const ROOT = join(import.meta.dirname, '../..')
const HEALTHCHECK = join(ROOT, 'deploy/docker/healthcheck.mjs')
const AGENT_ID = '836390886'
const DAY_MS = 86_400_000
/** An hour ago: the polls that were due meanwhile are made as one, at once. */
const SENT_AT = Date.now() - 3_600_000

describeWith(['psql', 'redis-server'], 'the services of docker-compose.yml', () => {
  let folder: string
  let server: PostgresServer
  let dingtalk: ApiPageServer
  let operator: Variables
  let redisPort: number
  let redis: ChildProcess

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'compose-'))
    await chmod(folder, 0o711)
    server = await startPostgresServer()
    dingtalk = await startApiPageServer()
    redisPort = await freePort()
    operator = {
      DINGTALK_APP_KEY: CANARIES.appKey,
      DINGTALK_APP_SECRET: CANARIES.appSecret,
      DINGTALK_AGENT_ID: AGENT_ID,
      DINGTALK_OAPI_URL: dingtalk.url,
      DINGTALK_API_URL: dingtalk.url,
      POSTGRES_PASSWORD: 'ownersPassword1',
      MIGRATE_PASSWORD: 'migratePassword1',
      WORKER_PASSWORD: CANARIES.databasePassword,
      SERVE_PASSWORD: 'servePassword1',
      REDIS_PASSWORD: CANARIES.redisPassword,
      API_TOKEN: CANARIES.apiToken,
      PORT: String(await freePort()),
      HEALTH_PORT: String(await freePort()),
    }
    redis = await startRedisService()
  }, 120_000)
  afterAll(async () => {
    redis?.kill('SIGKILL')
    await dingtalk?.close()
    await server?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  /** Docker's name server is not here: the names of the services become addresses. */
  function resolved(service: string): Record<string, string> {
    const { port } = new URL(server.url)
    const entries = Object.entries(environmentOf(service, operator)).map(([name, value]): [string, string] => [
      name,
      name === 'PGHOST'
        ? '127.0.0.1'
        : value.replace('@postgres:5432', `@127.0.0.1:${port}`).replace('redis:6379', `127.0.0.1:${redisPort}`),
    ])
    return Object.fromEntries(service === 'roles' || service === 'rights' ? [...entries, ['PGPORT', port]] : entries)
  }

  /** As the entrypoint of the image leaves it: the owner and the database. */
  async function asThe(owner: string): Promise<string> {
    const admin = new Client({ connectionString: server.url })
    await admin.connect()
    try {
      await admin.query(`CREATE ROLE dingtalk SUPERUSER LOGIN PASSWORD '${owner}'`)
      await admin.query('CREATE DATABASE dingtalk OWNER dingtalk')
      // For the statements of this test: the tables may be in either.
      await admin.query('ALTER DATABASE dingtalk SET search_path = dingtalk, public')
    } finally {
      await admin.end()
    }
    const url = new URL(server.url)
    Object.assign(url, { username: 'dingtalk', password: owner, pathname: '/dingtalk' })
    return url.href
  }

  async function startRedisService(): Promise<ChildProcess> {
    const bin = join(folder, 'bin')
    await mkdir(bin)
    // Of the image: starts what it is given, as the user `redis`, in /data.
    await writeFile(join(bin, 'docker-entrypoint.sh'), `#!/bin/sh\nexec "$@" --port ${redisPort} --bind 127.0.0.1 --dir '${folder}'\n`)
    await chmod(join(bin, 'docker-entrypoint.sh'), 0o755)
    const { command } = composeService('redis')
    const [program = '', ...args] = command.map((word) => word.replace(/^\/deploy\//, `${ROOT}/deploy/redis/`))
    const env = { ...environmentOf('redis', operator), PATH: `${bin}:${process.env['PATH'] ?? ''}`, TMPDIR: folder }
    const child = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'inherit'] })
    process.once('exit', () => child.kill('SIGKILL'))
    await until(() => isHealthy('redis', env), { what: 'the health check of redis succeeds' })
    return child
  }

  function isHealthy(service: string, env: Variables): boolean {
    const [kind, line = ''] = composeService(service).healthcheck.test
    expect(kind).toBe('CMD-SHELL')
    const script = line.replaceAll('$$', '$').replace('redis-cli ', `redis-cli -p ${redisPort} `)
    return spawnSync('sh', ['-c', script], { env: { ...env, PATH: process.env['PATH'] ?? '' } }).status === 0
  }

  /** The health check of a command, with the environment that Docker gives it. */
  function healthOf(service: string, { pid }: NodeProcess): { status: number | null; stdout: string } {
    const [kind, node, script, ...args] = composeService(service).healthcheck.test
    expect([kind, node, script]).toEqual(['CMD', 'node', '/app/healthcheck.mjs'])
    return spawnSync(process.execPath, [HEALTHCHECK, ...args, `/proc/${pid}/cmdline`], { env: resolved(service), encoding: 'utf8' })
  }

  function giveRights(service: 'roles' | 'rights'): void {
    const [program = '', ...args] = composeService(service).command
    const paths = args.map((word) => word.replace('=/deploy/', `=${ROOT}/deploy/postgres/`))
    const { status, stderr } = spawnSync(program, paths, {
      env: { ...resolved(service), PATH: process.env['PATH'] ?? '' },
      encoding: 'utf8',
    })
    expect(status, stderr).toBe(0)
  }

  test('a database of 0.1.0, whose owner made everything, goes on with the least rights: a task is tracked and polled', {
    timeout: 400_000,
  }, async () => {
    const owner = await asThe(operator['POSTGRES_PASSWORD'] ?? '')
    await ask(owner, DUMP)
    for (const _ of ['the first start', 'another one']) {
      giveRights('roles')
      expect(await runCli(composeService('migrate').command, { env: resolved('migrate') })).toMatchObject({ code: 0 })
      giveRights('rights')
    }

    const worker = startCli(composeService('worker').command, { env: resolved('worker') })
    await worker.waitForLine(/worker ready/, 120_000)
    const serve = startCli(composeService('serve').command, { env: resolved('serve') })
    await serve.waitForLine(/^Dashboard:/, 120_000)
    for (const [name, child] of Object.entries({ worker, serve }))
      await until(() => healthOf(name, child).status === 0, { what: `the health check of ${name} succeeds`, timeoutMs: 60_000 })

    addTask('256271667530')
    addTask('256271667531')
    const sentAt = new Date(SENT_AT)
    const answer = await fetch(`http://127.0.0.1:${operator['PORT']}/v1/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${CANARIES.apiToken}` },
      body: JSON.stringify({ taskId: '256271667530', userIds: ['ann', 'bob'], sentAt }),
    })
    expect(answer.status).toBe(202)
    const tracker = createTracker({ queueUrl: resolved('worker')['QUEUE_URL'] ?? '' })
    onTestFinished(() => tracker.close())
    await tracker.track({ taskId: '256271667531', userIds: ['ann', 'bob'], sentAt })

    await until(
      async () => {
        const rows = await ask(owner, TRACKED)
        expect(rows).toEqual(['256271667530', '256271667531'].map((task_id) => ({ task_id, polled: true, read: 1, unread: 1 })))
        return true
      },
      { what: 'both tasks were polled', timeoutMs: 120_000 },
    )

    for (const [name, { pid }] of Object.entries({ worker, serve }))
      expect(await peakMiB(pid), `MiB of ${name}`).toBeLessThan(requestedMiB(name))
    worker.kill('SIGTERM')
    serve.kill('SIGTERM')
    expect(await Promise.all([worker.exit, serve.exit])).toEqual([
      { code: 0, signal: null },
      { code: 0, signal: null },
    ])
    for (const [name, child] of Object.entries({ worker, serve })) expect(healthOf(name, child).status, `${name} has ended`).not.toBe(0)
  })

  test.each(['worker', 'serve'])('the login of %s can change no table, and owns nothing', async (service) => {
    const url = resolved(service)['DATABASE_URL'] ?? ''
    await expect(ask(url, 'DROP VIEW delivery_task_rates')).rejects.toThrow(/must be owner/)
    await expect(ask(url, 'CREATE TABLE mine ()')).rejects.toThrow(/permission denied/)
    const owned = "SELECT relname FROM pg_class WHERE relname LIKE 'delivery\\_%' AND relowner <> 'delivery_migrate'::regrole"
    expect(await ask(url, owned)).toEqual([])
  })

  test('the login of serve sees names, and that of the worker does not', async () => {
    const names = 'SELECT count(*)::integer AS count FROM delivery_people'
    expect(await ask(resolved('serve')['DATABASE_URL'] ?? '', names)).toEqual([{ count: 0 }])
    await expect(ask(resolved('worker')['DATABASE_URL'] ?? '', names)).rejects.toThrow(/permission denied/)
  })

  test('Redis has the two users of the file at most, and keeps what it accepts', async () => {
    const worker = new Redis(resolved('worker')['QUEUE_URL'] ?? '')
    onTestFinished(() => worker.disconnect())
    await expect(worker.call('CONFIG', 'GET', 'appendfsync')).rejects.toThrow(/NOPERM/)
    expect(await worker.info('persistence')).toContain('aof_enabled:1')
    expect(await worker.info('memory')).toContain('maxmemory_policy:noeviction')
    const stranger = new Redis({ port: redisPort, retryStrategy: () => null })
    stranger.on('error', () => undefined)
    onTestFinished(() => stranger.disconnect())
    await expect(stranger.ping()).rejects.toThrow(/NOAUTH/)
    expect(isHealthy('redis', { REDIS_PASSWORD: 'another' }), 'the health check is refused as well').toBe(false)
  })

  test('the passwords of the owner and of DingTalk reach no command that does not need them', () => {
    const holders = (name: string) =>
      ['redis', 'roles', 'rights', 'migrate', 'worker', 'serve'].filter((service) =>
        Object.values(environmentOf(service, operator)).some((value) => value.includes(operator[name] ?? '')),
      )
    expect(holders('POSTGRES_PASSWORD')).toEqual(['roles', 'rights'])
    expect(holders('MIGRATE_PASSWORD')).toEqual(['roles', 'rights', 'migrate'])
    expect(holders('WORKER_PASSWORD')).toEqual(['roles', 'rights', 'worker'])
    expect(holders('SERVE_PASSWORD')).toEqual(['roles', 'rights', 'serve'])
    expect(holders('REDIS_PASSWORD')).toEqual(['redis', 'worker'])
    expect(holders('DINGTALK_APP_SECRET')).toEqual(['worker'])
    expect(holders('API_TOKEN')).toEqual(['serve'])
  })

  function addTask(taskId: string): void {
    const person = { fate: 'delivered', listedAt: SENT_AT } as const
    const people = [
      { ...person, userId: 'ann', readAt: SENT_AT },
      { ...person, userId: 'bob', readAt: null },
    ]
    dingtalk.add({ taskId, agentId: AGENT_ID, sentAt: SENT_AT, windowMs: DAY_MS, people })
  }
})

/** What deploy/kubernetes requests for it, and docs/deployment.md says. */
function requestedMiB(name: string): number {
  const resources = WORKLOADS.find((each) => each.name === name)?.container.resources
  const { memory } = z.object({ requests: z.object({ memory: z.string().regex(/^\d+Mi$/) }) }).parse(resources).requests
  return Number.parseInt(memory, 10)
}

/** The most memory that a process has had so far: proc(5), VmHWM. */
async function peakMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}

const TRACKED = `SELECT task_id, polls >= 1 AS polled, read, unread FROM delivery_task_rates
  WHERE task_id IN ('256271667530', '256271667531') ORDER BY task_id`

async function ask(url: string, sql: string): Promise<Array<Record<string, unknown>>> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql)
    return rows
  } finally {
    await client.end()
  }
}
