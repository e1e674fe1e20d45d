import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parseConfig } from '../../src/app/config/config.ts'
import { parseWorkerOptions } from '../../src/app/config/worker-options.ts'
import { createLogger } from '../../src/ops/logger.ts'
import { createWorker, type WorkerOptions } from '../../src/worker.ts'
import { runs } from '../support/runs.ts'
import { anyJson, HOSTILE_JSON, HOSTILE_TEXTS, HOSTILE_VALUES, hasControls, SEED } from './support/values.ts'

/** Shown in a message, it would be found. */
const CANARY = 'cAnArY-4711'
const DATABASE = `postgres://u:${CANARY}@127.0.0.1:1/x`
const INTERNAL = { kind: 'internal', appKey: `${CANARY}-key`, appSecret: `${CANARY}-secret`, endpoint: 'new' }
const THIRD_PARTY = {
  kind: 'thirdParty',
  suiteKey: `${CANARY}-key`,
  suiteSecret: `${CANARY}-secret`,
  authCorpId: `${CANARY}-corp`,
  suiteTicket: `${CANARY}-ticket`,
}
const FIXED = { kind: 'fixed', accessToken: `${CANARY}-token` }
const FUNCTION = { kind: 'function', getToken: async () => 'token' }
/** A megabyte in each field costs more than it shows. */
const VALUES: readonly unknown[] = [...HOSTILE_TEXTS, ...HOSTILE_JSON, ...HOSTILE_VALUES].filter(
  (value) => !(typeof value === 'string' && value.length > 10_000),
)

const withApp = (app: unknown): unknown => ({ databaseUrl: DATABASE, apps: [app] })
const withOption = (name: string, value: unknown): object => ({ databaseUrl: DATABASE, apps: [{ credentials: FIXED }], [name]: value })

/** The lines of the complaint, or null where all is accepted. Whatever else is thrown fails the test. */
function complaintsOf(options: unknown): string[] | null {
  try {
    parseWorkerOptions(options)
    return null
  } catch (error) {
    expect(error).toMatchObject({ name: 'TrackerError', code: 'INVALID_CONFIG' })
    return error instanceof Error ? error.message.split('\n').slice(1) : []
  }
}

/** It is accepted, or named with what is accepted instead, on one line, without a secret. @returns whether it was refused */
function expectNamed(options: unknown, path: string): boolean {
  const complaints = complaintsOf(options)
  if (complaints === null) return false
  expect([path, complaints]).toEqual([path, [expect.stringContaining(`  - ${path} `)]])
  const [line = ''] = complaints
  expect([path, line]).toEqual([path, expect.stringMatching(/Accepted: |[Gg]ive |Leave |Use https|must be|name at least|it needs/)])
  expect([line, line.length < 700, line.isWellFormed(), hasControls(line), line.includes(CANARY)]).toEqual([line, true, true, false, false])
  return true
}

const OPTIONS = [
  'databaseUrl',
  'queueUrl',
  'queueName',
  'queuePrefix',
  'schema',
  'queueSchema',
  'apps',
  'privateHosts',
  'proxy',
  'schedule',
  'pollsPerTask',
  'targetWidth',
  'reportAges',
  'maxGap',
  'pollTimes',
  'organisationTimeZone',
  'freeDays',
  'workDays',
  'clockStart',
  'concurrency',
  'shutdownGraceSeconds',
  'retainDetailsDays',
  'retainTotalsDays',
  'timeScale',
  'logger',
]
const APP_FIELDS = ['name', 'agentId', 'region', 'oapiUrl', 'apiUrl', 'callsPerSecond', 'monthlyCallBudget', 'callsUsedElsewhere']

describe('every value that a program can give', () => {
  test.each(OPTIONS)('as %s is accepted, or named with what is accepted', (name) => {
    let refused = 0
    for (const value of VALUES) {
      const complaints = complaintsOf(withOption(name, value))
      if (complaints === null) continue
      refused += 1
      // A list is told by what is in it.
      for (const line of complaints) expect(line).toMatch(new RegExp(`^ {2}- (${name}[ []|${name}: |retainTotalsDays \\()`))
      for (const line of complaints) expect([line, hasControls(line), line.includes(CANARY)]).toEqual([line, false, false])
    }
    expect(refused).toBeGreaterThan(50)
  })

  test.each(APP_FIELDS)('as %s of an app is accepted, or named with its path', (field) => {
    const refused = VALUES.filter((value) => expectNamed(withApp({ credentials: FIXED, [field]: value }), `apps[0].${field}`))
    expect(refused.length).toBeGreaterThan(50)
  })

  test.each(
    [INTERNAL, THIRD_PARTY, FIXED, FUNCTION].flatMap((kind) => Object.keys(kind).map((field) => [kind.kind, field, kind] as const)),
  )('in credentials of the kind %s as %s is accepted, or named with its path', (_, field, credentials) => {
    const refused = VALUES.filter((value) =>
      expectNamed(withApp({ credentials: { ...credentials, [field]: value } }), `apps[0].credentials.${field}`),
    )
    expect(refused.length).toBeGreaterThan(50)
  })

  test('in the place of credentials, an app or everything is refused', () => {
    const values = VALUES.filter((value) => value !== undefined && !isPlain(value))
    for (const value of values) {
      expect(expectNamed(withApp({ credentials: value }), 'apps[0].credentials')).toBe(true)
      expect(expectNamed({ databaseUrl: DATABASE, apps: [{ credentials: FIXED }, value] }, 'apps[1]')).toBe(true)
      expect(expectNamed(value, 'the argument')).toBe(true)
    }
  })
})

