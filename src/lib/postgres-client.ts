import pg, { type PoolConfig } from 'pg'

/** Every connection to PostgreSQL is one of these: the pools get the class through {@link clientConfig}. */
export class PostgresClient extends pg.Client {}

/** The settings of a connection to the server that `url` names. Every client and pool of this program is opened with them. */
export function clientConfig(url: string) {
  return { connectionString: url, Client: PostgresClient } satisfies PoolConfig & { readonly Client: typeof pg.Client }
}
