import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { describeConfig, parseConfig, VARIABLES } from '../../src/app/config/config.ts'
import { readTextFile } from '../../src/lib/read-text-file.ts'
import { runCommand } from '../support/commands.ts'

/** Secrets from files, as Docker and Kubernetes mount them. */

const SECRET = 'sEcReT-value-0002'
const DIR = mkdtempSync(join(tmpdir(), 'dingtalk-delivery-secrets-'))
afterAll(() => rmSync(DIR, { recursive: true, force: true }))

let written = 0
function aFile(content: string | Buffer): string {
  const path = join(DIR, `secret-${written++}`)
  writeFileSync(path, content)
  return path
}

const read = (env: Readonly<Record<string, string>>) => parseConfig(env, readTextFile)

function refusalOf(env: Readonly<Record<string, string>>): string {
  try {
    read(env)
  } catch (error) {
    expect(error).toMatchObject({ code: 'INVALID_CONFIG' })
    return error instanceof Error ? error.message : ''
  }
  return expect.fail('the configuration was accepted')
}

/** A right value for each secret. */
const VALUES: Readonly<Record<string, string>> = {
  DATABASE_URL: 'postgres://tracker:pA55word@db.example:5432/dingtalk',
  QUEUE_URL: 'rediss://user:pA55word@redis.example:6380/0',
  HTTPS_PROXY: 'http://user:pA55word@proxy.example:3128/',
  HTTP_PROXY: 'http://user:pA55word@proxy.example:3128/',
}
const valueOf = (name: string): string => VALUES[name] ?? SECRET
/** Key and secret belong together, and exclude a token. */
const others = (name: string): Record<string, string> =>
  name === 'DINGTALK_APP_KEY' ? { DINGTALK_APP_SECRET: 'x' } : name === 'DINGTALK_APP_SECRET' ? { DINGTALK_APP_KEY: 'x' } : {}

const SECRETS = VARIABLES.filter(({ secret }) => secret).map(({ name }) => name)

test('the secrets are those that hold one', () => {
  for (const name of [
    'DATABASE_URL',
    'QUEUE_URL',
    'DINGTALK_APP_KEY',
    'DINGTALK_APP_SECRET',
    'DINGTALK_ACCESS_TOKEN',
    'API_TOKEN',
    'HTTPS_PROXY',
  ])
    expect(SECRETS).toContain(name)
})

test.each(SECRETS)('%s may come from a file, with or without an end of line, and says in the log which', (name) => {
  const { secretFiles: _, ...direct } = read({ ...others(name), [name]: valueOf(name) })
  for (const end of ['', '\n', '\r\n', '\n\n']) {
    const path = aFile(`${valueOf(name)}${end}`)
    const { secretFiles, ...config } = read({ ...others(name), [`${name}_FILE`]: path })
    expect(config).toEqual(direct)
    expect(secretFiles).toEqual({ [name]: path })
    const shown = JSON.stringify(describeConfig({ ...config, ...(secretFiles && { secretFiles }) }))
    expect(shown).toContain(path)
    expect(shown).not.toMatch(/sEcReT|pA55/)
  }
})

test('a byte order mark is none of the secret, and an empty variable is not set', () => {
  expect(read({ API_TOKEN_FILE: aFile(`\uFEFF${SECRET}\n`) }).apiToken?.[0]?.token).toBe(SECRET)
  expect(read({ API_TOKEN_FILE: '', API_TOKEN: SECRET }).apiToken?.[0]?.token).toBe(SECRET)
  expect(read({ API_TOKEN_FILE: aFile(SECRET), API_TOKEN: ' ' }).apiToken?.[0]?.token).toBe(SECRET)
})

test('a link is followed, as Kubernetes has them', () => {
  const link = join(DIR, 'link')
  symlinkSync(aFile(SECRET), link)
  expect(read({ API_TOKEN_FILE: link }).apiToken?.[0]?.token).toBe(SECRET)
})

