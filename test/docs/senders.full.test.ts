import fastify from 'fastify'
import pg from 'pg'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { startCommand } from '../support/commands.ts'
import { freePort } from '../support/free-port.ts'
import { createTestDatabase, execute, type TestDatabase } from '../support/postgres.ts'
import { urlAs } from '../support/roles.ts'
import { blocksOf } from './support/pages.ts'
import { createProgram, type Program, TOOLCHAINS } from './support/programs.ts'

const PAGE = 'docs/senders.md'
const TOKEN = 'a-token-of-16-letters'

type Language = keyof typeof TOOLCHAINS
const LANGUAGES = ['python', 'java', 'go'] as const satisfies readonly Language[]

/** What each program hands over, beside one task of two people. */
const ONE_PERSON = 'late-reader'

test('each language of the page is run here, and curl in sh.full.test.ts', () => {
  expect(new Set(blocksOf(PAGE).map(({ language }) => language))).toEqual(new Set(['sh', ...LANGUAGES]))
})

test.each(LANGUAGES)('the page has two whole programs in %s: over HTTP and in SQL, both with the time of the send', (language) => {
  const texts = blocksOf(PAGE).filter((block) => block.language === language)
  expect(texts).toHaveLength(2)
  expect(programOf(language, 'http')).toMatch(/sentAt/)
  expect(programOf(language, 'sql')).toMatch(/sent_at =>/)
})

for (const language of LANGUAGES) {
  describeProgram(language, 'http', (text) => {
    test('what was refused for a while is repeated, and every task is taken once', async () => {
      const [server, program] = [await aServer(), await aProgram(language, 'http', text)]
      const front = await anUnsteadyFront(server.url)
      const first = await program.run({ TRACKER_URL: front.url, API_TOKEN: TOKEN })
      expect(first).toMatchObject({ code: 0 })
      expect(front.answers).toEqual(['reset', 503, 429, 202, 202])
      expect(await tasksIn(server.database.url)).toEqual([
        { targeted: 1, campaign: 'payroll-11', sent_at_given: true },
        { targeted: 2, campaign: 'payroll-11', sent_at_given: true },
      ])
      // A second run is the same two tasks.
      expect(await program.run({ TRACKER_URL: server.url, API_TOKEN: TOKEN })).toMatchObject({ code: 0 })
      expect(await tasksIn(server.database.url)).toHaveLength(2)
    })

    test('a wrong token ends it at once, with the message of the server', async () => {
      const [server, program] = [await aServer(), await aProgram(language, 'http', text)]
      const front = await aFront(server.url, [])
      const { code, stdout, stderr } = await program.run({ TRACKER_URL: front.url, API_TOKEN: 'another-token-of-16' })
      expect(code).not.toBe(0)
      expect(stdout + stderr).toMatch(/401.*This is not the token of the server/s)
      expect(front.answers).toEqual([401])
    })

    test('a wrong field ends it at once, with the name of the field', async () => {
      const server = await aServer()
      const program = await aProgram(language, 'http', text.replace('payroll-11', ' payroll-11'))
      const front = await aFront(server.url, [])
      const { code, stdout, stderr } = await program.run({ TRACKER_URL: front.url, API_TOKEN: TOKEN })
      expect(code).not.toBe(0)
      expect(stdout + stderr).toMatch(/400.*campaign must have 1 to/s)
      expect(front.answers).toEqual([400])
    })

    test('it does not wait for ever for a server that is not there', async () => {
      const program = await aProgram(language, 'http', text)
      const { code, stdout, stderr } = await program.run({ TRACKER_URL: `http://127.0.0.1:${await freePort()}` })
      expect(code).not.toBe(0)
      expect(stdout + stderr).toMatch(/refused|ConnectException/i)
    })
  })

  describeProgram(language, 'sql', (text) => {
    test('its own rows and the tasks are committed together, by a role that may only send', async () => {
      const database = await aDatabase()
      const program = await aProgram(language, 'sql', text)
      expect(await program.run(addressOf(database))).toEqual({ code: 0, stdout: '', stderr: '' })
      const tasks = await query(database.url, 'SELECT task_id FROM dingtalk.delivery_task ORDER BY task_id')
      expect(tasks).toHaveLength(2)
      expect(await query(database.url, 'SELECT task_id FROM sent_messages ORDER BY task_id')).toEqual(tasks)
      expect(await tasksIn(database.url)).toMatchObject([{ targeted: 1, sent_at_given: true }, { targeted: 2 }])
    })

    test('after a rollback there is nothing to track', async () => {
      const database = await aDatabase()
      await execute(
        database.url,
        'CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION $m$not today$m$; END $$',
      )
      await execute(
        database.url,
        `CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON sent_messages DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`,
      )
      const { code, stdout, stderr } = await (await aProgram(language, 'sql', text)).run(addressOf(database))
      expect(code).not.toBe(0)
      expect(stdout + stderr).toContain('not today')
      expect(await tasksIn(database.url)).toEqual([])
    })

    test('a wrong value fails with the message that names it, and nothing is stored', async () => {
      const database = await aDatabase()
      const program = await aProgram(language, 'sql', text.replace(ONE_PERSON, 'ann,bob'))
      const { code, stdout, stderr } = await program.run(addressOf(database))
      expect(code).not.toBe(0)
      expect(stdout + stderr).toMatch(/userIds.*several ids in one/s)
      expect(await tasksIn(database.url)).toEqual([])
      expect(await query(database.url, 'SELECT * FROM sent_messages')).toEqual([])
    })
  })
}

