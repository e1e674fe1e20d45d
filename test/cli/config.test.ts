import { expect, test } from 'vitest'
import { describeConfig, parseConfig } from '../../src/app/config/config.ts'

const KEY = 'dingsecretkey0001'
const SECRET = 'sEcReT-value-0002'
const TOKEN = 'tOkEn-value-0003'
const DATABASE = 'postgres://tracker:pA55word@db.example:5432/dingtalk?sslmode=require'

test('without any variable the defaults of the contract hold', () => {
  expect(parseConfig({})).toEqual({
    databaseUrl: null,
    queue: null,
    apps: [],
    monthlyCallBudget: null,
    privateHosts: [],
    schedule: expect.objectContaining({ kind: 'learned' }),
    pollsPerTask: 24,
    timeScale: 1,
    workerConcurrency: 200,
    databaseConnections: null,
    host: '127.0.0.1',
    port: 8080,
    healthPort: 9090,
    apiToken: null,
    allowedHosts: [],
    basePath: '',
    trustedProxies: [],
    authHeader: null,
    authHeaderRole: 'read',
    logLevel: 'info',
    logPretty: 'auto',
    shutdownGraceSeconds: 25,
    retainDetailsDays: 90,
    retainTotalsDays: null,
  })
})

test('the queue is the database unless QUEUE_URL says otherwise', () => {
  expect(parseConfig({ DATABASE_URL: DATABASE }).queue).toEqual({
    url: DATABASE,
    backend: 'postgres',
    shards: 1,
    name: 'dingtalk-delivery',
    prefix: 'bull',
    schema: 'bullmq',
    connections: null,
  })
  expect(parseConfig({ DATABASE_URL: DATABASE, QUEUE_CONNECTIONS: '4' }).queue?.connections).toBe(4)
  expect(parseConfig({ DATABASE_URL: DATABASE, QUEUE_URL: 'rediss://r:6380/1' }).queue?.backend).toBe('redis')
})

test('the schema is that of the address or of its own variable, and both go into the address', () => {
  const chosen = (env: Record<string, string>) => parseConfig({ DATABASE_URL: DATABASE, ...env })
  expect(chosen({ DATABASE_SCHEMA: 'Tracker' }).databaseUrl).toBe(`${DATABASE}&schema=Tracker`)
  expect(chosen({ DATABASE_SCHEMA: 'Tracker' }).queue).toMatchObject({ url: DATABASE, schema: 'bullmq' })
  expect(chosen({ DATABASE_URL: `${DATABASE}&schema=tracker`, DATABASE_SCHEMA: 'tracker' }).databaseUrl).toBe(`${DATABASE}&schema=tracker`)
  expect(chosen({ QUEUE_SCHEMA: 'tracker_queue' }).queue?.schema).toBe('tracker_queue')
})

test.each([
  [
    'two schemas',
    { DATABASE_URL: `${DATABASE}&schema=a`, DATABASE_SCHEMA: 'b' },
    /DATABASE_SCHEMA is "b", and DATABASE_URL has schema="a"/,
  ],
  ['a schema with a space', { DATABASE_SCHEMA: 'my tracker' }, /DATABASE_SCHEMA: "my tracker" is not accepted\. Accepted: 1 to 63 letters/],
  ['a schema of 64 letters', { DATABASE_SCHEMA: 'a'.repeat(64) }, /DATABASE_SCHEMA: "a{64}" is not accepted\. Accepted: 1 to 63 letters/],
  ['a schema of PostgreSQL', { DATABASE_SCHEMA: 'pg_temp' }, /DATABASE_SCHEMA: "pg_temp"/],
  ['a schema in the address that is none', { DATABASE_URL: `${DATABASE}&schema=a"b` }, /DATABASE_URL has schema="a\\"b"/],
  ['public for the queue', { QUEUE_SCHEMA: 'public' }, /QUEUE_SCHEMA: "public"/],
  [
    'one schema for both',
    { DATABASE_SCHEMA: 'tracker', QUEUE_SCHEMA: 'tracker' },
    /QUEUE_SCHEMA is "tracker", as that of the tracker's tables/,
  ],
])('%s: refused with what is accepted', (_, env, message) => {
  expect(() => parseConfig({ DATABASE_URL: DATABASE, ...env })).toThrow(
    expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringMatching(message) }),
  )
})

