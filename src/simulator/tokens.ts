import { randomText } from './chance.ts'

export interface AppCredentials {
  readonly appKey: string
  readonly appSecret: string
  readonly agentId: string
}

export interface Token {
  readonly text: string
  readonly appKey: string
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

  /** Asked again within its life, the same token comes back with a new life; later there is a new one. */
  internal(appKey: string, at: number): Token {
    const current = this.find(this.#internal.get(appKey))
    const text = current !== undefined && current.expiresAt > at ? current.text : this.#newText(appKey, at)
    this.#internal.set(appKey, text)
    return this.#store({ text, appKey, kind: 'internal', expiresAt: at + this.#lifeMs })
  }

  /** Each fetch gives a new token; the ones before live on until their own end. */
  thirdParty(appKey: string, at: number): Token {
    return this.#store({ text: this.#newText(appKey, at), appKey, kind: 'third-party', expiresAt: at + this.#lifeMs })
  }

  /** Ends all living tokens of an app, or of every app. */
  expire(appKey: string | undefined, at: number): void {
    for (const token of this.#tokens.values()) {
      if (appKey === undefined || token.appKey === appKey) this.#store({ ...token, expiresAt: Math.min(token.expiresAt, at) })
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