function isPlain(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

test('any options at all are a configuration or INVALID_CONFIG, without a secret', () => {
  const app = fc.dictionary(
    fc.constantFrom(...APP_FIELDS, 'credentials', 'x'),
    fc.oneof(anyJson, fc.constant(INTERNAL), fc.constant(FIXED)),
  )
  const options = fc.record(
    Object.fromEntries(OPTIONS.map((name) => [name, name === 'apps' ? fc.array(app, { maxLength: 3 }) : anyJson])),
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(options, (given) => {
      expect((complaintsOf(given) ?? []).join('\n')).not.toContain(CANARY)
    }),
    { numRuns: runs(500), seed: SEED },
  )
})

test.each<[string, unknown, string]>([
  ['a budget that is no number', { credentials: FIXED, monthlyCallBudget: Number.NaN }, 'monthlyCallBudget NaN'],
  ['an endless budget', { credentials: FIXED, monthlyCallBudget: Infinity }, 'monthlyCallBudget Infinity'],
  ['a budget below none', { credentials: FIXED, monthlyCallBudget: -1 }, 'monthlyCallBudget -1'],
  ['no budget at all', { credentials: FIXED, monthlyCallBudget: 0 }, 'monthlyCallBudget 0'],
  ['half a call', { credentials: FIXED, monthlyCallBudget: 1.5 }, 'monthlyCallBudget 1.5'],
  ['a rate of none', { credentials: FIXED, callsPerSecond: 0 }, 'callsPerSecond 0'],
  ['a rate that is no number', { credentials: FIXED, callsPerSecond: Number.NaN }, 'callsPerSecond NaN'],
  ['a rate that is a text', { credentials: FIXED, callsPerSecond: '15' }, 'callsPerSecond must be a number, not "15"'],
  ['an agent id of letters', { credentials: FIXED, agentId: 'abc' }, 'agentId "abc"'],
  ['an agent id that lost its digits', { credentials: FIXED, agentId: 2 ** 60 }, 'agentId is a number whose digits'],
  ['a host that is not encrypted', { credentials: FIXED, oapiUrl: 'http://x.example' }, 'oapiUrl "http://x.example" sends secrets'],
  ['a private host', { credentials: FIXED, apiUrl: 'https://10.1.2.3' }, 'apiUrl "https://10.1.2.3" is a private address'],
  ['a region that is none', { credentials: FIXED, region: 'eu' }, 'region "eu"'],
  ['an unknown field', { credentials: FIXED, maxCallsPerSecond: 5 }, 'has unknown fields: maxCallsPerSecond. Accepted: name, '],
  ['no credentials', {}, 'credentials are missing'],
  ['no endpoint', { credentials: { ...INTERNAL, endpoint: undefined } }, 'credentials.endpoint is missing. Accepted: "new"'],
  ['an endpoint that is none', { credentials: { ...INTERNAL, endpoint: 'other' } }, 'credentials.endpoint "other"'],
  ['a kind that is none', { credentials: { kind: 'nope' } }, 'credentials.kind "nope"'],
  ['an empty secret', { credentials: { ...INTERNAL, appSecret: '' } }, 'credentials.appSecret a value of 0 characters'],
  [
    'a function for a secret',
    { credentials: { ...INTERNAL, appSecret: () => CANARY } },
    'credentials.appSecret must be a text, not a function',
  ],
  ['a text for a function', { credentials: { kind: 'function', getToken: CANARY } }, 'credentials.getToken must be a function'],
  ['fields of two kinds', { credentials: { ...FIXED, appKey: CANARY } }, 'credentials has unknown fields: appKey'],
])('%s is refused, with its path and its value', (_, app, says) => {
  expect(complaintsOf(withApp(app))).toEqual([
    expect.stringMatching(new RegExp(`^  - apps\\[0\\][. ]${says.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}`)),
  ])
})

test.each<[string, unknown, string]>([
  ['pollsPerTask', 0, 'a whole number from 1 to 500'],
  ['pollsPerTask', 501, 'a whole number from 1 to 500'],
  ['pollsPerTask', 2.5, 'a whole number from 1 to 500'],
  ['schedule', 'fixed', 'learned, growing, custom'],
  ['targetWidth', '0m', 'a duration from 1m to 12h'],
  ['targetWidth', 15, 'a duration from 1m to 12h'],
  ['maxGap', '1d', 'a duration from 10m to 24h'],
  ['organisationTimeZone', 'Mars', 'the name of a time zone'],
  ['clockStart', 'Tue 10:00', 'the line that the simulator prints'],
  ['concurrency', 0, 'a whole number from 1 to 10000'],
  ['concurrency', '50', 'a whole number from 1 to 10000'],
  ['concurrency', null, 'a whole number from 1 to 10000'],
  ['timeScale', 0, 'a number from 1 to 100000'],
  ['timeScale', 0.5, 'a number from 1 to 100000'],
  ['shutdownGraceSeconds', -1, 'a number from 0 to 3600'],
  ['shutdownGraceSeconds', 3_601, 'a number from 0 to 3600'],
  ['retainDetailsDays', 0, 'a whole number from 1 to 36500'],
  ['retainTotalsDays', 'never', 'a whole number from 1 to 36500'],
  ['queueName', 'a:b', '1 to 100 letters'],
  ['queueShards', 0, 'a whole number from 1 to 64'],
  ['queueShards', '2', 'a whole number from 1 to 64'],
  ['queueUrl', 'amqp://x', 'a URL that begins with redis://'],
  ['queueUrl', '', 'a URL that begins with redis://'],
])('%s that is %j is refused with what is accepted', (name, value, accepted) => {
  expect(complaintsOf(withOption(name, value))).toEqual([expect.stringContaining(`Accepted: ${accepted}`)])
})

test('several queues need Redis, and as many of them as servers', () => {
  expect(complaintsOf(withOption('queueShards', 2))).toEqual([
    expect.stringContaining('queueShards: is 2, and the queue is in PostgreSQL.'),
  ])
  expect(complaintsOf({ ...withOption('queueUrl', 'redis://one redis://two'), queueShards: 2 })).toBeNull()
  expect(complaintsOf(withOption('queueUrl', 'redis://one redis://two'))).toEqual([expect.stringContaining('names 2 servers')])
})

test('all that is wrong is said at once, what does not go together too', () => {
  const complaints = complaintsOf({
    databaseUrl: 'mysql://x',
    concurrency: 0,
    unknown: 1,
    retainDetailsDays: 10,
    retainTotalsDays: 5,
    privateHosts: ['10.1.2.3', 'a b', 7],
    apps: [
      { name: 'hr', agentId: 'x', monthlyCallBudget: -1, credentials: {} },
      { name: 'hr', apiUrl: 'x', credentials: FIXED },
      { credentials: null },
    ],
  })
  const paths = complaints?.map((line) => line.trim().split(' ')[1]).toSorted()
  expect(paths).toEqual(
    [
      ...['databaseUrl', 'concurrency', 'the', 'retainTotalsDays', 'privateHosts[1]', 'privateHosts[2]', 'apps:'],
      ...['apps[0].agentId', 'apps[0].monthlyCallBudget', 'apps[0].credentials.kind', 'apps[1].apiUrl', 'apps[2].credentials'],
    ].toSorted(),
  )
})

test.each([
  ['twice the same', [{ name: 'hr' }, { name: 'hr' }], 'the name "hr" is there twice'],
  ['two without a name', [{}, {}], 'the name "default" is there twice'],
  ['one without a name, and one called default', [{}, { name: 'default' }], 'the name "default" is there twice'],
])('a name that is %s is refused', (_, apps, says) => {
  const complaints = complaintsOf({ databaseUrl: DATABASE, apps: apps.map((app) => ({ ...app, credentials: FIXED })) })
  expect(complaints).toEqual([expect.stringContaining(says)])
})

test('a program and a file are held to the same rules', () => {
  const spelledOtherwise = { callsPerSecond: 'maxCallsPerSecond' } as Readonly<Record<string, string>>
  for (const field of APP_FIELDS) {
    for (const value of VALUES.filter((each) => isJson(each) && (typeof each === 'string' || typeof each === 'number' || isPlain(each)))) {
      // A number as text, and a name as number, are for people who write JSON.
      if (typeof value === 'string' && /^(callsPer|monthly)/.test(field)) continue
      if (typeof value === 'number' && /^(name|region|.*Url)$/.test(field)) continue
      const file = JSON.stringify({ apps: [{ name: 'hr', accessToken: 't', [spelledOtherwise[field] ?? field]: value }] })
      const inFile = accepts(() => parseConfig({ DINGTALK_APPS_FILE: 'f' }, () => file).apps[0])
      const inCode = accepts(
        () => parseWorkerOptions(withApp({ name: 'hr', credentials: { kind: 'fixed', accessToken: 't' }, [field]: value })).apps[0],
      )
      expect([field, value, inCode]).toEqual([field, value, inFile])
    }
  }
})

function accepts<T>(parse: () => T): T | 'refused' {
  try {
    return parse()
  } catch {
    return 'refused'
  }
}

function isJson(value: unknown): boolean {
  return [...HOSTILE_TEXTS, ...HOSTILE_JSON].includes(value)
}

test('what is left out has the default of the environment variable of the same meaning', () => {
  const env = parseConfig({ DATABASE_URL: DATABASE, DINGTALK_ACCESS_TOKEN: 't' })
  const { databaseUrl, queue, apps, privateHosts, pollsPerTask, timeScale, workerConcurrency, shutdownGraceSeconds, ...rest } = env
  const { schedule, retainDetailsDays, retainTotalsDays, databaseConnections } = rest
  const expected = { databaseUrl, queue, apps, privateHosts, pollsPerTask, timeScale, workerConcurrency, shutdownGraceSeconds }
  expect(parseWorkerOptions({ databaseUrl: DATABASE, apps: [{ credentials: { kind: 'fixed', accessToken: 't' } }] })).toEqual({
    ...expected,
    ...{ schedule, retainDetailsDays, retainTotalsDays, databaseConnections },
  })
})

test('what is given is taken as it is', () => {
  const given = {
    databaseUrl: DATABASE,
    queueUrl: 'redis://127.0.0.1:1/2',
    queueName: 'q',
    queueShards: 3,
    queuePrefix: '{p}',
    privateHosts: ['GATEWAY.example', '[FD00:0::1]'],
    pollsPerTask: 1,
    concurrency: 10_000,
    shutdownGraceSeconds: 0,
    retainDetailsDays: null,
    retainTotalsDays: null,
    timeScale: 1.5,
    logger: createLogger({ level: 'silent', pretty: false }),
    apps: [
      {
        name: 'hr',
        agentId: 836_390_886,
        region: 'cn',
        oapiUrl: 'https://gateway.example/dingtalk/',
        callsPerSecond: 1 / 3,
        monthlyCallBudget: null,
        credentials: { ...INTERNAL, endpoint: 'old' },
      },
    ],
  }
  expect(parseWorkerOptions(given)).toMatchObject({
    queue: { url: 'redis://127.0.0.1:1/2', backend: 'redis', name: 'q', prefix: '{p}' },
    privateHosts: ['gateway.example', 'fd00::1'],
    ...{ pollsPerTask: 1, workerConcurrency: 10_000, shutdownGraceSeconds: 0, retainDetailsDays: null, timeScale: 1.5 },
    apps: [
      {
        ...{ name: 'hr', agentId: '836390886', oapiUrl: 'https://gateway.example/dingtalk', apiUrl: 'https://api.dingtalk.com' },
        ...{ callsPerSecond: 1 / 3, monthlyCallBudget: null, credentials: { ...INTERNAL, endpoint: 'old' } },
      },
    ],
  })
})

test('a token function that is a method keeps its object', async () => {
  class Vault {
    readonly kind = 'function' as const
    getToken(): Promise<string> {
      return Promise.resolve(this.kind)
    }
  }
  const { apps } = parseWorkerOptions(withApp({ credentials: new Vault() }))
  const [credentials] = apps.map((app) => app.credentials)
  expect(credentials?.kind === 'function' && (await credentials.getToken('default', AbortSignal.timeout(1_000)))).toBe('function')
})

test('createWorker opens nothing before it refuses', async () => {
  let connections = 0
  const server = createServer()
  server.on('connection', () => (connections += 1))
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())))
  const { port } = server.address() as AddressInfo
  const options = { databaseUrl: `postgres://127.0.0.1:${port}/x`, apps: [{ credentials: { ...INTERNAL, endpoint: undefined } }] }
  expect(() => createWorker(options as unknown as WorkerOptions)).toThrow(
    expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringContaining('apps[0].credentials.endpoint is missing') }),
  )
  expect(connections).toBe(0)
})
