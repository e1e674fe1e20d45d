import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { builtFile, type Exit, startNode } from '../support/process.ts'
import { describeRedis } from '../support/redis.ts'
import { aDatabase, aRedis, proxied } from './support.ts'

const SENDER = fileURLToPath(new URL('./sender.mjs', import.meta.url))
const READER = fileURLToPath(new URL('./reader.mjs', import.meta.url))

interface Ran extends Exit {
  readonly said: readonly string[]
  readonly stderr: string
  /** Every package and every file of ours that was loaded: V8 lists them for its coverage, whoever loaded them and how. */
  readonly loaded: ReadonlySet<string>
}

type Options = Readonly<Record<string, string>>

/** Runs the sender's program to its end, with the built package. */
const send = (options?: Options, ...taskIds: string[]): Promise<Ran> => run(SENDER, 'index.js', options, taskIds)

/** Runs a program that asks for the rates of a task. */
const readRates = (options?: Options): Promise<Ran> => run(READER, 'rates.js', options, options === undefined ? [] : ['1'])

async function run(program: string, door: string, options: Options | undefined, taskIds: readonly string[]): Promise<Ran> {
  const directory = await mkdtemp(join(tmpdir(), 'dingtalk-delivery-loaded-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const args = [builtFile(door), ...(options === undefined ? [] : [JSON.stringify(options)]), ...taskIds]
  const child = startNode(program, { args, env: { NODE_V8_COVERAGE: directory } })
  const exit = await child.exit
  return { ...exit, said: child.stdout().trim().split('\n'), stderr: child.stderr(), loaded: await loadedBy(directory) }
}

async function loadedBy(directory: string): Promise<Set<string>> {
  const names = new Set<string>()
  for (const file of await readdir(directory)) {
    const urls = [...(await readFile(join(directory, file), 'utf8')).matchAll(/"url":"(file:[^"]*)"/g)].map((match) => match[1] ?? '')
    for (const url of urls) names.add(nameOf(url))
  }
  return names
}

/** `bullmq`, `@prisma/client` or `dist/domain/errors.js`. */
function nameOf(url: string): string {
  const inside = url.split('/node_modules/').at(-1) ?? ''
  if (!url.includes('/node_modules/')) return url.slice(url.lastIndexOf('/dist/') + 1)
  return inside
    .split('/')
    .slice(0, inside.startsWith('@') ? 2 : 1)
    .join('/')
}

const packagesOf = ({ loaded }: Ran): string[] => [...loaded].filter((name) => !name.startsWith('dist/') && !name.startsWith('file:'))

test('importing the package loads no other package', async () => {
  const sent = await send()
  expect(sent).toMatchObject({ code: 0, stderr: '' })
  expect(sent.loaded).toContain('dist/index.js')
  expect(packagesOf(sent)).toEqual([])
})

test('a tracker with a database loads pg, not BullMQ, Prisma or undici, and lets the process end', async () => {
  const sent = await send({ databaseUrl: await aDatabase() }, '1', '1')
  expect(sent).toMatchObject({ code: 0, stderr: '' })
  expect(sent.said).toEqual([
    '{"app":"default","taskId":"1","duplicate":false,"conflict":[],"updated":[]}',
    '{"app":"default","taskId":"1","duplicate":true,"conflict":[],"updated":[]}',
    'closed',
  ])
  expect(packagesOf(sent)).toContain('pg')
  expect(packagesOf(sent).filter((name) => /^(bullmq|ioredis|undici|prisma|@prisma\/.*)$/.test(name))).toEqual([])
  expect([...sent.loaded].filter((name) => name.includes('generated'))).toEqual([])
})

test('a tracker whose database is away lets the process end', async () => {
  const { url, proxy } = await proxied(await aDatabase())
  await proxy.mode('refuse')
  expect(await send({ databaseUrl: url }, '1')).toMatchObject({ code: 0, stderr: '', said: ['DATABASE_UNAVAILABLE', 'closed'] })
})

test('a tracker whose PostgreSQL queue is away lets the process end', async () => {
  expect(await send({ queueUrl: 'postgres://127.0.0.1:1/queue' }, '1')).toMatchObject({
    code: 0,
    stderr: '',
    said: ['QUEUE_UNAVAILABLE', 'closed'],
  })
})

/** What only those need who send or work. */
const OF_THE_QUEUE_AND_DINGTALK = /^(bullmq|ioredis|undici|msgpackr|fastify|commander)$/

test('importing the door of the rates loads nothing of the queue and of DingTalk', async () => {
  const ran = await readRates()
  expect(ran).toMatchObject({ code: 0, stderr: '' })
  expect(ran.loaded).toContain('dist/rates.js')
  expect(packagesOf(ran).filter((name) => OF_THE_QUEUE_AND_DINGTALK.test(name))).toEqual([])
  expect([...ran.loaded].filter((name) => /^dist\/(queue|service|dingtalk|wiring|cli|http)/.test(name))).toEqual([])
})

test('asking for rates loads Prisma and pg, still nothing of the queue, and lets the process end', async () => {
  const databaseUrl = await aDatabase()
  await send({ databaseUrl }, '1')
  const ran = await readRates({ databaseUrl })
  expect(ran).toMatchObject({ code: 0, stderr: '', said: ['0 targeted', 'closed'] })
  expect(packagesOf(ran)).toEqual(expect.arrayContaining(['pg']))
  expect(packagesOf(ran).filter((name) => OF_THE_QUEUE_AND_DINGTALK.test(name))).toEqual([])
})

test('rates whose database is away let the process end', async () => {
  const { url, proxy } = await proxied(await aDatabase())
  await proxy.mode('refuse')
  expect(await readRates({ databaseUrl: url })).toMatchObject({ code: 0, stderr: '', said: ['DATABASE_UNAVAILABLE', 'closed'] })
})

describeRedis('with a queue on Redis', () => {
  test('a tracker loads BullMQ, not Prisma or undici, and lets the process end', async () => {
    const redis = await aRedis()
    const sent = await send({ queueUrl: redis.url }, '1')
    expect(sent).toMatchObject({
      code: 0,
      stderr: '',
      said: ['{"app":"default","taskId":"1","duplicate":null,"conflict":null,"updated":null}', 'closed'],
    })
    expect(packagesOf(sent)).toContain('bullmq')
    expect(packagesOf(sent).filter((name) => /^(undici|prisma|@prisma\/.*)$/.test(name))).toEqual([])
  })

  test('a tracker whose Redis is away lets the process end', async () => {
    const redis = await aRedis()
    await redis.kill('SIGKILL')
    expect(await send({ queueUrl: redis.url }, '1')).toMatchObject({ code: 0, stderr: '', said: ['QUEUE_UNAVAILABLE', 'closed'] })
  })
})
