import { spawn, spawnSync } from 'node:child_process'
import pg from 'pg'
import cellsOf from 'string-width'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createDeliveryStore } from '../../src/store/delivery-store.ts'
import { type Database, openDatabase } from '../../src/store/prisma.ts'
import { adoptAll, aRequest, lookAt } from '../store/support/polls.ts'
import { type RunningCommand, runCommand, startCommand } from '../support/commands.ts'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { builtFile } from '../support/process.ts'
import { urlAs } from '../support/roles.ts'
import { startProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/wait.ts'

const CAMPAIGN = '十一月工资单 payroll-11'

let database: TestDatabase
let opened: Database
let taskId: string
/** The commands that read need the rights of `delivery_read`, and no others. */
const run = (...args: string[]) => runCommand(args, { env: { DATABASE_URL: urlAs('read', database.url) } })
const cancel = (id: string) => runCommand(['cancel', id], { env: { DATABASE_URL: urlAs('worker', database.url) } })

/** Three tasks of one campaign: one person is in two of them. */
beforeAll(async () => {
  database = await createTestDatabase({ migrated: true })
  opened = openDatabase(database.url)
  const store = createDeliveryStore(opened)
  const requests = [
    aRequest({ campaign: CAMPAIGN, userIds: ['ann', 'bob', 'cy', 'dan', 'eve'] }),
    aRequest({ campaign: CAMPAIGN }),
    aRequest(),
  ]
  await store.track(requests)
  await adoptAll(store)
  const [first, second, third] = requests
  if (first === undefined || second === undefined || third === undefined) throw new Error('three requests were made')
  taskId = first.taskId
  await lookAt(store, first, { unread: ['ann', 'bob', 'cy'], forbidden: ['dan'] }, 3)
  await lookAt(store, first, { read: ['ann'], unread: ['bob', 'cy'], forbidden: ['dan'] }, 20)
  await lookAt(store, second, { read: ['bob'], unread: ['fay'] }, 10)
  await lookAt(store, third, { unread: ['zoe'] }, 10)
})
afterAll(async () => {
  await opened.close()
  await database.drop()
})

test('a task in full', async () => {
  const { code, stdout, stderr } = await run('show', taskId)
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/^Read +1 of 3 delivered +█+░+ +33\.3%$/m)
  expect(stdout).toMatch(/^Read of all +1 of 5 targeted +20\.0%$/m)
  expect(stdout).toMatch(/█ 1 read {2}▒ 2 unread {2}· 1 pending {2}× 1 forbidden$/m)
  expect(stdout).toMatch(/^Forbidden +1 had reached the daily limit of messages \(code 143105\)$/m)
  expect(stdout).toMatch(/^Unread +2 as of .*: bob, cy$/m)
  expect(stdout).toMatch(/^Time to read .* after the send$/m)
  expect(stdout).toMatch(/^ +2 +\d\S+(?: \S+)? +answered +1 +2 +1 +1$/m)
  // No worker runs here, and the look at half an hour is behind.
  expect(stdout).toMatch(/^Next polls +overdue by .*: is a worker running\?\n +the final poll in 2\d h/m)
})

test('a task that got no call of the month says what that means, and how it gets one', async () => {
  const request = aRequest()
  const store = createDeliveryStore(opened)
  await store.track([request])
  await adoptAll(store)
  const { app, taskId: refused } = request
  await opened.pool.query('UPDATE delivery_task SET admitted = false WHERE app = $1 AND task_id = $2', [app, refused])
  onTestFinished(async () => void (await opened.pool.query('DELETE FROM delivery_task WHERE app = $1 AND task_id = $2', [app, refused])))
  const { code, stdout } = await run('show', refused)
  expect(code).toBe(0)
  expect(stdout.replaceAll(/\s+/g, ' ')).toMatch(
    /Not admitted .*MONTHLY_CALL_BUDGET had no call left for its final poll.*polled before its deadline if a call is left.*resume the task/,
  )
})

