/** One DingTalk application in one organisation, as this adapter needs it. Ids are text: digits are kept exactly as given. */
export interface DingTalkApp {
  readonly name: string
  /** For tasks that do not bring their own. */
  readonly agentId: string | null
  /** Base URLs as `checkBaseUrl` accepts them. */
  readonly oapiUrl: string
  readonly apiUrl: string
  readonly credentials: Credentials
}

/** How the app comes by its access token. */
export type Credentials = InternalCredentials | ThirdPartyCredentials | FixedToken | TokenFunction

export interface InternalCredentials {
  readonly kind: 'internal'
  readonly appKey: string
  readonly appSecret: string
  /** `new`: `POST {api}/v1.0/oauth2/accessToken`. `old`: `GET {oapi}/gettoken`, which needs the secret in its query and so in the logs of proxies. */
  readonly endpoint: 'new' | 'old'
}

export interface ThirdPartyCredentials {
  readonly kind: 'thirdParty'
  readonly suiteKey: string
  readonly suiteSecret: string
  readonly authCorpId: string
  /** DingTalk pushes a new ticket about every 5 hours, so a function that gives the latest is the rule and a text the exception. */
  readonly suiteTicket: string | (() => string | Promise<string>)
}

/** A token that somebody else keeps fresh. There is nothing to fetch when DingTalk refuses it. */
export interface FixedToken {
  readonly kind: 'fixed'
  readonly accessToken: string
}

export interface TokenFunction {
  readonly kind: 'function'
  /**
   * Gives a token that works now. Called again before the token expires and when DingTalk refuses it.
   * A text alone says nothing of its age, so it is used for a minute; with `expiresInSeconds` it is used until shortly before.
   * @param app the app's name
   * @param signal aborted when the time for an answer is over (`http.deadlineMs`) or the client is closed
   */
  readonly getToken: (app: string, signal: AbortSignal) => Promise<string | { readonly token: string; readonly expiresInSeconds: number }>
}
