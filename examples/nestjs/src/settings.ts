export interface Settings {
  readonly databaseUrl: string
  readonly oapiUrl: string
  readonly apiUrl: string
  readonly appKey: string
  readonly appSecret: string
  readonly agentId: string
  /** 1 but for a simulated day. */
  readonly timeScale: number
}

export function settingsFrom(env: Readonly<Record<string, string | undefined>>): Settings {
  const required = (name: string): string => {
    const value = env[name]
    if (value === undefined || value === '') throw new Error(`${name} is not set`)
    return value
  }
  return {
    databaseUrl: required('DATABASE_URL'),
    oapiUrl: env['DINGTALK_OAPI_URL'] ?? 'https://oapi.dingtalk.com',
    apiUrl: env['DINGTALK_API_URL'] ?? 'https://api.dingtalk.com',
    appKey: required('DINGTALK_APP_KEY'),
    appSecret: required('DINGTALK_APP_SECRET'),
    agentId: required('DINGTALK_AGENT_ID'),
    timeScale: Number(env['TIME_SCALE'] ?? 1),
  }
}
