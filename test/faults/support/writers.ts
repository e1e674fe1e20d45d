import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { z } from 'zod'
import { startNode } from '../../support/process.ts'
import { until } from '../../support/wait.ts'

const ROUNDS = 8

const report = z.object({ tasks: z.number(), stored: z.number(), errors: z.array(z.string()) })

/** Two processes with all writers, on the same tasks. */
export async function writeAtOnce(
  url: string,
  env: Readonly<Record<string, string>> = {},
): Promise<{ polls: number; tasks: number; errors: readonly string[]; deadlocks: number }> {
  const script = fileURLToPath(new URL('./writers.mjs', import.meta.url))
  const writers = [1, 2].map(() => startNode(script, { args: [url, String(ROUNDS)], env }))
  const reports = await Promise.all(
    writers.map(async (writer) => {
      const { code } = await writer.exit
      if (code !== 0) throw new Error(writer.stderr())
      return report.parse(JSON.parse(writer.stdout()))
    }),
  )
  return {
    polls: reports.reduce((sum, { stored }) => sum + stored, 0),
    tasks: Math.max(...reports.map(({ tasks }) => tasks)),
    errors: reports.flatMap(({ errors }) => errors),
    ...(await withClient(url, async (client) => ({ deadlocks: await deadlocksIn(client) }))),
  }
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/**
 * The server counts them also where a statement was repeated and nobody heard of it. A session reports what it counted when it ends, which is
 * a moment after its client has gone.
 */
async function deadlocksIn(client: pg.Client): Promise<number> {
  const others = 'SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()'
  await until(async () => (await client.query(others)).rowCount === 0, { what: 'the sessions of the writers have ended' })
  const { rows } = await client.query<{ deadlocks: number }>(
    'SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()',
  )
  return rows[0]?.deadlocks ?? -1
}
