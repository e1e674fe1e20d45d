import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCommand } from '../support/commands.ts'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { builtFile, startNode } from '../support/process.ts'
import { urlAs } from '../support/roles.ts'

const COMMANDS = [
  'worker',
  'serve',
  'start',
  'demo',
  'simulator',
  'migrate',
  'track',
  'cancel',
  'show',
  'report',
  'unread',
  'forecast',
  'people',
  'erase',
  'doctor',
]
const TASK = '9007199254740993123'

let database: TestDatabase
let directory: string
/** A directory without an embedded database, so that no command finds one. */
const run = (args: readonly string[], env: Record<string, string> = {}) => runCommand(args, { cwd: directory, env })
const withDatabase = (...args: string[]) => run(args, { DATABASE_URL: database.url })

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'dingtalk-delivery-cli-'))
  database = await createTestDatabase({ migrated: true })
})
afterAll(async () => {
  await database.drop()
  await rm(directory, { recursive: true, force: true })
})

test('help names every command, on stdout', async () => {
  const { code, stdout, stderr } = await run(['--help'])
  expect([code, stderr]).toEqual([0, ''])
  for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^ {2}${command} `, 'm'))
})

test('the help of every command has an example', async () => {
  const helps = await Promise.all(COMMANDS.map((command) => run([command, '--help'])))
  for (const { code, stdout } of helps) {
    expect(code).toBe(0)
    expect(stdout).toMatch(/Examples?[^\n]*:\n {2}\$ /)
  }
})

test('--version is the version of the package', async () => {
  expect(await run(['--version'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
})

test.each([
  [[], 'Usage:'],
  [['bogus'], "unknown command 'bogus'"],
  [['track'], "missing required argument 'task-id'"],
  [['track', '1', '--bogus'], "unknown option '--bogus'"],
  [['report', '--format', 'xml'], 'Allowed choices are table, json, csv'],
  [['report', '--since', 'yesterday'], 'Accepted: 30m, 24h, 7d'],
  [['unread'], 'Give a task id, or --campaign'],
  [['unread', '1', '--campaign', 'c'], 'Give a task id, or --campaign'],
])('wrong usage is exit code 2 and a line on stderr: %j', async (args, says) => {
  const { code, stdout, stderr } = await run(args)
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(says)
})

test.each([
  [['show', '12'], {}, 'DATABASE_URL is not set'],
  [['worker'], {}, 'DATABASE_URL is not set'],
  [['track', '12'], {}, 'Neither DATABASE_URL nor QUEUE_URL is set'],
  [['show', 'abc'], {}, 'taskId must be a whole number'],
  [['track', '12', '--users-file', 'nowhere.txt'], {}, '--users-file nowhere.txt cannot be read (ENOENT)'],
  [['report'], { DATABASE_URL: 'postgres://u:pA55word@127.0.0.1:1/x' }, 'check that PostgreSQL runs'],
])('a refusal is exit code 1 and one line on stderr, without a password: %j', async (args, env, says) => {
  const { code, stdout, stderr } = await run(args, env)
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toMatch(/^error: [^\n]+\n$/)
  expect(stderr).toContain(says)
  expect(stderr).not.toContain('pA55word')
})

test('a wrong environment is said whole', async () => {
  const { code, stderr } = await run(['report'], { POLLS_PER_TASK: 'x', TIME_SCALE: '0' })
  expect(code).toBe(1)
  expect(stderr).toContain('- POLLS_PER_TASK: "x" is not accepted')
  expect(stderr).toContain('- TIME_SCALE: "0" is not accepted')
})

test('a task is tracked once, with users from a file and from options, and then shown, reported and listed', async () => {
  await writeFile(join(directory, 'users.txt'), '\uFEFF# night shift\r\n036632523163121146\r\n\r\nli.wei\r\n')
  const track = ['track', TASK, '--campaign', '=十一月', '--users-file', 'users.txt', '--user', '0001']
  expect(await withDatabase(...track)).toMatchObject({ code: 0, stdout: 'tracking\n', stderr: '' })
  expect(await withDatabase(...track)).toMatchObject({ code: 0, stdout: 'already tracked\n', stderr: '' })

  const shown = await withDatabase('show', TASK, '--json')
  expect(JSON.parse(shown.stdout)).toMatchObject({
    taskId: TASK,
    campaign: '=十一月',
    status: 'tracking',
    targeted: 3,
    pending: 3,
    readRate: null,
    polls: [],
  })
  expect((await withDatabase('show', TASK)).stdout).toMatch(/^Status +tracking$/m)

  const json = await withDatabase('report', '--since', '1h', '--format', 'json')
  expect(JSON.parse(json.stdout)).toMatchObject([
    { campaign: '=十一月', tasks: 1, targeted: 3, readRate: null, firstSentAt: expect.stringMatching(/Z$/) },
  ])
  const csv = await withDatabase('report', '--by', 'task', '--format', 'csv')
  const [head = '', row = ''] = csv.stdout.split('\r\n')
  expect(head).toMatch(/^\uFEFFapp,task_id,agent_id,campaign,status,reason,sent_at,/)
  expect(row).toMatch(new RegExp(`^default,${TASK},,'=十一月,tracking,`))
  expect(head.split(',')).toHaveLength(row.split(',').length)
  expect((await withDatabase('report')).stdout).not.toContain('\u001B')

  expect(await withDatabase('unread', TASK)).toMatchObject({
    code: 0,
    stdout:
      'No unread recipient so far: DingTalk has listed no person as delivered.\n0 unread of 0 delivered, before the first successful poll. 3 more not listed by DingTalk (--pending).\n',
  })
  expect(await withDatabase('unread', '--campaign', 'payrol')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('No task of any app has the campaign "payrol"'),
  })
})

