import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { SimulatorOptions } from '../../src/simulator/simulator.ts'
import { APP, type Bench, bench, HOUR, poll, type Reply, SENT_AT, tokenOf } from './harness.ts'

const PAGE = readFileSync(new URL('../../docs/simulator.md', import.meta.url), 'utf8')
const VICTIM = '256271667526'
const HEALTHY = '256271667527'
const MISTYPED = '836390887'

interface Case {
  readonly what: string
  readonly commands: readonly string[]
}

/** The rows of the page's table of cases. */
const CASES: readonly Case[] = [
  ...((PAGE.split('\n## Cases\n')[1] ?? '').split('\n## ')[0]?.matchAll(/^\| \d* ?\| (.+?) \| (`.+`) \|$/gm) ?? []),
].map(([, what = '', commands = '']) => ({ what, commands: [...commands.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '') }))

/** What two tasks, and two workers, are answered. */
interface Seen {
  readonly token: Reply
  readonly victim: Reply
  readonly healthy: Reply
}

const OK = { status: 200, json: { errcode: 0 } }
const WORKS = { token: { status: 200 }, victim: OK, healthy: OK }
const code = (errcode: number | string, more = {}) => ({ status: 200, json: { errcode, ...more } })
const wrapped = (subCode: string) => code(88, { sub_code: subCode })
const tokenError = (name: string, status = 400) => ({ token: { status, json: { code: name } } })

interface Expectation {
  readonly at?: readonly number[]
  readonly via?: string
  readonly victimAgent?: string
  /** In each of the hours `at`. */
  readonly seen: object
  /** In the hour before the first of `at`: by default all is well. */
  readonly before?: object
}

/** The hours that an acceptance test begins a fault in. */
const EVERY = [0, 3, 12, 23.5] as const

const EXPECTED: Readonly<Record<string, Expectation>> = {
  'The agent id of one task is wrong': { at: EVERY, seen: { victim: code(41011), healthy: OK } },
  'The calls of one task carry no agent id': {
    victimAgent: '',
    seen: { victim: code(40, { errmsg: 'Missing required arguments:agent_id' }), healthy: OK },
  },
  'One worker still has the old secret': { seen: tokenError('invalidClientIdOrSecret') },
  'The address of one worker is not on the allow-list': {
    via: '/via/worker-2',
    at: EVERY,
    seen: { ...tokenError('Forbidden.AccessDenied.IpNotInWhiteList'), victim: wrapped('60020'), healthy: wrapped('60020') },
  },
  'The agent id of the app is mistyped': { victimAgent: MISTYPED, seen: { victim: code(400002), healthy: OK } },
  'The same, if DingTalk counts it as a missing parameter': { victimAgent: MISTYPED, seen: { victim: code(40), healthy: OK } },
  '"Call timeout" for a task of one named recipient': { seen: { victim: code(15, { errmsg: 'Call timeout' }), healthy: OK } },
  'The same in Chinese': { seen: { victim: code(50, { errmsg: '调用超时' }), healthy: OK } },
  "The gateway's own timeout": {
    seen: { victim: code(15, { sub_code: 'isp.top-remote-connection-timeout', sub_msg: '远程服务调用超时' }) },
  },
  'One stray answer about a task that was polled before': { at: [3], before: WORKS, seen: { victim: code(40035), healthy: OK } },
  'A task has an unknown code after its end': { at: [24], before: WORKS, seen: { victim: code(99999), healthy: code(400002) } },
  'The final poll of one task fails': { at: [23.75], before: WORKS, seen: { victim: { status: 500 }, healthy: OK } },
  'No token can be fetched': { seen: { token: { status: 503 } } },
  'The monthly quota is used up': { at: EVERY, seen: { token: { status: 200 }, victim: wrapped('90020'), healthy: wrapped('90020') } },
  'Calls are bought': { seen: WORKS },
  "The month ends during a task's day": { at: [3], before: WORKS, seen: { victim: wrapped('90020'), healthy: wrapped('90020') } },
  'The token endpoint refuses the address': { seen: tokenError('Forbidden.AccessDenied.IpNotInWhiteList') },
  'It limits the rate of the app': { seen: tokenError('Forbidden.AccessDenied.QpsLimitForAppkeyAndApi') },
  'It limits the rate of all apps together': { seen: tokenError('Forbidden.AccessDenied.QpsLimitForApi') },
  "The organisation's quota is used up, at the token endpoint": { seen: tokenError('Forbidden.AccessDenied.ApiCountLimitForOrg') },
  'The host has no such address': { seen: tokenError('InvalidAction.NotFound', 404) },
  'Token and agent id belong to different apps': { seen: { victim: code(41020) } },
  'HTTP 401 instead of a code': { seen: { victim: { status: 401, json: { code: 'InvalidAuthentication' } } } },
  'The app has no permission': { seen: { victim: wrapped('60011'), healthy: wrapped('60011') } },
  'The same in its other form': { seen: { victim: wrapped('40000'), healthy: wrapped('40000') } },
}

