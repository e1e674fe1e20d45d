import type { Credentials } from './app.ts'

/** Removes an app's secrets from texts that leave this adapter: DingTalk and proxies may quote what they were sent. */
export interface Redactor {
  /** Adds a later secret: a token, a suite ticket. */
  learn(secret: string): void
  /** The text without any known secret, plain or percent-encoded. */
  redact(text: string): string
}

export function createRedactor(credentials: Credentials): Redactor {
  const fixed = listSecrets(credentials)
  const learned: string[] = []
  return {
    learn(secret) {
      if (fixed.includes(secret) || learned.includes(secret)) return
      learned.push(secret)
      if (learned.length > MAX_LEARNED) learned.shift()
    },
    redact(text) {
      const secrets = [...fixed, ...learned].flatMap(spellings).sort((a, b) => b.length - a.length)
      return secrets.reduce((rest, secret) => rest.replaceAll(secret, '***'), text)
    },
  }
}

/** A running call may still have a token from a few refreshes ago. */
const MAX_LEARNED = 16

/** Shorter values are no secrets, and replacing them would make messages unreadable. */
const MIN_SECRET = 4

function listSecrets(credentials: Credentials): string[] {
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

/** Plain and percent-encoded. */
function spellings(secret: string): string[] {
  return secret.length < MIN_SECRET ? [] : [secret, new URLSearchParams([['', secret]]).toString().slice(1)]
}
