import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { runCommand, startCommand } from '../support/commands.ts'

const RESULT = '/topapi/message/corpconversation/getsendresult'

async function post(url: string, fields: Readonly<Record<string, string>>): Promise<unknown> {
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams(fields) })
  return response.json()
}

async function tokenFor(url: string, appKey: string, appSecret: string): Promise<string> {
  const body = JSON.stringify({ appKey, appSecret })
  const response = await fetch(`${url}/v1.0/oauth2/accessToken`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  return /"accessToken":"(\w+)"/.exec(await response.text())?.[1] ?? ''
}

async function json(url: string): Promise<unknown> {
  return (await fetch(url)).json()
}

test('its apps and what it answers for wrong ids are options', async () => {
  const apps = ['--app', 'one:first:111', '--app', 'two:second:222']
  const codes = [
    '--wrong-agent-code',
    '41011',
    '--foreign-agent-code',
    '70001',
    '--unknown-task-code',
    '40035',
    '--expired-task-code',
    '99999',
  ]
  await using simulator = startCommand(['simulator', '--port', '0', ...apps, ...codes])
  const url = await simulator.waitForLine(/^http:/)
  const poll = async (agent_id: string, task_id: string) => {
    return post(`${url}${RESULT}`, { access_token: await tokenFor(url, 'one', 'first'), agent_id, task_id })
  }
  await fetch(`${url}/_simulator/tasks`, {
    method: 'POST',
    body: '{"taskId":"9","sentHoursAgo":24,"recipients":[{"userId":"01"}]}',
  })
  expect(await poll('333', '7')).toMatchObject({ errcode: 41011 })
  expect(await poll('222', '7')).toMatchObject({ errcode: 70001 })
  expect(await poll('111', '7')).toMatchObject({ errcode: 40035 })
  expect(await poll('111', '9')).toMatchObject({ errcode: 99999 })
  expect(await tokenFor(url, 'two', 'second')).not.toBe('')
  expect(await tokenFor(url, 'sim-app-key', 'sim-app-secret')).toBe('')
  expect(simulator.stderr()).toContain('App key one, agent id 111. App key two, agent id 222.')
  expect(simulator.stderr(), 'a secret that was chosen is not printed').not.toMatch(/first|second/)
})

test('a law, the start of the clock and dates are options, and the line for workers is printed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'law-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'law.json'), '{"unit":"min","edges":[0,60],"density":[1],"readShare":0.5}')
  const clock = ['--clock-start', 'Tue 10:00', '--time-scale', '1440']
  await using simulator = startCommand(['simulator', '--port', '0', '--law', 'law.json', ...clock], { cwd: folder })
  const url = await simulator.waitForLine(/^http:/)
  expect(await json(`${url}/_simulator/curve`)).toMatchObject({ shares: expect.arrayContaining([0, 0.5]) })
  const line = /^CLOCK_START=(2026-11-03T10:00@\d{4}-\S+Z)$/m.exec(simulator.stderr())?.[1] ?? ''
  const shared = ['--clock-start', line, '--free-dates', '2026-11-03, 2026-11-04', '--work-dates', '2026-11-07']
  await using other = startCommand(['simulator', '--port', '0', '--law', 'office', '--time-scale', '1440', ...shared])
  expect(await json(`${await other.waitForLine(/^http:/)}/_simulator/clock`)).toMatchObject({ clockStart: line, timeScale: 1440 })
})

test('a file of a law that is wrong is wrong usage, with the field, the value and the remedy', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'law-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const start = async (text: string) => {
    await writeFile(join(folder, 'law.json'), text)
    const { code, stderr } = await runCommand(['simulator', '--port', '0', '--law', 'law.json'], { cwd: folder })
    expect(code).toBe(2)
    return stderr
  }
  expect(await start('{"edges":[0,0],"density":[1]}')).toMatch(
    /--law "law.json": law.edges: expected ascending minutes from 0 on; given \[0,0\]; docs\/simulator.md#attention-laws/,
  )
  expect(await start('{"work":[1]}')).toMatch(/law.work: expected 24 numbers from 0 to 1000/)
  expect(await start('{')).toMatch(/"law.json" is none of office, slow, .*, and as a file it is not JSON/)
})

test.each([
  [
    ['--law', 'ofice'],
    /"ofice" is none of office, slow, evening, shifts, flat, and as a file it cannot be read \(ENOENT: it does not exist\)/,
  ],
  [['--clock-start', 'Tuesday 10'], /Accepted: a day and an hour such as "Tue 10:00".*, or a local time such as 2026-12-01T10:00/],
  [['--free-dates', '25.12.2026'], /Accepted: dates such as 2026-12-25, with commas between them/],
  [['--work-dates', '2026-02-30'], /Accepted: dates such as 2026-12-25/],
  [['--app', 'key:secret'], /Accepted: KEY:SECRET:AGENT_ID/],
  [['--app', 'key:secret:agent'], /Accepted: KEY:SECRET:AGENT_ID/],
  [['--app', 'key:a:1', '--app', 'key:b:2'], /There is an app key already/],
  [['--wrong-agent-code', ''], /Accepted: a code such as 41011/],
  [['--expired-task-code', '4 2'], /Accepted: a code such as 41011/],
])('%j is wrong usage', async (options, message) => {
  const { code, stderr } = await runCommand(['simulator', '--port', '0', ...options])
  expect([code, stderr]).toEqual([2, expect.stringMatching(message)])
})
