import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, ownDirectory, postmasterOf, startPostgres } from './database.mjs'
import { startChild } from './process.mjs'
import { startRedis } from './redis.mjs'

/** @typedef {import('./bench.mjs').Closers} Closers */
/** @typedef {Awaited<ReturnType<typeof startServers>>} Servers */

const AGENT_ID = '836390886'

/**
 * PostgreSQL, durable as in production, or the one of DATABASE_URL; Redis; and a DingTalk that answers at once. All on this machine.
 * @param {Closers} closers
 * @param {Record<string, string>} settings of a PostgreSQL that is started
 */
export async function startServers(closers, settings = {}) {
  const server = process.env.DATABASE_URL ?? (await startPostgres(closers, settings))
  const client = await connect(closers, server)
  const postgresPid = await postmasterOf(client)
  return { server, client, postgresPid, redis: await startRedis(closers), dingtalk: await startDingTalk(closers) }
}

async function startDingTalk(closers) {
  const { pid, ready, ask } = await startChild(closers, join(import.meta.dirname, 'dingtalk.mjs'))
  return {
    url: ready.url,
    pid,
    /** How many polls came. */
    polls: async () => (await ask({})).polls,
    /** @param {number} readShare of the people of each task, from now on */
    setReadShare: (readShare) => ask({ readShare }),
    /**
     * @param {number} from how many earlier ones are left out
     * @returns {Promise<Array<{ at: number, taskId: number }>>} in their order; `at` as in Date.now()
     */
    async calls(from) {
      const { times, taskIds } = await ask({ from })
      return times.map((at, i) => ({ at, taskId: taskIds[i] }))
    },
  }
}

/**
 * Variables of a worker for these apps.
 * @param {Closers} closers
 * @param {Pick<Servers, 'dingtalk'>} servers
 * @param {ReadonlyArray<{ name: string, maxCallsPerSecond: number }>} apps
 */
export async function appsOfBench(closers, { dingtalk }, apps) {
  const file = join(await ownDirectory(closers), 'apps.json')
  await writeFile(file, JSON.stringify({ apps: apps.map((app) => ({ ...app, accessToken: 'of-the-bench', agentId: AGENT_ID })) }))
  return { DINGTALK_OAPI_URL: dingtalk.url, DINGTALK_API_URL: dingtalk.url, DINGTALK_APPS_FILE: file }
}
