import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createTracker } from '../../src/index.ts'
import type { GivenRedis } from '../../src/queue/given-redis.ts'
import { CANARIES } from '../support/canaries.ts'
import { describeOpenSsl, makeCa, type TestCa } from '../support/certificates.ts'
import { builtFile, runCli, startNode } from '../support/process.ts'
import { describeRedis } from '../support/redis.ts'
import { MASTER_NAME, type RedisGroup, startCluster, startSentinels } from '../support/redis-groups.ts'
import type { TlsFiles } from '../support/redis-server.ts'
import { until } from '../support/wait.ts'
import { dayMs, makeWorld, type World } from '../support/world.ts'
import { aWorker } from './support.ts'

const SENDER = fileURLToPath(new URL('../intake/sender.mjs', import.meta.url))
/** The first poll is a quarter of a second after the send. */
const DAY = { timeScale: 720, pollsPerTask: 24 }
const AGENT_ID = '836390886'
const WORKER = { username: 'delivery_worker', password: CANARIES.redisPassword }

/** Certificates of an authority that only `NODE_EXTRA_CA_CERTS` or `tls: { ca }` makes known. */
describeRedis('several servers of Redis over TLS', () => {
  describeOpenSsl('with certificates of a private authority', () => {
    let ca: TestCa
    let files: TlsFiles
    beforeAll(() => {
      ca = makeCa()
      const { cert, key } = ca.issue('DNS:localhost,IP:127.0.0.1')
      const at = (name: string): string => join(ca.directory, name)
      files = { ca: at('ca.pem'), cert: at('server.pem'), key: at('server.key') }
      writeFileSync(files.cert, cert)
      writeFileSync(files.key, key)
    })
    afterAll(() => ca.remove())

    describe.each([
      ['sentinels', startSentinels, sentinelOptions],
      ['a cluster', startCluster, clusterOptions],
    ] as const)('%s', (_, start, optionsOf) => {
      let group: RedisGroup
      beforeAll(async () => {
        group = await start(files)
      }, 60_000)
      afterAll(() => group?.stop())

      test('options of a client with the authority work in a process that does not know it', { timeout: 120_000 }, async () => {
        const queue = optionsOf(group, readFileSync(files.ca, 'utf8'))
        const tracked: string[] = []
        aWorker(
          { url: 'redis://given', given: queue, name: 'dingtalk-delivery', prefix: 'bull' },
          {
            track: async ({ taskId }) => void tracked.push(taskId),
          },
        )
        const tracker = createTracker({ queue })
        onTestFinished(() => tracker.close())
        await until(() => tracker.track({ taskId: '1' }), { what: 'it is tracked' })
        await until(() => tracked.includes('1'), { what: 'the worker has it' })
      })

      test('an authority that is not known is refused to a sender and by doctor, which name the certificate', {
        timeout: 120_000,
      }, async () => {
        const world = await makeWorld('redis', DAY, onTestFinished, { redisGroup: group })
        const tracker = createTracker({ queueUrl: group.url })
        onTestFinished(() => tracker.close())
        await expect(tracker.track({ taskId: '1' })).rejects.toMatchObject({
          code: 'QUEUE_UNAVAILABLE',
          message: expect.stringMatching(/certificate.*NODE_EXTRA_CA_CERTS/),
        })
        const found = await doctor(world, {})
        expect([found?.ok, `${found?.detail} ${found?.remedy}`]).toEqual([false, expect.stringMatching(/certificate.*NODE_EXTRA_CA_CERTS/)])
      })

      test('a sender, a worker and doctor reach them by the address, also after a failover', { timeout: 180_000 }, async () => {
        const known = { NODE_EXTRA_CA_CERTS: files.ca }
        const world = await makeWorld('redis', DAY, onTestFinished, { redisGroup: group, env: known })
        await world.start()
        await isPolled(world, '1', known)
        expect(await doctor(world, known)).toMatchObject({ ok: true, detail: expect.stringMatching(/^Redis \d/) })
        await group.failover()
        await isPolled(world, '2', known)
      })
    })
  })
})

/** A program of its own sends it through the queue, and the worker polls it. */
async function isPolled(world: World, taskId: string, env: Readonly<Record<string, string>>): Promise<void> {
  const people = [{ userId: 'ann', fate: 'delivered' as const, listedAt: 0, readAt: null }]
  world.server.add({ taskId, agentId: AGENT_ID, sentAt: Date.now(), windowMs: dayMs(DAY), people })
  const options = JSON.stringify({ queueUrl: world.queueUrl })
  // A sender has two seconds, which a busy machine may not; tracking again is safe, and the connection is there then.
  const again = Array.from({ length: 10 }, () => taskId)
  await until(
    async () => {
      const sender = startNode(SENDER, { args: [builtFile('index.js'), options, ...again], env, onTestFinished: world.later })
      await sender.exit
      return sender.stdout().includes('"taskId"')
    },
    { what: 'the sender is heard', timeoutMs: 60_000 },
  )
  await until(() => world.server.goodAnswers.some((answer) => answer.taskId === taskId), { what: 'it is polled', timeoutMs: 60_000 })
}

async function doctor({ queueUrl }: World, env: Readonly<Record<string, string>>) {
  const { stdout, stderr } = await runCli(['doctor', '--json'], { env: { QUEUE_URL: queueUrl, ...env } })
  expect(stdout, stderr).not.toBe('')
  return (JSON.parse(stdout) as Array<{ name: string; ok: boolean; detail: string; remedy?: string }>).find(({ name }) => name === 'queue')
}

const portsOf = (url: string): Array<{ host: string; port: number }> =>
  [...url.matchAll(/127\.0\.0\.1:(\d+)/g)].map(([, port]) => ({ host: '127.0.0.1', port: Number(port) }))

function sentinelOptions({ url }: RedisGroup, ca: string): GivenRedis {
  return {
    ...{ sentinels: portsOf(url), name: MASTER_NAME, sentinelPassword: CANARIES.redisPassword, ...WORKER },
    ...{ tls: { ca }, sentinelTLS: { ca }, enableTLSForSentinelMode: true },
  }
}

function clusterOptions({ url }: RedisGroup, ca: string): GivenRedis {
  return { nodes: portsOf(url), redisOptions: { ...WORKER, tls: { ca } } }
}
