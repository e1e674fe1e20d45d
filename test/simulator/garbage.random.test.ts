import { createConnection } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { runs } from '../support/runs.ts'
import { bench, fetchReply } from './harness.ts'

const PATHS = [
  '/gettoken',
  '/v1.0/oauth2/accessToken',
  '/v1.0/oauth2/corpAccessToken',
  '/topapi/message/corpconversation/asyncsend_v2',
  '/topapi/message/corpconversation/getsendresult',
  '/topapi/message/corpconversation/recall',
  '/_simulator/tasks',
  '/_simulator/faults',
  '/_simulator/tasks/1',
  '//',
]
const NAMES = [
  'agent_id',
  'task_id',
  'msg_task_id',
  'userid_list',
  'dept_id_list',
  'to_all_user',
  'msg',
  'appKey',
  'kind',
  'recipients',
  '__proto__',
]

test('no body on any address brings it down, and each is answered with JSON', async () => {
  const { simulator, token } = await bench({ monthlyQuota: null })
  const given = await token()
  const fields = fc.dictionary(fc.constantFrom(...NAMES), fc.jsonValue({ maxDepth: 2 }))
  const body = fc.oneof(
    fields.map((value) => JSON.stringify(value)),
    fc.json(),
    fc.string(),
    fc.string({ unit: 'binary' }),
  )
  const type = fc.constantFrom('application/json', 'application/x-www-form-urlencoded', 'text/plain', '')
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...PATHS), body, type, async (path, sent, contentType) => {
      const init = { method: 'POST', headers: { 'content-type': contentType }, body: sent }
      const reply = await fetchReply(`${simulator.url}${path}?access_token=${given}`, init)
      expect((): unknown => JSON.parse(reply.text)).not.toThrow()
      expect(reply.status).toBeLessThan(500)
      simulator.clearFaults()
    }),
    { numRuns: runs(150) },
  )
})

test('bytes that are not HTTP end that connection only', async () => {
  const { simulator, call } = await bench()
  for (const bytes of ['\u0000\u0001garbage\r\n\r\n', 'POST /gettoken HTTP/1.1\r\nContent-Length: x\r\n\r\n', 'GET']) {
    const socket = createConnection(Number(new URL(simulator.url).port), '127.0.0.1')
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => {})
    socket.resume()
    socket.end(bytes)
    await closed
  }
  expect((await call('/gettoken')).json).toMatchObject({ errcode: 40096 })
})

test('a body over a megabyte is refused with 413', async () => {
  const { post } = await bench()
  expect(await post('/topapi/message/corpconversation/asyncsend_v2', 'x'.repeat(1_100_000))).toMatchObject({ status: 413 })
})
