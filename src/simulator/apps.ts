import type { AppCredentials } from './settings.ts'

/** The app of a call, and the number of its secret. */
export interface Identity {
  readonly appKey: string
  readonly secret: number
}

interface KnownApp {
  readonly credentials: AppCredentials
  readonly secrets: { readonly text: string; accepted: boolean }[]
  readonly agentIds: Set<string>
}

export type AppBook = ReturnType<typeof createAppBook>

/** The apps with their secrets over time and their agent ids. */
export function createAppBook(given: readonly AppCredentials[]) {
  const apps: ReadonlyMap<string, KnownApp> = new Map(given.map((app) => [app.appKey, knownApp(app)]))
  const secretsOf = (appKey: string | undefined): KnownApp['secrets'] => apps.get(appKey ?? '')?.secrets ?? []

  /** As `authenticate`, also for replaced secrets: a fault may match the worker that still has one. */
  function identify(appKey: string | undefined, secret: string | undefined): Identity | undefined {
    const index = secretsOf(appKey).findIndex(({ text }) => text === secret)
    return appKey === undefined || index < 0 ? undefined : { appKey, secret: index }
  }

  return {
    identify,
    find: (appKey: string | undefined): AppCredentials | undefined => apps.get(appKey ?? '')?.credentials,

    /** Undefined for an unknown app, and for a secret that is wrong or was replaced. */
    authenticate(appKey: string | undefined, secret: string | undefined): Identity | undefined {
      const identity = identify(appKey, secret)
      return identity !== undefined && secretsOf(appKey)[identity.secret]?.accepted === true ? identity : undefined
    },

    /** From now on `secret` is the only one that is accepted. One that the app had before keeps its number. @returns the number */
    rotateSecret(appKey: string, secret: string): number {
      const secrets = secretsOf(appKey)
      for (const known of secrets) known.accepted = known.text === secret
      const index = secrets.findIndex(({ text }) => text === secret)
      return index < 0 ? secrets.push({ text: secret, accepted: true }) - 1 : index
    },

    addAgentId: (appKey: string, agentId: string): void => void apps.get(appKey)?.agentIds.add(agentId),

    /** Which app has the agent id, as seen by an app: itself, another one, or none. */
    ownerOfAgent(agentId: string, appKey: string): 'own' | 'other' | 'none' {
      if (apps.get(appKey)?.agentIds.has(agentId) === true) return 'own'
      return [...apps.values()].some(({ agentIds }) => agentIds.has(agentId)) ? 'other' : 'none'
    },
  }
}

function knownApp(credentials: AppCredentials): KnownApp {
  const { appSecret, otherSecrets = [], agentId, otherAgentIds = [] } = credentials
  return {
    credentials,
    secrets: [appSecret, ...otherSecrets].map((text) => ({ text, accepted: true })),
    agentIds: new Set([agentId, ...otherAgentIds]),
  }
}