test('a task as JSON: its figures, curve, time to read and polls', async () => {
  const task: unknown = JSON.parse((await run('show', taskId, '--json')).stdout)
  expect(task).toMatchObject({
    taskId,
    campaign: CAMPAIGN,
    read: 1,
    unread: 2,
    pending: 1,
    forbidden: 1,
    readRate: 1 / 3,
    timeToRead: { people: 3, read: 1, method: 'polls', quantiles: expect.any(Array), within: expect.any(Array) },
    curve: [
      { delivered: 3, read: 0, readRate: 0 },
      { delivered: 3, read: 1, readRate: 1 / 3 },
    ],
    forbiddenReasons: [{ code: '143105', reason: 'daily_limit', people: 1 }],
    polls: [
      { pollNo: 1, outcome: 'observed', unread: 3 },
      { pollNo: 2, outcome: 'observed', read: 1 },
    ],
  })
})

test('all campaigns, with a curve each and no sum of people over campaigns', async () => {
  const { stdout } = await run('report')
  expect(stdout).toMatch(/^Campaign .*Read rate +Curve +As of$/m)
  // Of ann, bob, cy and fay, bob has read in another task.
  expect(stdout).toMatch(/^十一月工资单 payroll-11 .* 2 of 4 +█████░░░░░ +50\.0% .*[▁▂▃▄▅▆▇█]·+ /m)
  expect(stdout).toMatch(/^1 campaign, 2 tasks, 2 open\. /m)
})

test('all tasks, and the sum is of messages', async () => {
  const { stdout } = await run('report', '--by', 'task')
  expect(stdout).toMatch(/^3 tasks: 6 messages delivered, 2 of them read \(33\.3%\)\. /m)
})

test('one campaign in full, with its tasks', async () => {
  const { stdout } = await run('report', '--campaign', CAMPAIGN)
  expect(stdout).toMatch(/^Tasks +2, 2 still open$/m)
  expect(stdout).toMatch(/^Read +2 of 4 delivered .* 50\.0%$/m)
  expect(stdout).toMatch(/^Unread +2 as of .*: cy, fay$/m)
  expect(stdout).toMatch(/Turnbull/)
  expect(stdout).toMatch(new RegExp(`^${taskId} +tracking .* 1 of 3 .* 33\\.3%`, 'm'))
})

test('one campaign as JSON is still a list, and has its curve and time to read', async () => {
  const { stdout } = await run('report', '--campaign', CAMPAIGN, '--format', 'json')
  expect(JSON.parse(stdout)).toMatchObject([
    { campaign: CAMPAIGN, delivered: 4, read: 2, timeToRead: { people: 4 }, curve: expect.any(Array) },
  ])
})

test('a campaign that is not there is exit code 1, whatever is asked about it', async () => {
  const asked = [
    ['report', '--campaign', 'payrol'],
    ['report', '--campaign', 'payrol', '--by', 'task', '--format', 'csv'],
    ['unread', '--campaign', 'payrol'],
  ]
  for (const args of asked) {
    const { code, stdout, stderr } = await run(...args)
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^error: .*payrol.* "npx dingtalk-delivery report" lists all campaigns\.\n$/)
  }
})

test('a campaign that was not sent in the time is not an unknown one', async () => {
  const { code, stdout } = await run('report', '--campaign', CAMPAIGN, '--since', '1m')
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^No campaign/)])
})

test('who has not read: of a campaign each once, with the time that it is as of, and how many of how many', async () => {
  const { stdout } = await run('unread', '--campaign', CAMPAIGN)
  const names = stdout.split('\n').map((line) => line.split(' ')[0])
  expect(names.slice(0, 4)).toEqual(['User', 'cy', 'fay', ''])
  expect(stdout).toMatch(/^2 unread of 4 delivered, as of \d{4}-.*\. 1 more not listed by DingTalk \(--pending\)\.$/m)
})

