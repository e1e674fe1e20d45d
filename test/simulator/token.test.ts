import { expect, test } from 'vitest'
import { APP, bench, HOUR, SECOND, text } from './harness.ts'

const CREDENTIALS = { appKey: APP.appKey, appSecret: APP.appSecret }
const SUITE = { suiteKey: APP.appKey, suiteSecret: APP.appSecret, authCorpId: 'ding1', suiteTicket: 'ticket' }
const OLD = `/gettoken?appkey=${APP.appKey}&appsecret=${APP.appSecret}`

test('the new endpoint answers accessToken and expireIn, the old one access_token and expires_in, and it is the same token', async () => {
  const { post, call } = await bench()
  const fresh = (await post('/v1.0/oauth2/accessToken', CREDENTIALS)).json
  const old = (await call(OLD)).json
  expect(fresh).toEqual({ accessToken: expect.stringMatching(/^\w{32}$/), expireIn: 7200 })
  expect(old).toMatchObject({ errcode: 0, errmsg: 'ok', access_token: fresh['accessToken'], expires_in: 7200 })
})

test('wrong credentials are HTTP 400 on the new endpoint and errcode 40096 with HTTP 200 on the old one', async () => {
  const { post, call } = await bench()
  const fresh = await post('/v1.0/oauth2/accessToken', { ...CREDENTIALS, appSecret: 'wrong' })
  expect(fresh).toMatchObject({ status: 400, json: { code: 'invalidClientIdOrSecret' } })
  expect(await call('/gettoken?appkey=nobody&appsecret=x')).toMatchObject({ status: 200, json: { errcode: 40096 } })
})

test('a missing field is named', async () => {
  const { post, call } = await bench()
  expect(await post('/v1.0/oauth2/accessToken', { appKey: 'a' })).toMatchObject({ status: 400, json: { code: 'MissingappSecret' } })
  expect(await post('/v1.0/oauth2/corpAccessToken', { ...SUITE, suiteTicket: '' })).toMatchObject({ json: { code: 'MissingsuiteTicket' } })
  expect(await call('/v1.0/oauth2/accessToken', { method: 'POST' })).toMatchObject({ status: 400, json: { code: 'Missingbody' } })
})

test('an internal token asked for again within its life is the same one with a new life, and later another one', async () => {
  const { token, api, pass } = await bench()
  const first = await token()
  pass(1.5 * HOUR)
  expect(await token()).toBe(first)
  pass(1.5 * HOUR)
  expect((await api('getsendresult', { task_id: '1' }, first)).json).toMatchObject({ errcode: 400002 })
  pass(0.5 * HOUR + SECOND)
  expect((await api('getsendresult', { task_id: '1' }, first)).json).toMatchObject({ errcode: 88, sub_code: '42001' })
  expect(await token()).not.toBe(first)
})

test('a third-party token is a new one at each fetch, and the earlier one still works', async () => {
  const { post, api } = await bench()
  const fetchToken = async () => text((await post('/v1.0/oauth2/corpAccessToken', SUITE)).json['accessToken'])
  const first = await fetchToken()
  expect(await fetchToken()).not.toBe(first)
  expect((await api('getsendresult', { task_id: '1' }, first)).json).toMatchObject({ errcode: 400002 })
})

test('the life of a token is an option in real seconds, whatever the time scale', async () => {
  const { post, api, pass, token } = await bench({ tokenSeconds: 60, timeScale: 1440 })
  expect((await post('/v1.0/oauth2/accessToken', CREDENTIALS)).json).toMatchObject({ expireIn: 60 })
  const first = await token()
  pass(61 * SECOND)
  expect((await api('getsendresult', { task_id: '1' }, first)).json).toMatchObject({ errcode: 88, sub_code: '42001' })
})
