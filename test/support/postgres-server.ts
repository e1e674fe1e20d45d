import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/embedded/postgres.ts'

/** A PostgreSQL server of a test's own, which it may stop as a crash would and start again. */
export interface PostgresServer {
  /** Stays the same over restarts. */
  readonly url: string
  /** Ends the server without a word to anybody, as a crash does; the next start recovers from its log. */
  crash(): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

export async function startPostgresServer(): Promise<PostgresServer> {
  const directory = await mkdtemp(join(tmpdir(), 'dingtalk-delivery-postgres-'))
  // As root, PostgreSQL runs as another user.
  await chmod(directory, 0o711)
  const launch = (port?: number): Promise<EmbeddedPostgres> =>
    startEmbeddedPostgres({ directory, port, durable: false, settings: { max_connections: '200' } })
  let server: EmbeddedPostgres | null = await launch()
  const { url } = server
  return {
    url,
    async crash() {
      const [pid] = (await readFile(join(directory, 'cluster', 'postmaster.pid'), 'utf8')).split('\n')
      // Immediate shutdown: every session ends at once and nothing is written.
      process.kill(Number(pid), 'SIGQUIT')
      await server?.exited
      await server?.close()
      server = null
    },
    async start() {
      server ??= await launch(Number(new URL(url).port))
    },
    async stop() {
      await server?.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