test('who was never listed is a list of its own', async () => {
  const { stdout } = await run('unread', taskId, '--pending')
  expect(stdout).toMatch(/^User +Not listed as of\neve +\d{4}-/)
  expect(stdout).toMatch(/^1 of 5 not listed by DingTalk, as of \d{4}-/m)
})

test('a task is cancelled once, and who is unread then is so as of the final poll', async () => {
  const request = aRequest()
  const store = createDeliveryStore(opened)
  await store.track([request])
  await lookAt(store, request, { unread: ['gus'] }, 5)
  expect(await cancel(request.taskId)).toMatchObject({ code: 0, stdout: 'cancelled\n' })
  expect(await cancel(request.taskId)).toMatchObject({ code: 0, stdout: 'already cancelled\n' })
  expect((await run('unread', request.taskId)).stdout).toContain('The task has ended (cancelled); later reads are not known.')
  expect(await cancel('98')).toMatchObject({ code: 1, stderr: expect.stringContaining('"npx dingtalk-delivery track" starts it') })
})

test('a task that has ended cannot be cancelled', async () => {
  const request = aRequest({ userIds: ['hal'] })
  const store = createDeliveryStore(opened)
  await store.track([request])
  await lookAt(store, request, { read: ['hal'] }, 5)
  expect(await cancel(request.taskId)).toMatchObject({ code: 1, stderr: expect.stringContaining('has ended already (complete)') })
})

test('exports are whole, however many pages they have', async () => {
  const many = await createTestDatabase({ migrated: true })
  onTestFinished(() => many.drop())
  const client = new pg.Client({ connectionString: many.url })
  await client.connect()
  await client.query(`
    SELECT track_delivery(task_id => (1000 + n)::text, campaign => 'all hands', user_ids => ARRAY(SELECT 'user' || (n * 100 + i) FROM generate_series(1, 100) AS i))
    FROM generate_series(1, 11) AS n`)
  await client.query("SELECT track_delivery(task_id => (5000 + n)::text, campaign => 'campaign ' || n) FROM generate_series(1, 1050) AS n")
  await client.end()
  const lines = async (...args: string[]): Promise<number> => {
    const { stdout } = await runCommand([...args, '--format', 'csv'], { env: { DATABASE_URL: many.url } })
    return new Set(stdout.trim().split('\r\n')).size - 1
  }
  expect(await lines('report', '--by', 'task')).toBe(1_061)
  expect(await lines('report')).toBe(1_051)
  expect(await lines('unread', '--campaign', 'all hands', '--pending')).toBe(1_100)
})

test.each([
  [['show', '1', '--json', '--watch'], '--watch draws on a terminal: leave it out with --json'],
  [['report', '--format', 'csv', '--watch', '5'], '--watch draws on a terminal: leave it out with --format csv'],
  [['report', '--watch', '0'], 'Accepted: a number from 0.2 to 3600'],
])('wrong usage: %j', async (args, says) => {
  const { code, stdout, stderr } = await run(...args)
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(says)
})

