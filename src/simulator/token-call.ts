import { type Answer, newApiError, plainError, success } from './answer.ts'
import type { AppBook, Identity } from './apps.ts'
import { type ApiCall, textField } from './request.ts'
import type { Token, TokenBook } from './tokens.ts'

const INTERNAL_FIELDS = ['appKey', 'appSecret'] as const
const THIRD_PARTY_FIELDS = ['suiteKey', 'suiteSecret', 'authCorpId', 'suiteTicket'] as const

/** The three ways to a token. They are not metered. */
export function answerTokenCall(call: ApiCall, apps: AppBook, tokens: TokenBook, at: number): Answer {
  if (call.endpoint === 'gettoken') return oldTokenCall(call, apps, tokens, at)
  if (call.method !== 'POST')
    return newApiError(404, 'InvalidAction.NotFound', 'Specified api is not found, please check your url and method.')
  if (call.malformed || call.fields.size === 0) return newApiError(400, 'Missingbody', 'body is mandatory for this action.')
  const isInternal = call.endpoint === 'accessToken'
  const missing = (isInternal ? INTERNAL_FIELDS : THIRD_PARTY_FIELDS).find((name) => textField(call.fields, name) === undefined)
  if (missing !== undefined) return newApiError(400, `Missing${missing}`, `${missing} is mandatory for this action.`)
  const app = isInternal ? identityOf(call, apps, 'appKey', 'appSecret') : identityOf(call, apps, 'suiteKey', 'suiteSecret')
  if (app === undefined) return newApiError(400, 'invalidClientIdOrSecret', '无效的clientId或者clientSecret')
  return newToken(isInternal ? tokens.internal(app, at) : tokens.thirdParty(app, at), at)
}

function oldTokenCall(call: ApiCall, apps: AppBook, tokens: TokenBook, at: number): Answer {
  if (call.method !== 'GET') return plainError('43001', '需要GET请求')
  const app = identityOf(call, apps, 'appkey', 'appsecret')
  if (app === undefined) return plainError('40096', '不合法的appKey或appSecret')
  const token = tokens.internal(app, at)
  return success({ access_token: token.text, expires_in: secondsLeft(token, at) })
}

function identityOf(call: ApiCall, apps: AppBook, key: string, secret: string): Identity | undefined {
  return apps.authenticate(textField(call.fields, key), textField(call.fields, secret))
}

/** Unlike `oapi`, the new API says nothing of an errcode when all is well. */
function newToken(token: Token, at: number): Answer {
  return { status: 200, code: '0', fields: { accessToken: token.text, expireIn: secondsLeft(token, at) } }
}

function secondsLeft(token: Token, at: number): number {
  return Math.round((token.expiresAt - at) / 1_000)
}
