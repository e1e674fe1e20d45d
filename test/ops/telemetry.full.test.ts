import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { createTracker } from '../../src/index.ts'
import { CANARIES } from '../support/canaries.ts'
import { builtFile, startNode } from '../support/process.ts'
import { until } from '../support/wait.ts'
import { backends, makeWorld, preloaded } from '../support/world.ts'

const DAY = { timeScale: 1_440, pollsPerTask: 6 }
const span = z.object({ name: z.string(), attributes: z.record(z.string(), z.unknown()), parent: z.string().nullable() })

test('the command worker has spans where OpenTelemetry is set up by node --import', async () => {
  const [backend = 'postgres'] = backends()
  const directory = await mkdtemp(join(tmpdir(), 'dingtalk-delivery-spans-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const world = await makeWorld(backend, DAY, onTestFinished)
  const file = join(directory, 'spans.jsonl')
  const worker = await world.start({ ...preloaded('otel.mjs'), SPANS: file })
  const sentAt = Date.now()
  const people = [{ userId: 'CANARY-ann', fate: 'delivered', listedAt: sentAt, readAt: null }] as const
  world.server.add({ taskId: '256271667526', agentId: '836390886', sentAt, windowMs: 60_000, people })
  const tracker = createTracker({ databaseUrl: world.sendersUrl })
  await tracker.track({ taskId: '256271667526', sentAt: new Date(sentAt), userIds: ['CANARY-ann'] })
  await tracker.close()
  const names = await until(
    async () => {
      const lines = (await readFile(file, 'utf8')).trim().split('\n')
      const found = new Set(lines.map((line) => span.parse(JSON.parse(line)).name))
      return found.has('process dingtalk-delivery') && found
    },
    { what: 'a poll is in the file', timeoutMs: 60_000 },
  )
  expect([...names]).toEqual(expect.arrayContaining(['dingtalk getsendresult', 'store poll', 'poll', 'process dingtalk-delivery']))
  const text = await readFile(file, 'utf8')
  for (const secret of [CANARIES.appSecret, CANARIES.databasePassword, CANARIES.redisPassword, 'CANARY-ann'])
    expect(text).not.toContain(secret)
  worker.kill('SIGTERM')
  expect((await worker.exit).code).toBe(0)
})

test('a sender without a provider does not load @opentelemetry/api', async () => {
  const entry = fileURLToPath(new URL('./loaded-packages.mjs', import.meta.url))
  const child = startNode(entry, { args: [builtFile('index.js')] })
  expect(await child.exit).toEqual({ code: 0, signal: null })
  const loaded = z.array(z.string()).parse(JSON.parse(child.stdout()))
  expect(loaded.some((path) => path.includes('ioredis'))).toBe(true)
  expect(loaded.filter((path) => path.includes('opentelemetry'))).toEqual([])
})
