import type { Identity } from './apps.ts'
import { randomText } from './chance.ts'

export interface Token {
  readonly text: string
  readonly appKey: string
  /** Which of the app's secrets it was issued for, from 0. */
  readonly secret: number
  readonly kind: 'internal' | 'third-party'
  /** Epoch ms. */
  readonly expiresAt: number
}

/** Every token that was handed out, the expired ones too: DingTalk tells "expired" from "never seen". */
export class TokenBook {
  readonly #seed: number
  readonly #lifeMs: number
  readonly #tokens = new Map<string, Token>()
  readonly #internal = new Map<string, string>()
  #issued = 0

  constructor(seed: number, tokenSeconds: number) {
    this.#seed = seed
    this.#lifeMs = tokenSeconds * 1_000
  }

  find(text: string | undefined): Token | undefined {
    return text === undefined ? undefined : this.#tokens.get(text)
  }

  /** Requested again within its life, the same token comes back with a new life; later there is a new one. Each secret has its own. */
  internal({ appKey, secret }: Identity, at: number): Token {
    const holder = `${secret}\u0000${appKey}`
    const current = this.find(this.#internal.get(holder))
    const text = current !== undefined && current.expiresAt > at ? current.text : this.#newText(appKey, at)
    this.#internal.set(holder, text)
    return this.#store({ text, appKey, secret, kind: 'internal', expiresAt: at + this.#lifeMs })
  }

  /** Each fetch gives a new token; the ones before live on until their own end. */
  thirdParty({ appKey, secret }: Identity, at: number): Token {
    return this.#store({ text: this.#newText(appKey, at), appKey, secret, kind: 'third-party', expiresAt: at + this.#lifeMs })
  }

  /** Ends the living tokens of an app, or of every app; with `secret`, only those that were issued for it. */
  expire(appKey: string | undefined, at: number, secret?: number): void {
    for (const token of this.#tokens.values()) {
      if (appKey !== undefined && token.appKey !== appKey) continue
      if (secret !== undefined && token.secret !== secret) continue
      this.#store({ ...token, expiresAt: Math.min(token.expiresAt, at) })
    }
  }

  #newText(appKey: string, at: number): string {
    for (const token of this.#tokens.values()) if (token.expiresAt + this.#lifeMs < at) this.#tokens.delete(token.text)
    this.#issued += 1
    return randomText(32, this.#seed, 'token', appKey, this.#issued)
  }

  #store(token: Token): Token {
    this.#tokens.set(token.text, token)
    return token
  }
}