describe('--watch', () => {
  test('in a pipe one frame follows another, also while the database is away and when it is back, until Ctrl-C', async () => {
    const proxy = await aProxy()
    const watching = startCommand(['report', '--watch', '0.2'], { env: { DATABASE_URL: through(proxy) } })
    await until(() => framesOf(watching).length > 2, { what: 'two frames are there' })
    await proxy.mode('refuse')
    await until(() => watching.stdout().includes('Trying again; the figures below are as of'), { what: 'the outage is said' })
    await proxy.mode('pass')
    const before = framesOf(watching).length
    await until(() => framesOf(watching).length > before + 1, { what: 'it goes on' })
    watching.kill('SIGINT')
    expect(await watching.exit).toEqual({ code: 0, signal: null })
    expect(watching.stdout()).not.toContain('\u001B')
  })

  test('a database that says nothing at all is said so, and does not keep Ctrl-C', async () => {
    const proxy = await aProxy()
    const watching = startCommand(['show', taskId, '--watch', '0.2'], { env: { DATABASE_URL: through(proxy) } })
    await until(() => watching.stdout().includes('Next polls'), { what: 'a frame is there' })
    await proxy.mode('blackhole')
    await until(() => watching.stdout().includes('The database does not answer.'), { what: 'the silence is said' })
    watching.kill('SIGINT')
    expect(await watching.exit).toEqual({ code: 0, signal: null })
  })

  test('of a task ends by itself when the task has ended', async () => {
    const request = aRequest({ userIds: ['ivy'] })
    const store = createDeliveryStore(opened)
    await store.track([request])
    const watching = startCommand(['show', request.taskId, '--watch', '0.2'], { env: { DATABASE_URL: database.url } })
    await until(() => watching.stdout().includes('tracking'), { what: 'a frame is there' })
    await lookAt(store, request, { read: ['ivy'] }, 5)
    expect(await watching.exit).toEqual({ code: 0, signal: null })
    expect(watching.stdout()).toMatch(/^Status +complete$(?!.*^Status)/ms)
  })

  const hasScript = spawnSync('script', ['--version']).status === 0
  if (!hasScript && process.env['CI'] === 'true')
    throw new Error('script (util-linux) is not installed, and with CI=true nothing is skipped')

  test.skipIf(!hasScript)('on a terminal every frame is drawn in its size, and the terminal is left as it was', async () => {
    const terminal = onTerminal(`${process.execPath} ${builtFile('cli/main.js')} show ${taskId} --watch 0.2`, { columns: 80, rows: 24 })
    await until(() => terminal.text().split('\u001B[H').length > 3, { what: 'three frames were drawn' })
    terminal.type('\u0003')
    expect(await terminal.exit).toBe(0)
    const [before = '', shown = '', after = ''] = terminal.text().replace('?1049l', '?1049h').split('\u001B[?1049h')
    expect([before, shown]).toEqual(['', expect.stringContaining('\u001B[?25l')])
    const [, frame = ''] = shown.split('\u001B[H')
    // The terminal itself puts a carriage return before each line feed.
    const lines = frame.replaceAll('\r', '').split('\n')
    expect(lines.length).toBeLessThanOrEqual(25)
    expect(lines.filter((line) => cellsOf(line) > 80)).toEqual([])
    expect(frame).toMatch(/^\S*Task .*Read curve/ms)
    expect(shown).toContain('\u001B[?25h')
    expect(after).toMatch(/Next polls/)
  })
})

/** The program on a pseudo-terminal of its own. `--return` gives its exit code. */
function onTerminal(command: string, { columns, rows }: { columns: number; rows: number }) {
  const env = { PATH: process.env['PATH'] ?? '', TERM: 'xterm-256color', DATABASE_URL: database.url }
  const child = spawn('script', ['--quiet', '--return', '--command', `stty cols ${columns} rows ${rows}; exec ${command}`, '/dev/null'], {
    env,
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  const exit = new Promise<number | null>((resolve) => child.on('close', resolve))
  return { exit, text: () => text, type: (keys: string) => void child.stdin.write(keys) }
}

/** Frames begin with a line that says as of when they are. */
function framesOf(watching: RunningCommand): string[] {
  return watching.stdout().split(/^\d{4}-\d\d-\d\d .*, every .* until Ctrl-C$/m)
}

async function aProxy(): Promise<TcpProxy> {
  const proxy = await startProxy(Number(new URL(database.url).port))
  onTestFinished(() => proxy.close())
  return proxy
}

function through({ port }: TcpProxy): string {
  const url = new URL(database.url)
  url.hostname = '127.0.0.1'
  url.port = String(port)
  return url.href
}
