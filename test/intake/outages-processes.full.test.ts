import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { migrateQueueSchema } from '../../src/queue/schema.ts'
import { builtFile, runCli, startNode } from '../support/process.ts'
import { redisAvailable } from '../support/redis-server.ts'
import { until } from '../support/wait.ts'
import { aDatabase, aRedis, aSession, proxied, taskRows } from './support.ts'

const LEAVER = fileURLToPath(new URL('./leaver.mjs', import.meta.url))
/** Two seconds, and a process that starts on a busy machine. */
const A_FEW_SECONDS_MS = 15_000
/** What a busy machine may take to end a process that has nothing left to do. */
const AT_ONCE_MS = 3_000

test('senders that are closed in an outage close in two seconds, and nothing of them keeps their process', async () => {
  const databaseUrl = await aDatabase()
  await migrateQueueSchema(databaseUrl)
  const servers = [
    ['databaseUrl', databaseUrl],
    ['queueUrl', databaseUrl],
    ...(redisAvailable() ? [['queueUrl', (await aRedis()).url]] : []),
  ] as const
  const caught = []
  for (const [option, serverUrl] of servers)
    for (const mode of ['blackhole', 'halfOpen', 'reset'] as const) caught.push({ option, mode, ...(await proxied(serverUrl ?? '')) })
  const options = caught.map(({ option, url }) => ({ [option ?? '']: url }))
  const child = startNode(LEAVER, { args: [builtFile('index.js'), JSON.stringify(options)] })
  await child.waitForLine(/^warm$/)
  await Promise.all(caught.map(({ proxy, mode }) => proxy.mode(mode)))
  await child.waitForLine(/^left$/)
  const left = performance.now()
  expect(await child.exit).toEqual({ code: 0, signal: null })
  expect(performance.now() - left).toBeLessThan(AT_ONCE_MS)
  expect(child.stderr()).toBe('')
  const closed = [...child.stdout().matchAll(/^(\w+_UNAVAILABLE) (\d+)$/gm)]
  expect(closed).toHaveLength(caught.length)
  for (const [line, , ms] of closed) expect(Number(ms), line).toBeLessThan(2_000)
})

test('the command says within a few seconds that it was refused, and what to do', async () => {
  const { url, proxy } = await proxied(await aDatabase())
  const withPassword = new URL(url)
  withPassword.password = 'hunter2'
  const run = async (env: Readonly<Record<string, string>>) => {
    const began = performance.now()
    const ran = await runCli(['track', '256271667526'], { env })
    expect(performance.now() - began).toBeLessThan(A_FEW_SECONDS_MS)
    expect(ran.stderr).not.toContain('hunter2')
    return ran
  }
  const refused = (message: RegExp) => ({ code: 1, stdout: '', stderr: expect.stringMatching(message) })
  await until(
    async () => {
      const ran = await run({ DATABASE_URL: withPassword.href })
      expect(ran).toMatchObject(refused(/^error: .*[Cc]heck user and password in DATABASE_URL.*\n$/))
      return true
    },
    { what: 'the password is said to be wrong' },
  )
  await proxy.mode('blackhole')
  const [database, queue] = await Promise.all([
    run({ DATABASE_URL: url }),
    run({ QUEUE_URL: url.replace(/^.*@/, 'redis://').replace(/\/[^/]*$/, '') }),
  ])
  expect(database).toMatchObject(refused(/^error: The database did not take the task .*Check DATABASE_URL and the server\.\n$/))
  expect(queue).toMatchObject(refused(/^error: The queue did not do its part .*Check QUEUE_URL and the server; .*\n$/))
  await proxy.mode('pass')
  await until(async () => (await run({ DATABASE_URL: url })).code === 0, { what: 'the task is taken' })
  expect(await taskRows(await aSession(url))).toHaveLength(1)
})
