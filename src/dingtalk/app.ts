import type { Region } from './hosts.ts'

/** One DingTalk application in one organisation. Ids are text: digits are kept exactly as given. */
export interface DingTalkApp {
  readonly name: string
  /** For tasks without an agent id. */
  readonly agentId: string | null
  /** Base URLs as `checkBaseUrl` accepts them. */
  readonly oapiUrl: string
  readonly apiUrl: string
  readonly credentials: Credentials
  /** The region whose hosts are used although neither it nor they were given. Left out where they were. */
  readonly assumedRegion?: Region | undefined
}

/** How the app gets its access token. */
export type Credentials = InternalCredentials | ThirdPartyCredentials | FixedToken | TokenFunction

export interface InternalCredentials {
  readonly kind: 'internal'
  readonly appKey: string
  readonly appSecret: string
  /** `new`: `POST {api}/v1.0/oauth2/accessToken`. `old`: `GET {oapi}/gettoken`, which has the secret in its query and so in the logs of proxies. */
  readonly endpoint: 'new' | 'old'
}

export interface ThirdPartyCredentials {
  readonly kind: 'thirdParty'
  readonly suiteKey: string
  readonly suiteSecret: string
  readonly authCorpId: string
  /** DingTalk pushes a new ticket about every 5 hours: give a function that returns the latest one. A text is for tests. */
  readonly suiteTicket: string | (() => string | Promise<string>)
}

/** A token that does not change. When DingTalk refuses it, the app cannot be polled. */
export interface FixedToken {
  readonly kind: 'fixed'
  readonly accessToken: string
}

export interface TokenFunction {
  readonly kind: 'function'
  /**
   * Returns a token that is valid now. Called again before the token expires and when DingTalk refuses it.
   * A text alone is used for a minute; with `expiresInSeconds` a token is used until shortly before its end.
   * @param app the app's name
   * @param signal aborted after `http.deadlineMs`, or when the client is closed
   */
  readonly getToken: (app: string, signal: AbortSignal) => Promise<string | { readonly token: string; readonly expiresInSeconds: number }>
}