test('key and secret make the app named default, with the hosts of its region', () => {
  const { apps } = parseConfig({
    DINGTALK_APP_KEY: KEY,
    DINGTALK_APP_SECRET: SECRET,
    DINGTALK_AGENT_ID: '836390886',
    DINGTALK_REGION: 'cn',
    MAX_CALLS_PER_SECOND: '7.5',
    MONTHLY_CALL_BUDGET: '5000',
  })
  expect(apps).toEqual([
    {
      name: 'default',
      agentId: '836390886',
      oapiUrl: 'https://oapi.dingtalk.com',
      apiUrl: 'https://api.dingtalk.com',
      credentials: { kind: 'internal', appKey: KEY, appSecret: SECRET, endpoint: 'new' },
      callsPerSecond: 7.5,
      monthlyCallBudget: 5000,
      callsUsedElsewhere: 0,
    },
  ])
})

test('a fixed token stands for key and secret', () => {
  expect(parseConfig({ DINGTALK_ACCESS_TOKEN: TOKEN }).apps[0]?.credentials).toEqual({ kind: 'fixed', accessToken: TOKEN })
})

test('proxies are read in lower case too, which counts first, and shown without user and password', () => {
  const [A, B] = ['http://user:pA55word@proxy.example:3128', 'http://other.example:8080']
  expect(parseConfig({}).proxies).toBeUndefined()
  expect(parseConfig({ NO_PROXY: '*' }).proxies).toBeUndefined()
  const config = parseConfig({ HTTPS_PROXY: B, https_proxy: A, http_proxy: B, no_proxy: 'localhost' })
  expect(config.proxies).toEqual({ https: `${A}/`, http: `${B}/`, no: 'localhost' })
  expect(parseConfig({ https_proxy: '', HTTPS_PROXY: B }).proxies?.https).toBe(`${B}/`)
  expect(describeConfig(config)).toMatchObject({ proxies: { https: 'http://proxy.example:3128', http: B, no: 'localhost' } })
  expect(JSON.stringify(describeConfig(config))).not.toMatch(/pA55|user/)
})

test('a region that no one set is known as assumed, where a host of it is called', () => {
  const assumed = (env: Record<string, string>) => parseConfig({ DINGTALK_ACCESS_TOKEN: TOKEN, ...env }).apps[0]?.assumedRegion
  const [oapi, api] = [{ DINGTALK_OAPI_URL: 'https://gw.example' }, { DINGTALK_API_URL: 'https://gw.example' }]
  const keys = { DINGTALK_ACCESS_TOKEN: '', DINGTALK_APP_KEY: KEY, DINGTALK_APP_SECRET: SECRET }
  expect(assumed({})).toBe('intl')
  expect(assumed({ DINGTALK_REGION: 'intl' })).toBeUndefined()
  expect(assumed({ DINGTALK_REGION: 'cn' })).toBeUndefined()
  // A fixed token needs no other host; key and secret do.
  expect(assumed(oapi)).toBeUndefined()
  expect(assumed({ ...oapi, ...keys })).toBe('intl')
  expect(assumed({ ...oapi, ...api, ...keys })).toBeUndefined()
  const { apps } = parseConfig(
    { DINGTALK_APPS_FILE: 'apps.json' },
    fileOf({
      apps: [
        { ...internal, name: 'a' },
        { ...internal, name: 'b', region: 'intl' },
      ],
    }),
  )
  expect(apps.map(({ assumedRegion }) => assumedRegion)).toEqual(['intl', undefined])
})