/** Skipped, and said loudly, where what it needs is not installed. */
function describeProgram(language: Language, way: 'http' | 'sql', tests: (text: string) => void): void {
  const { missing } = TOOLCHAINS[language][way]
  if (missing !== null && process.env['CI'] === 'true') throw new Error(`${missing} is not installed, and with CI=true nothing is skipped`)
  if (missing !== null) process.stderr.write(`\nTHE SENDERS IN ${language} (${way}) ARE SKIPPED: install ${missing}.\n\n`)
  describe.skipIf(missing !== null)(`${language}, ${way}`, () => tests(programOf(language, way)))
}

function programOf(language: Language, way: 'http' | 'sql'): string {
  const texts = blocksOf(PAGE).flatMap((block) => (block.language === language ? [block.text] : []))
  const [text, ...others] = texts.filter((each) => each.includes(way === 'sql' ? 'dingtalk.track_delivery(' : '/v1/tasks'))
  if (text === undefined || others.length > 0) throw new Error(`${PAGE} must have one program in ${language} for ${way}`)
  return text
}

/** By text: compiling one in Go takes seconds. */
const programs = new Map<string, Promise<Program>>()
afterAll(async () => {
  for (const program of programs.values()) await (await program).remove()
})

function aProgram(language: Language, way: 'http' | 'sql', text: string): Promise<Program> {
  const program = programs.get(text) ?? createProgram(TOOLCHAINS[language][way], text)
  programs.set(text, program)
  return program
}

async function aServer(): Promise<{ readonly url: string; readonly database: TestDatabase }> {
  const database = await createTestDatabase({ migrated: true })
  onTestFinished(() => database.drop())
  const server = startCommand(['serve'], { env: { DATABASE_URL: database.url, PORT: '0', API_TOKEN: TOKEN } })
  const line = await server.waitForLine(/^Dashboard:/)
  return { url: /http:\/\/[\w.:]+/.exec(line)?.[0] ?? line, database }
}

/** Stands between a sender and the server, as a load balancer does while the server restarts. */
const anUnsteadyFront = (url: string) => aFront(url, ['reset', 503, 429])

async function aFront(url: string, faults: ReadonlyArray<'reset' | 429 | 503>) {
  const answers: Array<number | 'reset'> = []
  const front = fastify()
  onTestFinished(() => front.close())
  front.post('/v1/tasks', async ({ body, headers: { authorization = '' }, raw }, reply) => {
    const fault = faults[answers.length]
    if (fault !== undefined) answers.push(fault)
    if (fault === 'reset') {
      reply.hijack()
      raw.socket.destroy()
      return
    }
    if (fault !== undefined)
      return reply
        .status(fault)
        .header('retry-after', '1')
        .send({ error: { code: 'BUSY', message: 'later' } })
    const headers = { 'content-type': 'application/json', authorization }
    const answer = await fetch(`${url}/v1/tasks`, { method: 'POST', body: JSON.stringify(body), headers })
    answers.push(answer.status)
    return reply
      .status(answer.status)
      .type('application/json')
      .send(await answer.text())
  })
  return { url: await front.listen({ host: '127.0.0.1', port: 0 }), answers }
}

/** With the sender's own table in a schema that is its own, and in which the tracker's names are not found without their schema. */
async function aDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase({ migrated: true })
  onTestFinished(() => database.drop())
  await execute(
    database.url,
    'CREATE SCHEMA payroll',
    'CREATE TABLE payroll.sent_messages (task_id text PRIMARY KEY, sent_at timestamptz NOT NULL)',
    'GRANT USAGE ON SCHEMA payroll TO delivery_send',
    'GRANT SELECT, INSERT ON payroll.sent_messages TO delivery_send',
    `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = payroll', current_database()); END $$`,
  )
  return database
}

/** Of a login that has the rights of `delivery_send`, in the forms of all drivers. */
function addressOf(database: TestDatabase): Record<string, string> {
  const { username, password, host, pathname } = new URL(urlAs('send', database.url))
  return {
    DATABASE_URL: `postgres://${username}:${password}@${host}${pathname}?sslmode=disable`,
    JDBC_URL: `jdbc:postgresql://${host}${pathname}?user=${username}&password=${password}`,
  }
}

const tasksIn = (url: string) => query(url, 'SELECT targeted, campaign, sent_at_given FROM dingtalk.delivery_task_rates ORDER BY targeted')

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows
  } finally {
    await client.end()
  }
}
