import { describe, expect, onTestFinished, test } from 'vitest'
import type { TrackInput } from '../../src/index.ts'
import { openQueue } from '../../src/queue/connection.ts'
import { migrateQueueSchema } from '../../src/queue/schema.ts'
import { startPollWorker } from '../../src/queue/worker.ts'
import { until } from '../support/wait.ts'
import { MISTAKES, type Mistake } from './mistakes.ts'
import { aDatabase, aSession, aTracker, type Sql, taskRows } from './support.ts'

interface Told {
  readonly code?: string
  readonly field?: string
  readonly message: string
}

/** Minutes until a far date differ by the moment at which each door was asked. */
const sameMoment = (message: string): string => message.replace(/is \d+ minutes in the future/, 'is N minutes in the future')

function toldOf(error: unknown): Told {
  if (!(error instanceof Error)) throw new Error(`no error, but ${String(error)}`)
  return {
    message: sameMoment(error.message),
    ...('code' in error && { code: String(error.code) }),
    ...('field' in error && { field: String(error.field) }),
  }
}

async function askLibrary(mistake: Mistake): Promise<Told> {
  // A caller without types can say anything.
  const input = mistake.input as unknown as TrackInput
  return toldOf(
    await aTracker({ databaseUrl: 'postgres://127.0.0.1:1/never-asked' })
      .track(input)
      .catch((error: unknown) => error),
  )
}

async function askSql(sql: Sql, args: Readonly<Record<string, unknown>>): Promise<Told & { readonly detail: unknown }> {
  const list = Object.keys(args).map((name, i) => `${name} => $${i + 1}`)
  const error = await sql.query(`SELECT track_delivery(${list.join(', ')})`, Object.values(args)).catch((caught: unknown) => caught)
  return { message: toldOf(error).message, detail: error instanceof Error && 'detail' in error ? error.detail : null }
}

/** The failed jobs' reasons by job id. */
async function askQueue(mistakes: readonly Mistake[]): Promise<Map<string, string>> {
  const url = await aDatabase({ migrated: false })
  await migrateQueueSchema(url)
  const address = { url, name: 'dingtalk-delivery', prefix: 'bull' }
  const queue = openQueue(address, 'producer', () => undefined)
  onTestFinished(() => queue.close())
  for (const mistake of mistakes) await queue.it.add('track', mistake.input, { jobId: mistake.name })
  const touched: unknown[] = []
  const worker = startPollWorker({
    address,
    concurrency: 10,
    lockMs: 5_000,
    poll: async () => ({ kind: 'done' }),
    track: async (request) => void touched.push(request),
    now: () => new Date(),
    events: { lock: () => undefined, failed: () => undefined },
  })
  onTestFinished(() => worker.close())
  const sql = await aSession(url)
  const failed = await until(
    async () => {
      const rows = await sql.query<{ job: Readonly<Record<string, unknown>> }>(
        "SELECT to_jsonb(job) AS job FROM bullmq.job WHERE state::text = 'failed'",
      )
      return rows.length === mistakes.length && rows
    },
    { what: `${mistakes.length} jobs have failed` },
  )
  expect(touched).toEqual([])
  return new Map(failed.map(({ job }) => [String(job['id']), String(job['failed_reason'])]))
}

describe('every mistake is told in the same words at every door', () => {
  test.each(MISTAKES)('$name: library', async (mistake) => {
    const told = await askLibrary(mistake)
    expect(told).toMatchObject({ code: mistake.code, field: mistake.field })
    if (mistake.code === 'INVALID_INPUT') expect(told.message).toContain(mistake.field.replace(/\[.*/, ''))
  })

  test('SQL exceptions', async () => {
    const databaseUrl = await aDatabase()
    const sql = await aSession(databaseUrl)
    for (const mistake of MISTAKES) {
      if (mistake.sql === null) continue
      const { message, detail } = await askSql(sql, mistake.sql)
      expect({ name: mistake.name, message, detail }).toEqual({
        name: mistake.name,
        message: (await askLibrary(mistake)).message,
        detail: mistake.code,
      })
    }
    expect(await taskRows(sql)).toEqual([])
  })

  test('failed jobs', async () => {
    const reasons = await askQueue(MISTAKES)
    for (const mistake of MISTAKES) {
      expect([mistake.name, sameMoment(reasons.get(mistake.name) ?? '')]).toEqual([mistake.name, (await askLibrary(mistake)).message])
    }
  })
})