test('an empty value is a missing one, and spaces around a value do not count', () => {
  expect(parseConfig({ POLLS_PER_TASK: '', DATABASE_URL: ' ', LOG_LEVEL: ' warn\n' })).toMatchObject({
    pollsPerTask: 24,
    databaseUrl: null,
    logLevel: 'warn',
  })
})

test('host names are a list in lower case', () => {
  expect(parseConfig({ ALLOWED_HOSTS: 'Delivery.Example.com, delivery' }).allowedHosts).toEqual(['delivery.example.com', 'delivery'])
})

test('a private address is taken only when it is named', () => {
  const env = { DINGTALK_OAPI_URL: 'https://10.1.2.3/dingtalk', DINGTALK_ACCESS_TOKEN: TOKEN }
  expect(refusalOf(env)).toContain('DINGTALK_OAPI_URL: "https://10.1.2.3" is a private address')
  const { apps, privateHosts } = parseConfig({ ...env, DINGTALK_PRIVATE_HOSTS: 'Gateway.Example, 10.1.2.3, [FD00:0::1]' })
  expect([apps[0]?.oapiUrl, privateHosts]).toEqual(['https://10.1.2.3/dingtalk', ['gateway.example', '10.1.2.3', 'fd00::1']])
})

test('several queues need Redis, and at least as many of them as servers', () => {
  const queue = (env: Readonly<Record<string, string>>) => parseConfig(env).queue
  expect(queue({ QUEUE_URL: 'redis://one' })).toMatchObject({ shards: 1 })
  expect(queue({ QUEUE_URL: 'redis://one redis://two/1', QUEUE_SHARDS: '3' })).toMatchObject({
    ...{ url: 'redis://one redis://two/1', backend: 'redis', shards: 3 },
  })
  expect(refusalOf({ QUEUE_URL: 'redis://one redis://:pA55word@two' })).toMatch(/QUEUE_URL: names 2 servers, and QUEUE_SHARDS is 1\. Give/)
  expect(refusalOf({ DATABASE_URL: 'postgres://db/x', QUEUE_SHARDS: '2' })).toContain('QUEUE_SHARDS: is 2, and the queue is in PostgreSQL.')
})