const WITH_FAULT = CASES.filter(({ commands }) => commands.some((command) => command.startsWith('control ')))
/** These have tests of their own: in one the page makes the task itself, in the other the clock moves during a call. */
const SLOW = 'A poll near the deadline is answered after it'
const LATE = 'Tracking begins 15 hours after the send, and the send time is not given'

test('every case of the page is checked here', () => {
  expect(WITH_FAULT.map(({ what }) => what).filter(isOrdinary)).toEqual(Object.keys(EXPECTED))
  expect(PAGE.match(/^\| \d+ \|/gm)?.map((row) => Number(row.slice(2, -2)))).toEqual(Array.from({ length: 13 }, (_, i) => i + 1))
})

test.each(WITH_FAULT.filter(({ what }) => isOrdinary(what)))('$what: its command produces it', async ({ what, commands }) => {
  const { at = [0], via = '', victimAgent, seen, before = WORKS } = EXPECTED[what] ?? { seen: {} }
  for (const hour of at) {
    const it = await aDay()
    // A fault with hours is set at the beginning of the day; another one when it begins.
    if (hasHours(commands)) await runAll(it, commands)
    it.pass(Math.max(0, hour * HOUR - 1))
    if (hour > 0) expect(await answers(it, via, victimAgent), `before hour ${hour}`).toMatchObject(before)
    it.pass(hour > 0 ? 1 : 0)
    if (!hasHours(commands)) await runAll(it, commands)
    expect(await answers(it, via, victimAgent), `in hour ${hour}`).toMatchObject(seen)
  }
})

test(`${SLOW}: its command produces it`, async () => {
  let now = SENT_AT.getTime()
  let step = 0
  // The clock moves each time that it is read, so no test waits for the slow answer.
  const it = await aDay({ now: () => new Date((now += step)) })
  await runAll(it, commandsOf(SLOW))
  now += 23.95 * HOUR
  const token = await it.token()
  step = HOUR / 10
  expect((await poll(it.simulator.url, { access_token: token, task_id: VICTIM })).json).toMatchObject({ errcode: 400002 })
})

test(`${LATE}: its command produces it`, async () => {
  const it = await bench()
  await runAll(it, commandsOf(LATE))
  it.pass(9 * HOUR - 1)
  expect((await it.api('getsendresult', { task_id: VICTIM })).json).toMatchObject({ errcode: 0 })
  it.pass(1)
  expect((await it.api('getsendresult', { task_id: VICTIM })).json).toMatchObject({ errcode: 400002 })
})

test('the cases without a fault have a command that answers', async () => {
  const it = await aDay()
  const reads = CASES.flatMap(({ commands }) => commands).filter((command) => command.startsWith('curl '))
  expect(reads).toHaveLength(3)
  for (const command of reads) {
    const path = /http:\/\/127\.0\.0\.1:8090(\S+)$/.exec(command)?.[1] ?? ''
    expect(await it.call(path), command).toMatchObject({ status: 200 })
  }
})

function isOrdinary(what: string): boolean {
  return what !== LATE && what !== SLOW
}

function hasHours(commands: readonly string[]): boolean {
  return commands.some((command) => command.includes('"fromHour"'))
}

function commandsOf(what: string): readonly string[] {
  return CASES.find((row) => row.what === what)?.commands ?? []
}

/** The faulty task and a healthy one, sent at the start. */
async function aDay(options: SimulatorOptions = {}): Promise<Bench> {
  const it = await bench(options)
  for (const taskId of [VICTIM, HEALTHY]) it.simulator.createTask({ taskId, recipients: [{ userId: '01', fate: 'never' }] })
  return it
}

async function runAll(it: Bench, commands: readonly string[]): Promise<void> {
  for (const command of commands) {
    const [, path = '', body = ''] = /^control (\S+) '(.+)'$/.exec(command) ?? []
    const reply = await it.post(`/_simulator/${path}`, body.replace('"delayMs":2000', '"delayMs":1'))
    expect(reply.status, `${command}: ${reply.text}`).toBeLessThan(300)
  }
}

async function answers(it: Bench, via: string, victimAgent: string = APP.agentId): Promise<Seen> {
  const url = `${it.simulator.url}${via}`
  const given = (await tokenOf(it.simulator.url, APP.appSecret)).json['accessToken']
  const token = await tokenOf(url, APP.appSecret)
  const access = typeof given === 'string' ? given : ''
  const victim = await poll(url, { access_token: access, task_id: VICTIM, agent_id: victimAgent })
  return { token, victim, healthy: await poll(url, { access_token: access, task_id: HEALTHY }) }
}