test('more than 100 users are refused with the remedy', async () => {
  await writeFile(join(directory, 'many.txt'), Array.from({ length: 101 }, (_, i) => `user${i}`).join('\n'))
  const { code, stderr } = await withDatabase('track', '77', '--users-file', 'many.txt')
  expect(code).toBe(1)
  expect(stderr).toContain('101 recipients in one task: DingTalk reports at most 100')
})

test('a wanted task that is not there is exit code 1 with what to do', async () => {
  expect(await withDatabase('show', '99')).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('"npx dingtalk-delivery track" starts it'),
  })
})

test('an embedded database that is not running is called so, not a wrong address', async () => {
  const home = join(directory, 'stopped')
  await mkdir(join(home, '.data', 'postgres'), { recursive: true })
  // Nothing ever listens on port 1 of the loopback.
  await writeFile(join(home, '.data', 'postgres', 'embedded.json'), JSON.stringify({ password: 'secret', port: 1 }))
  const { code, stdout, stderr } = await runCommand(['report'], { cwd: home })
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toBe(
    'error: The PostgreSQL of "npx dingtalk-delivery start" in ./.data/postgres is not running. Run that in this directory, or set DATABASE_URL to another database.\n',
  )
})

test('a simulator whose port is taken says what to do', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const { code, stderr } = await run(['simulator', '--port', String(port)])
  taken.close()
  expect([code, stderr]).toEqual([
    1,
    `error: Port ${port} of 127.0.0.1 is taken by another process. Choose another --port; 0 takes a free one.\n`,
  ])
})

test('migrate says that there is nothing to do, and doctor what is wrong', async () => {
  expect((await withDatabase('migrate')).stdout).toMatch(/^database: up to date\n/)
  const { code, stdout, stderr } = await withDatabase('doctor')
  expect(code).toBe(1)
  expect(stdout).toMatch(/✓ +schema/)
  expect(stdout).toMatch(/✗ +credentials +no app is configured/)
  expect(stderr).toContain('set DINGTALK_APP_KEY, DINGTALK_APP_SECRET and DINGTALK_AGENT_ID')
})

test('doctor says which rights a role lacks, and what gives them', async () => {
  const { code, stdout, stderr } = await run(['doctor'], { DATABASE_URL: urlAs('read', database.url) })
  expect(code).toBe(1)
  expect(stdout).toMatch(
    /✗ +rights +The role "test_read" lacks SELECT on _prisma_migrations, DELETE on delivery_app, INSERT on delivery_app, .*, and \d+ rights more\./,
  )
  expect(stderr).toContain('Run deploy/postgres/roles.sql as the owner of the database, then: GRANT delivery_worker TO "test_read"')
})

test('a reader that closes the pipe early is no failure', async () => {
  await writeFile(
    join(directory, 'head.mjs'),
    `import { spawn } from 'node:child_process'
     const child = spawn(process.execPath, process.argv.slice(2), { stdio: ['ignore', 'pipe', 'inherit'] })
     child.stdout.destroy()
     child.on('exit', (code, signal) => process.exit(signal === null ? code : 99))`,
  )
  const head = startNode(join(directory, 'head.mjs'), { args: [builtFile('cli/main.js'), '--help'] })
  expect(await head.exit).toEqual({ code: 0, signal: null })
  expect(head.stderr()).toBe('')
})
