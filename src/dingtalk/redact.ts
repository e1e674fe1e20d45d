import type { Credentials } from './app.ts'

/** Keeps an app's secrets out of texts that leave this adapter: DingTalk and the proxies before it may quote what they were sent. */
export interface Redactor {
  /** Adds a secret that came up later: a token, a suite ticket. */
  learn(secret: string): void
  /** The text without any known secret, plain or percent-encoded. */
  redact(text: string): string
}

export function createRedactor(credentials: Credentials): Redactor {
  const fixed = secretsOf(credentials)
  const learned: string[] = []
  return {
    learn(secret) {
      if (fixed.includes(secret) || learned.includes(secret)) return
      learned.push(secret)
      if (learned.length > MAX_LEARNED) learned.shift()
    },
    redact: (text) => [...fixed, ...learned].flatMap(spellings).sort(longestFirst).reduce(hide, text),
  }
}

/** A call that is under way may still carry a token from a few refreshes ago. */
const MAX_LEARNED = 16

/** Shorter values are no secrets, and hiding them would garble every message. */
const MIN_SECRET = 4

function secretsOf(credentials: Credentials): string[] {
  switch (credentials.kind) {
    case 'internal':
      return [credentials.appKey, credentials.appSecret]
    case 'thirdParty': {
      const { suiteKey, suiteSecret, suiteTicket } = credentials
      return typeof suiteTicket === 'string' ? [suiteKey, suiteSecret, suiteTicket] : [suiteKey, suiteSecret]
    }
    case 'fixed':
      return [credentials.accessToken]
    case 'function':
      return []
    default:
      return credentials satisfies never
  }
}

function spellings(secret: string): string[] {
  return secret.length < MIN_SECRET ? [] : [secret, formEncoded(secret)]
}

function formEncoded(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}

function longestFirst(a: string, b: string): number {
  return b.length - a.length
}

function hide(text: string, secret: string): string {
  return text.replaceAll(secret, '***')
}