const WRONG: ReadonlyArray<readonly [variable: string, value: string, says: string]> = [
  ['DATABASE_URL', 'mysql://root:pA55word@db/x', 'a value of 26 characters is not accepted. Accepted: a URL that begins with postgres://'],
  ['DATABASE_URL', 'postgres://host:notaport/x', 'has the port "notaport". Accepted: a whole number from 1 to 65535'],
  ['QUEUE_URL', 'amqp://u:pA55word@mq', 'redis:// or rediss:// or postgres://'],
  ['QUEUE_URL', 'redis://one redis://:pA55word@two/x', 'redis:// or rediss:// or postgres://'],
  ['QUEUE_NAME', 'a:b', '"a:b" is not accepted'],
  ['QUEUE_SHARDS', '0', 'Accepted: a whole number from 1 to 64.'],
  ['QUEUE_SHARDS', '65', '"65" is not accepted'],
  ['QUEUE_PREFIX', 'a b', '"a b" is not accepted'],
  ['DINGTALK_REGION', 'us', '"us" is not accepted. Accepted: intl, cn.'],
  ['DINGTALK_OAPI_URL', 'http://oapi.example', 'http'],
  ['DINGTALK_API_URL', 'nonsense', 'URL'],
  ['DINGTALK_PRIVATE_HOSTS', 'gateway.example:443', 'host names and IP addresses without ports'],
  ['DINGTALK_APP_KEY', 'two words', 'a value of 9 characters is not accepted'],
  ['DINGTALK_APP_SECRET', 'pA55 word', 'a value of 9 characters is not accepted'],
  ['DINGTALK_AGENT_ID', '0836', '"0836" is not accepted'],
  ['DINGTALK_AGENT_ID', '9223372036854775808', 'from 1 to 9223372036854775807'],
  ['DINGTALK_ACCESS_TOKEN', 'pA55 word', 'a value of 9 characters is not accepted'],
  ['DINGTALK_APPS_FILE', '/nowhere/apps.json', '/nowhere/apps.json cannot be read'],
  ['HTTPS_PROXY', 'socks5://u:pA55word@proxy.example:1080', '"socks5://proxy.example:1080" is not an http or https proxy'],
  ['HTTP_PROXY', 'http://proxy.example:3128/pA55word', '"http://proxy.example:3128" has a path'],
  ['NO_PROXY', 'a\tb', 'hosts, addresses and networks'],
  ['MAX_CALLS_PER_SECOND', '0', '"0" is not accepted. Accepted: a number from 0.01 to 1000.'],
  ['MAX_CALLS_PER_SECOND', '1001', '"1001" is not accepted'],
  ['MONTHLY_CALL_BUDGET', '1.5', '"1.5" is not accepted. Accepted: a whole number from 1'],
  ['POLLS_PER_TASK', '0', 'Accepted: a whole number from 1 to 500.'],
  ['POLLS_PER_TASK', '501', '"501" is not accepted'],
  ['POLLS_PER_TASK', 'many', '"many" is not accepted'],
  [
    'CALLS_USED_ELSEWHERE',
    '100%',
    'Accepted: a whole number of calls a month from 0 to 1000000000, or a share of the budget from 0% to 99%.',
  ],
  ['SCHEDULE', 'fixed', '"fixed" is not accepted. Accepted: learned, growing, custom.'],
  ['TARGET_WIDTH', '15', '"15" is not accepted. Accepted: a duration from 1m to 12h, such as 90s, 15m, 1h or 1h30m.'],
  ['TARGET_WIDTH', '30m1h', '"30m1h" is not accepted'],
  ['REPORT_AGES', '1h,,4h', 'Accepted: at most 12 durations, separated by commas, or none; each a duration from 5m to 23h'],
  ['REPORT_AGES', '4m', '"4m" is not accepted'],
  ['MAX_GAP', '25h', 'Accepted: a duration from 10m to 24h'],
  ['POLL_TIMES', '24h', 'Accepted: at most 500 durations, separated by commas; each a duration from 1m to 23h59m'],
  ['ORGANISATION_TIME_ZONE', 'Asia/Peking', 'Accepted: the name of a time zone of the IANA database'],
  ['ORGANISATION_TIME_ZONE', '+08:00', '"+08:00" is not accepted'],
  ['FREE_DAYS_FILE', '/nowhere/days.json', '"/nowhere/days.json" cannot be read'],
  ['CLOCK_START', '2026-12-01T10:00', 'LOCAL_TIME@REAL_TIME'],
  ['WORKER_CONCURRENCY', '-1', '"-1" is not accepted'],
  ['PORT', '65536', 'Accepted: a whole number from 0 to 65535.'],
  ['HEALTH_PORT', '0x50', '"0x50" is not accepted'],
  ['HOST', 'a/b', '"a/b" is not accepted'],
  ['API_TOKEN', 'pA55 word', 'a value of 9 characters is not accepted'],
  ['API_TOKEN', 'pA55word-of-15c', 'a value of 15 characters is not accepted. Accepted: 16 to 2048 printable ASCII characters'],
  ['ALLOWED_HOSTS', 'good.example,bad:80', 'host names without ports'],
  ['LOG_LEVEL', 'loud', 'Accepted: trace, debug, info, warn, error, fatal, silent.'],
  ['LOG_PRETTY', 'maybe', 'Accepted: true, false or auto.'],
  ['SHUTDOWN_GRACE_SECONDS', '1e9', '"1e9" is not accepted'],
  ['TIME_SCALE', '0.5', 'Accepted: a number from 1 to 100000.'],
]

