import type { PoolConfig } from 'pg'

/** The settings of a connection to the server that `url` names. Every client and pool of this program is opened with them. */
export function clientConfig(url: string) {
  return { connectionString: url } satisfies PoolConfig
}
