import fc from 'fast-check'
import { expect, test } from 'vitest'
import { VARIABLES as ALL, parseConfig } from '../../src/app/config/config.ts'
import { runCommand } from '../support/commands.ts'
import { runs } from '../support/runs.ts'
import { anyJson, anyText, HOSTILE_JSON, HOSTILE_TEXTS, hasControls, SEED } from './support/values.ts'

const VARIABLES = ALL.map(({ name }) => name)
/** Shown in a message, it would be found. */
const CANARY = 'cAnArY-4711'
/** What holds a secret, or may: it is never shown, not even in part. */
const SECRET = new Set([
  ...['DATABASE_URL', 'QUEUE_URL', 'DINGTALK_APP_KEY', 'DINGTALK_APP_SECRET', 'DINGTALK_ACCESS_TOKEN', 'API_TOKEN'],
  ...['HTTPS_PROXY', 'HTTP_PROXY'],
])

/** The complaint, or null where all is accepted. Anything else that is thrown fails the test. */
function complaintOf(env: Readonly<Record<string, string>>, file?: string): string | null {
  try {
    parseConfig(env, () => file ?? '{"apps":[{"name":"hr","accessToken":"t"}]}')
    return null
  } catch (error) {
    expect(error).toMatchObject({ name: 'TrackerError', code: 'INVALID_CONFIG' })
    return error instanceof Error ? error.message : ''
  }
}

test('every variable with every hostile value is accepted, or named with what is accepted instead', () => {
  let refused = 0
  for (const variable of VARIABLES) {
    for (const text of [...HOSTILE_TEXTS, `${CANARY} \u0000`, `postgres://u:${CANARY}@h:x/`, `https://u:${CANARY}@h/?q=${CANARY}`]) {
      const complaint = complaintOf({ [variable]: text })
      if (complaint === null) continue
      refused++
      // Key and secret belong together, so one that is right misses the other.
      expect(complaint).toMatch(variable.startsWith('DINGTALK_APP_') ? /DINGTALK_APP_/ : variable)
      expect(complaint).toMatch(/Accepted: |[Gg]ive |Leave |belong together|are for|Use https/)
      expect([variable, complaint.length < 600, complaint.isWellFormed()]).toEqual([variable, true, true])
      if (SECRET.has(variable)) expect(complaint).not.toContain(CANARY)
      expect([complaint, hasControls(complaint.replaceAll('\n', ''))]).toEqual([complaint, false])
    }
  }
  expect(refused).toBeGreaterThan(1_000)
})

test('all that is wrong is said at once, however many', () => {
  const complaint = complaintOf(Object.fromEntries(VARIABLES.map((variable) => [variable, '\u0001 nothing of the kind'])))
  for (const variable of VARIABLES) expect(complaint).toContain(variable)
  expect(complaint?.split('\n').filter((line) => line.startsWith('  - ')).length).toBeGreaterThanOrEqual(VARIABLES.length)
})

test('any environment at all is a configuration or INVALID_CONFIG', () => {
  const name = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...VARIABLES) }, anyText)
  fc.assert(
    fc.property(fc.dictionary(name, anyText, { maxKeys: 8 }), anyText, (env, file) => {
      const complaint = complaintOf(env, file)
      expect(complaint ?? '').toSatisfy((text: string) => text === '' || text.includes('wrong in the environment'))
    }),
    { numRuns: runs(400), seed: SEED },
  )
})

const FIELDS = [
  'name',
  'agentId',
  'region',
  'oapiUrl',
  'apiUrl',
  'appKey',
  'appSecret',
  'tokenEndpoint',
  'suiteKey',
  'suiteSecret',
  'authCorpId',
  'suiteTicket',
  'accessToken',
  'maxCallsPerSecond',
  'monthlyCallBudget',
  'callsUsedElsewhere',
]
/** A megabyte in each field, and lists of ten thousand, cost more than they show. */
const VALUES = [...HOSTILE_TEXTS, ...HOSTILE_JSON].filter((value) => (JSON.stringify(value) ?? '').length < 10_000)
const APPS = { DINGTALK_APPS_FILE: '/etc/apps.json' }

test('every field of the apps file with every hostile value is accepted, or named with its place', () => {
  for (const field of FIELDS) {
    for (const value of VALUES) {
      const rest = field.startsWith('app')
        ? { appKey: 'k', appSecret: 's' }
        : /^suite|^auth/.test(field)
          ? { suiteKey: 'k', suiteSecret: 's', authCorpId: 'c', suiteTicket: 't' }
          : { accessToken: 't' }
      const complaint = complaintOf(APPS, JSON.stringify({ apps: [{ name: 'hr', ...rest, [field]: value }] }))
      if (complaint === null) continue
      expect([field, value, complaint]).toEqual([field, value, expect.stringContaining(`DINGTALK_APPS_FILE: apps[0].${field} `)])
      expect([field, complaint.length < 600]).toEqual([field, true])
    }
  }
})

test('any file at all is apps or INVALID_CONFIG that names it, and nothing of it is quoted that may be a secret', () => {
  const entry = fc.dictionary(fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...FIELDS) }, anyText), anyJson, { maxKeys: 5 })
  const file = fc.oneof(
    fc.record({ apps: fc.array(entry, { maxLength: 3 }) }).map((value) => JSON.stringify(value)),
    anyJson.map((value) => JSON.stringify({ apps: value, [CANARY]: 1 })),
    fc.json(),
    anyText,
    fc.constant(JSON.stringify({ apps: [], ['x'.repeat(1_000_000)]: 1 })),
  )
  fc.assert(
    fc.property(file, (text) => {
      const complaint = complaintOf(APPS, text)
      if (complaint === null) return
      expect(complaint).toContain('DINGTALK_APPS_FILE: ')
      expect(complaint.split('\n').filter((line) => line.length > 600)).toEqual([])
    }),
    { numRuns: runs(500), seed: SEED },
  )
  expect(complaintOf(APPS, `{"apps":[{"name":"hr","accessToken":"${CANARY} "}]}`)).not.toContain(CANARY)
  expect(complaintOf(APPS, `{"apps":[{"name":"hr","accessToken":"${CANARY}`)).not.toContain(CANARY)
})

test('a command with a hostile environment says so once, and ends with 1', async () => {
  const secret = `postgres://u:${CANARY}@h:x/`
  const { code, stdout, stderr } = await runCommand(['worker'], {
    env: { DATABASE_URL: secret, PORT: '-1', LOG_LEVEL: 'loud\u009b2J', DINGTALK_APPS_FILE: '/nowhere' },
  })
  expect([code, stdout]).toEqual([1, ''])
  for (const variable of ['DATABASE_URL', 'PORT', 'LOG_LEVEL', 'DINGTALK_APPS_FILE']) expect(stderr.split(`- ${variable}:`)).toHaveLength(2)
  expect(stderr).not.toMatch(/cAnArY|\n {4}at |\u009b/)
})