test.each(WRONG)('%s=%s is refused with what is accepted', (variable, value, says) => {
  const message = refusalOf({ [variable]: value })
  expect(message).toContain(variable)
  expect(message).toContain(says)
  expect(message).not.toContain('pA55')
})

test('everything that is wrong is said at once', () => {
  const env = Object.fromEntries(WRONG.map(([variable, value]) => [variable, value]))
  const message = refusalOf(env)
  for (const variable of Object.keys(env)) expect(message).toContain(`- ${variable}:`)
  expect(message).not.toContain('pA55')
})

test.each([
  [{ DINGTALK_APP_KEY: KEY }, 'DINGTALK_APP_SECRET is missing'],
  [{ DINGTALK_APP_SECRET: SECRET }, 'DINGTALK_APP_KEY is missing'],
  [{ DINGTALK_APP_KEY: KEY, DINGTALK_APP_SECRET: SECRET, DINGTALK_ACCESS_TOKEN: TOKEN }, 'DINGTALK_ACCESS_TOKEN is set beside'],
])('credentials that do not belong together are refused without showing them', (env, says) => {
  const message = refusalOf(env)
  expect(message).toContain(says)
  for (const secret of [KEY, SECRET, TOKEN]) expect(message).not.toContain(secret)
})

const APPS = {
  apps: [
    { name: 'hr', agentId: 836390886, appKey: KEY, appSecret: SECRET, tokenEndpoint: 'old', maxCallsPerSecond: 5, monthlyCallBudget: 900 },
    { name: 'isv', region: 'cn', suiteKey: KEY, suiteSecret: SECRET, authCorpId: 'corp1', suiteTicket: TOKEN },
    { name: 'fixed', oapiUrl: 'http://127.0.0.1:9', accessToken: TOKEN, monthlyCallBudget: null },
  ],
}

test('an apps file gives many apps of all three kinds', () => {
  const { apps } = parseConfig({ DINGTALK_APPS_FILE: 'apps.json', MONTHLY_CALL_BUDGET: '100' }, fileOf(APPS))
  expect(
    apps.map(({ name, agentId, oapiUrl, callsPerSecond, monthlyCallBudget }) => [
      name,
      agentId,
      oapiUrl,
      callsPerSecond,
      monthlyCallBudget,
    ]),
  ).toEqual([
    ['hr', '836390886', 'https://oapi.dingtalk.io', 5, 900],
    ['isv', null, 'https://oapi.dingtalk.com', 15, 100],
    ['fixed', null, 'http://127.0.0.1:9', 15, null],
  ])
  expect(apps.map(({ credentials }) => credentials)).toEqual([
    { kind: 'internal', appKey: KEY, appSecret: SECRET, endpoint: 'old' },
    { kind: 'thirdParty', suiteKey: KEY, suiteSecret: SECRET, authCorpId: 'corp1', suiteTicket: TOKEN },
    { kind: 'fixed', accessToken: TOKEN },
  ])
})

const internal = { name: 'hr', appKey: KEY, appSecret: SECRET }

