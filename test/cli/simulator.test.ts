import { expect, test } from 'vitest'
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

test.each([
  [['--app', 'key:secret'], /Accepted: KEY:SECRET:AGENT_ID/],
  [['--app', 'key:secret:agent'], /Accepted: KEY:SECRET:AGENT_ID/],
  [['--app', 'key:a:1', '--app', 'key:b:2'], /There is an app key already/],
  [['--wrong-agent-code', ''], /Accepted: a code such as 41011/],
  [['--expired-task-code', '4 2'], /Accepted: a code such as 41011/],
])('%j is wrong usage', async (options, message) => {
  const { code, stderr } = await runCommand(['simulator', '--port', '0', ...options])
  expect([code, stderr]).toEqual([2, expect.stringMatching(message)])
})
