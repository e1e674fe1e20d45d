import { type Answer, newApiError, plainError, success } from './answer.ts'
import type { AppBook, Identity } from './apps.ts'
import { randomText } from './chance.ts'
import { type ApiCall, type TokenEndpoint, textField } from './request.ts'

export interface Token {
  readonly text: string
  readonly appKey: string
  /** Which of the app's secrets it was issued for, from 0. */
  readonly secret: number
  readonly kind: 'internal' | 'third-party'
  /** Epoch ms. */
  readonly expiresAt: number
}

export type TokenBook = ReturnType<typeof createTokenBook>

/** Every issued token, also the expired ones: DingTalk distinguishes "expired" from "unknown". */
export function createTokenBook(seed: number, tokenSeconds: number) {
  const lifeMs = tokenSeconds * 1_000
  const tokens = new Map<string, Token>()
  const internal = new Map<string, string>()
  let issued = 0

  function newText(appKey: string, at: number): string {
    for (const token of tokens.values()) if (token.expiresAt + lifeMs < at) tokens.delete(token.text)
    issued += 1
    return randomText(32, seed, 'token', appKey, issued)
  }

  function store(token: Token): Token {
    tokens.set(token.text, token)
    return token
  }

  return {
    find: (text: string | undefined): Token | undefined => (text === undefined ? undefined : tokens.get(text)),

    /** Requested again within its life, the same token comes back with a new life; later there is a new one. Each secret has its own. */
    internal({ appKey, secret }: Identity, at: number): Token {
      const holder = `${secret}\u0000${appKey}`
      const current = tokens.get(internal.get(holder) ?? '')
      const text = current !== undefined && current.expiresAt > at ? current.text : newText(appKey, at)
      internal.set(holder, text)
      return store({ text, appKey, secret, kind: 'internal', expiresAt: at + lifeMs })
    },

    /** Each fetch gives a new token; earlier ones live on until their own end. */
    thirdParty: ({ appKey, secret }: Identity, at: number): Token =>
      store({ text: newText(appKey, at), appKey, secret, kind: 'third-party', expiresAt: at + lifeMs }),

    /** Ends the living tokens of an app, or of every app; with `secret`, only those that were issued for it. */
    expire(appKey: string | undefined, at: number, secret?: number): void {
      for (const token of tokens.values()) {
        if (appKey !== undefined && token.appKey !== appKey) continue
        if (secret !== undefined && token.secret !== secret) continue
        store({ ...token, expiresAt: Math.min(token.expiresAt, at) })
      }
    },
  }
}

/** The fields that each endpoint requires: the key, the secret, others. */
const REQUIRED: Readonly<Record<TokenEndpoint, readonly [key: string, secret: string, ...others: string[]]>> = {
  accessToken: ['appKey', 'appSecret'],
  corpAccessToken: ['suiteKey', 'suiteSecret', 'authCorpId', 'suiteTicket'],
  gettoken: ['appkey', 'appsecret'],
}

/** The key and the secret in a token call. */
export function credentialsIn(
  { fields }: ApiCall,
  endpoint: TokenEndpoint,
): readonly [key: string | undefined, secret: string | undefined] {
  const [key, secret] = REQUIRED[endpoint]
  return [textField(fields, key), textField(fields, secret)]
}

/** Answers the three token endpoints. They are not metered. */
export function answerTokenCall(call: ApiCall, endpoint: TokenEndpoint, apps: AppBook, tokens: TokenBook, at: number): Answer {
  const app = apps.authenticate(...credentialsIn(call, endpoint))
  if (endpoint === 'gettoken') {
    if (call.method !== 'GET') return plainError('43001')
    if (app === undefined) return plainError('40096')
    const token = tokens.internal(app, at)
    return success({ access_token: token.text, expires_in: secondsLeft(token, at) })
  }
  if (call.method !== 'POST') return newApiError(404, 'InvalidAction.NotFound')
  const missing =
    call.malformed || call.fields.size === 0 ? 'body' : REQUIRED[endpoint].find((name) => textField(call.fields, name) === undefined)
  if (missing !== undefined) return newApiError(400, `Missing${missing}`, `${missing} is mandatory for this action.`)
  if (app === undefined) return newApiError(400, 'invalidClientIdOrSecret')
  const token = endpoint === 'accessToken' ? tokens.internal(app, at) : tokens.thirdParty(app, at)
  // Unlike oapi, the new API has no errcode in a success.
  return { status: 200, code: '0', fields: { accessToken: token.text, expireIn: secondsLeft(token, at) } }
}

function secondsLeft(token: Token, at: number): number {
  return Math.round((token.expiresAt - at) / 1_000)
}