test.each([
  ['a missing secret', { apps: [internal, internal, { name: 'x', appKey: KEY }] }, 'apps[2].appSecret is missing'],
  ['no credentials', { apps: [{ name: 'x' }] }, 'apps[0] has no credentials'],
  ['two kinds of credentials', { apps: [{ ...internal, accessToken: TOKEN }] }, 'apps[0] has credentials of several kinds'],
  ['an unknown field', { apps: [{ ...internal, secret: SECRET }] }, 'apps[0] has unknown fields: secret'],
  ['a name twice', { apps: [internal, internal] }, 'the name "hr" is there twice'],
  ['a missing name', { apps: [{ appKey: KEY, appSecret: SECRET }] }, 'apps[0].name'],
  ['a wrong secret', { apps: [{ ...internal, appSecret: `${SECRET} x` }] }, 'apps[0].appSecret a value of 19 characters is not accepted'],
  ['a private host', { apps: [{ ...internal, apiUrl: 'https://10.1.2.3' }] }, 'apps[0].apiUrl "https://10.1.2.3" is a private address'],
  ['a wrong host', { apps: [{ ...internal, oapiUrl: 'http://dingtalk.example' }] }, 'apps[0].oapiUrl'],
  ['an unsafe agent id', { apps: [{ ...internal, agentId: 1.5 }] }, 'apps[0].agentId "1.5" is not accepted'],
  ['no list', { apps: {} }, 'apps must be a list'],
  ['no apps', { apps: [] }, 'apps must have at least one app'],
  ['no object', [], 'the file must be an object'],
])('an apps file with %s is refused with the path', (_, file, says) => {
  const message = refusalOf({ DINGTALK_APPS_FILE: 'apps.json' }, fileOf(file))
  expect(message).toContain(says)
  for (const secret of [KEY, SECRET, TOKEN]) expect(message).not.toContain(secret)
})

test('an apps file that is not JSON is not quoted', () => {
  const message = refusalOf({ DINGTALK_APPS_FILE: 'apps.json' }, () => `{"appSecret": "${SECRET}" oops`)
  expect(message).toContain('apps.json is not JSON')
  expect(message).not.toContain(SECRET)
})

test('an app of the file may not take the name of the app of the environment', () => {
  const env = { DINGTALK_APPS_FILE: 'apps.json', DINGTALK_ACCESS_TOKEN: TOKEN }
  expect(refusalOf(env, fileOf({ apps: [{ ...internal, name: 'default' }] }))).toContain('the name "default" is there twice')
})

test('the description for the log has hosts and names but no user, password, query, key or token', () => {
  const config = parseConfig(
    { DATABASE_URL: DATABASE, QUEUE_URL: `rediss://user:pA55word@redis.example:6380/0`, API_TOKEN: TOKEN, DINGTALK_APPS_FILE: 'apps.json' },
    fileOf(APPS),
  )
  const text = JSON.stringify(describeConfig(config))
  for (const shown of ['db.example:5432/dingtalk', 'redis.example:6380', 'thirdParty', '836390886']) expect(text).toContain(shown)
  for (const secret of ['pA55word', 'tracker:', 'user:', 'sslmode', KEY, SECRET, TOKEN]) expect(text).not.toContain(secret)
})

function fileOf(content: unknown): (path: string) => string {
  return () => JSON.stringify(content)
}

function refusalOf(env: Record<string, string>, files?: (path: string) => string): string {
  try {
    parseConfig(env, files)
  } catch (error) {
    expect(error).toMatchObject({ code: 'INVALID_CONFIG' })
    return error instanceof Error ? error.message : ''
  }
  return expect.fail('the configuration was accepted')
}

test('names go after 90 days and totals never, unless said otherwise; totals do not go before names', () => {
  const retention = (details: string, totals: string): unknown => {
    const { retainDetailsDays, retainTotalsDays } = parseConfig({ RETAIN_DETAILS_DAYS: details, RETAIN_TOTALS_DAYS: totals })
    return [retainDetailsDays, retainTotalsDays]
  }
  expect(retention('30', '365')).toEqual([30, 365])
  expect(retention('30', '30')).toEqual([30, 30])
  expect(retention('never', 'Never')).toEqual([null, null])
  const less = 'RETAIN_TOTALS_DAYS (30) is less than RETAIN_DETAILS_DAYS'
  expect(() => retention('31', '30')).toThrow(`${less} (31)`)
  expect(() => retention('', '30')).toThrow(`${less} (90)`)
  expect(() => retention('never', '30')).toThrow(`${less} (never)`)
  for (const wrong of ['0', '-1', '1.5', '36501', '90d']) expect(() => retention(wrong, '')).toThrow('RETAIN_DETAILS_DAYS')
})
