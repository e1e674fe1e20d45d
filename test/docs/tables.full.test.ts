import { expect, test } from 'vitest'
import { type Config, parseConfig, VARIABLES } from '../../src/app/config/config.ts'
import { runCommand } from '../support/commands.ts'
import { codeIn, tableUnder } from './support/pages.ts'
import { commandWords } from './support/usage.ts'

/** Everything else has its default. */
const BASE = { DATABASE_URL: 'postgres://db/tracker', DINGTALK_ACCESS_TOKEN: 'token' }
const plain = parseConfig(BASE)
const [app] = plain.apps

/** Defaults that the table describes in words, with what they mean. */
const IN_WORDS: Readonly<Record<string, boolean>> = {
  DATABASE_URL: parseConfig({}).databaseUrl === null,
  DATABASE_SCHEMA: plain.databaseUrl === BASE.DATABASE_URL,
  QUEUE_URL: plain.queue?.url === BASE.DATABASE_URL,
  DINGTALK_REGION: app?.assumedRegion === 'intl',
  DINGTALK_OAPI_URL: app?.oapiUrl === 'https://oapi.dingtalk.io',
  DINGTALK_API_URL: app?.apiUrl === 'https://api.dingtalk.io',
  DINGTALK_PRIVATE_HOSTS: plain.privateHosts.length === 0,
  HTTPS_PROXY: parseConfig({ HTTP_PROXY: 'http://proxy:1' }).proxies?.https === null,
  HTTP_PROXY: plain.proxies === undefined,
  NO_PROXY: parseConfig({ HTTP_PROXY: 'http://proxy:1' }).proxies?.no === '',
  DINGTALK_APP_KEY: parseConfig({}).apps.length === 0,
  DINGTALK_APP_SECRET: parseConfig({}).apps.length === 0,
  DINGTALK_AGENT_ID: app?.agentId === null,
  DINGTALK_ACCESS_TOKEN: parseConfig({}).apps.length === 0,
  DINGTALK_APPS_FILE: plain.apps.length === 1,
  MONTHLY_CALL_BUDGET: app?.monthlyCallBudget === null,
  // A number without a budget is refused.
  CALLS_USED_ELSEWHERE: app?.callsUsedElsewhere === 0,
  POLLS_PER_TASK: plain.schedule.pollsPerTask === null && plain.pollsPerTask === 24,
  TARGET_WIDTH: plain.schedule.targetWidthMs === null,
  MAX_GAP: plain.schedule.maxGap.ms === 6 * 3_600_000 && !plain.schedule.maxGap.isHard,
  POLL_TIMES: plain.schedule.pollTimes === null,
  FREE_DAYS_FILE: plain.schedule.calendar.freeDays.length === 0,
  CLOCK_START: plain.schedule.calendar.clockStart === null,
  API_TOKEN: plain.apiToken === null,
  DATABASE_CONNECTIONS: plain.databaseConnections === null,
  QUEUE_CONNECTIONS: parseConfig({ QUEUE_URL: 'postgres://db/x' }).queue?.connections === null,
  ALLOWED_HOSTS: plain.allowedHosts.length === 0,
  TRUSTED_PROXIES: plain.trustedProxies.length === 0,
  AUTH_HEADER: plain.authHeader === null,
  LOG_PRETTY: plain.logPretty === 'auto',
}

/** Another value than the default, to see that the variable does something. */
const OTHER: Readonly<Record<string, string>> = {
  LOG_LEVEL: 'debug',
  SCHEDULE: 'growing',
  REPORT_AGES: 'none',
  ORGANISATION_TIME_ZONE: 'UTC',
  RETAIN_TOTALS_DAYS: '400',
  QUEUE_NAME: 'other',
  QUEUE_PREFIX: 'other',
  QUEUE_SCHEMA: 'other',
  HOST: '::1',
  BASE_PATH: '/dingtalk',
  AUTH_HEADER_ROLE: 'write',
}

/** What a variable needs beside it to do something. */
const WITH: Readonly<Record<string, Readonly<Record<string, string>>>> = { QUEUE_SHARDS: { QUEUE_URL: 'redis://redis' } }

/** A row may name several variables, with as many defaults, or none for all of them. */
const ROWS = tableUnder('Every variable', 'docs/configuration.md').flatMap(([names = '', defaults = '']) => {
  const variables = codeIn(names)
  const parts = defaults.split(', ')
  return variables.map((name, i) => ({ name, shown: parts.length === variables.length ? (parts[i] ?? '') : defaults }))
})

test('the table names every variable, and no other', () => {
  expect(ROWS.map(({ name }) => name).sort()).toEqual(VARIABLES.map(({ name }) => name).sort())
})

test('the help names every variable', async () => {
  const { stdout } = await runCommand(['--help'])
  for (const { name } of VARIABLES) expect(stdout).toMatch(new RegExp(`^ {2}${name} `, 'm'))
})

test.each(ROWS)('$name: its default is what the table says ($shown)', ({ name, shown }) => {
  expect(shown).toBe(VARIABLES.find((variable) => variable.name === name)?.fallback)
  if (name in IN_WORDS) return expect(IN_WORDS[name]).toBe(true)
  const [literal = ''] = codeIn(shown)
  expect(shown).toBe(`\`${literal}\``)
  expect(parsed({ [name]: literal })).toEqual(plain)
  const needed = WITH[name] ?? {}
  expect(parsed({ ...needed, [name]: OTHER[name] ?? `${Number(literal) + 1}` })).not.toEqual(parsed(needed))
})

const COMMANDS = tableUnder('Every command', 'docs/commands.md').map(([usage = '']) => codeIn(usage)[0] ?? '')
const nameOf = (usage: string): string => usage.split(' ')[0] ?? ''
test('the table names every command, and no other', async () => {
  const { stdout } = await runCommand(['--help'])
  const commands = [...stdout.matchAll(/^ {2}([a-z]+) .*$/gm)].map((match) => match[1] ?? '').filter((name) => name !== 'help')
  expect([...new Set(COMMANDS.map(nameOf))].sort()).toEqual(commands.sort())
})

test.each(COMMANDS)('%s: these are its options', async (usage) => {
  const { stdout } = await runCommand([...commandWords(usage), '--help'])
  const options = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)]
    .map((match) => match[1] ?? '')
    .filter((option) => option !== '--help')
  expect((usage.match(/--[a-z-]+/g) ?? []).sort()).toEqual(options.sort())
  expect(/TASK_ID/.test(usage)).toBe(/task-id/.test(stdout.split('\n')[0] ?? ''))
})

function parsed(env: Readonly<Record<string, string>>): Config {
  return parseConfig({ ...BASE, ...env })
}