describe('a file that cannot be used is one fault, with its path and what to do, and without what is in it', () => {
  const directory = join(DIR, 'directory')
  mkdirSync(directory)
  const pipe = join(DIR, 'pipe')
  execFileSync('mkfifo', [pipe])
  const loop = join(DIR, 'loop')
  symlinkSync(loop, loop)

  test.each<readonly [string, string, RegExp]>([
    ['missing', join(DIR, 'nowhere'), /cannot be read \(ENOENT: it does not exist\)\. Give the path/],
    ['below a file', join(aFile('x'), 'y'), /cannot be read \(ENOTDIR: /],
    ['a directory', directory, /cannot be read \(EISDIR: it is a directory\)/],
    ['a pipe, which is not waited for', pipe, /cannot be read \(NOT_A_FILE: it is a pipe or a device\)/],
    ['a device without end', '/dev/zero', /cannot be read \(NOT_A_FILE/],
    ['a link to itself', loop, /cannot be read \(ELOOP/],
    ['empty', aFile(''), /is empty\. Give the path/],
    ['an end of line', aFile('\n'), /is empty/],
    ['oversized', aFile(`${SECRET}${'a'.repeat(70_000)}`), /cannot be read \(TOO_LARGE: it is too large\).*at most 65536 bytes/],
    ['binary', aFile(Buffer.from([0xff, 0xfe, 0x00, 0x41, 0x80])), /cannot be read \(NOT_TEXT: it is not UTF-8 text\)/],
    ['text with NUL', aFile(`${SECRET}\u0000${SECRET}`), /has several lines, or control characters/],
    ['several lines', aFile(`${SECRET}\n${SECRET}\n`), /has several lines/],
  ])('%s', (_, path, says) => {
    const message = refusalOf({ API_TOKEN_FILE: path, PORT: 'x' })
    expect(message).toMatch(says)
    expect(message).toContain(`API_TOKEN_FILE: "${path}"`)
    expect(message).not.toContain('sEcReT')
    // Beside the other fault.
    expect(message.split('\n').filter((line) => line.startsWith('  - '))).toHaveLength(2)
  })

  test('one that this user may not read', () => {
    // Node's error: root, as whom tests may run, reads every file.
    const forbidden = () => {
      throw Object.assign(new Error(`EACCES: permission denied, open '/run/secrets/token'`), { code: 'EACCES' })
    }
    expect(() => parseConfig({ API_TOKEN_FILE: '/run/secrets/token' }, forbidden)).toThrow(
      'API_TOKEN_FILE: "/run/secrets/token" cannot be read (EACCES: this user may not read it). Give the path',
    )
  })

  test('name and file together', () => {
    const message = refusalOf({ API_TOKEN_FILE: aFile(SECRET), API_TOKEN: SECRET })
    expect(message).toContain('API_TOKEN_FILE: is set beside API_TOKEN. Give one of them.')
    expect(message).not.toContain(SECRET)
  })

  test('what is in the file is no such value: the file is named, and the length', () => {
    const path = aFile('two words\n')
    expect(refusalOf({ API_TOKEN_FILE: path })).toContain(
      `API_TOKEN_FILE: in "${path}", a value of 9 characters is not accepted. Accepted: 16 to`,
    )
  })

  test('a secret whose file is at fault is not called missing', () => {
    const message = refusalOf({ DINGTALK_APP_KEY: 'key', DINGTALK_APP_SECRET_FILE: join(DIR, 'nowhere') })
    expect(message).toContain('One variable is wrong')
    expect(message).not.toContain('belong together')
  })

  test('a variable that is no secret comes from no file', () => {
    expect(read({ QUEUE_NAME_FILE: aFile('other') }).queue).toBeNull()
  })
})

describe('in the apps file', () => {
  const app = (fields: Record<string, unknown>) => ({ DINGTALK_APPS_FILE: aFile(JSON.stringify({ apps: [{ name: 'hr', ...fields }] })) })

  test.each([
    [
      { appKey: 'key', appSecretFile: aFile(`${SECRET}\n`) },
      { kind: 'internal', appSecret: SECRET },
    ],
    [
      { appKeyFile: aFile('key'), appSecretFile: aFile(SECRET) },
      { kind: 'internal', appKey: 'key', appSecret: SECRET },
    ],
    [{ accessTokenFile: aFile(SECRET) }, { kind: 'fixed', accessToken: SECRET }],
    [
      { suiteKey: 'k', suiteSecretFile: aFile(SECRET), authCorpId: 'c', suiteTicketFile: aFile('ticket\n') },
      { kind: 'thirdParty', suiteSecret: SECRET, suiteTicket: 'ticket' },
    ],
  ])('%o', (fields, expected) => {
    expect(read(app(fields)).apps[0]?.credentials).toMatchObject(expected)
  })

  test.each<readonly [Record<string, unknown>, RegExp]>([
    [
      { appKey: 'k', appSecretFile: join(DIR, 'nowhere') },
      /DINGTALK_APPS_FILE: apps\[0\]\.appSecretFile ".*nowhere" cannot be read \(ENOENT/,
    ],
    [{ appKey: 'k', appSecretFile: aFile('') }, /apps\[0\]\.appSecretFile ".*" is empty/],
    [{ appKey: 'k', appSecret: SECRET, appSecretFile: aFile(SECRET) }, /apps\[0\]\.appSecretFile is there beside appSecret/],
    [{ appKey: 'k', appSecretFile: 4711 }, /apps\[0\]\.appSecretFile "4711" cannot be read/],
    [{ appKey: 'k', appSecretFile: ['x'] }, /apps\[0\]\.appSecretFile must be a text/],
    [{ appKey: 'k', appSecretFile: aFile('two words') }, /apps\[0\]\.appSecret a value of 9 characters is not accepted/],
  ])('%o is refused', (fields, says) => {
    const message = refusalOf(app(fields))
    expect(message).toMatch(says)
    expect(message).not.toContain('sEcReT')
  })
})

test('a command reads them from its directory, doctor names them, and the help says how', async () => {
  writeFileSync(join(DIR, 'token'), `${SECRET}\n`)
  const { stdout } = await runCommand(['doctor', '--json'], {
    env: { DINGTALK_ACCESS_TOKEN_FILE: 'token', DINGTALK_REGION: 'cn', DATABASE_URL_FILE: aFile('postgres://u:pA55word@127.0.0.1:1/x') },
    cwd: DIR,
  })
  expect(JSON.parse(stdout)).toContainEqual({
    ...{ name: 'secret files', ok: true },
    detail: expect.stringMatching(/^DATABASE_URL from .*, DINGTALK_ACCESS_TOKEN from token$/),
  })
  const help = await runCommand(['--help'])
  expect(help.stdout.replace(/\s+/g, ' ')).toContain('API_TOKEN_FILE')
})
