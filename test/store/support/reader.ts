import { parseAnswer } from '../../../src/domain/answer.ts'
import type { TaskKey } from '../../../src/domain/delivery.ts'
import { type Answer, QUERY_WINDOW_MS, type StateKind } from '../../../src/domain/delivery.ts'
import { planExpiry, planPoll } from '../../../src/domain/plan.ts'
import type { Page, PageFilter, RateReader } from '../../../src/report/rates.ts'
import { openDatabase } from '../../../src/store/prisma.ts'
import { createRateReader } from '../../../src/store/rate-reader.ts'
import { urlAs } from '../../support/roles.ts'
import { openTestStore, type TestStore } from './database.ts'
import { loaded, TIMING } from './polls.ts'

export interface TestReader extends TestStore {
  readonly rates: RateReader
}

/** The reader has the rights of `delivery_read` alone. */
export async function openTestReader(): Promise<TestReader> {
  const store = await openTestStore()
  const reading = openDatabase(urlAs('read', store.url))
  const close = async (): Promise<void> => {
    await reading.close()
    await store.close()
  }
  return { ...store, rates: createRateReader(reading), close }
}

/** A poll whose request and answer were at these moments. */
export async function lookBetween(db: TestStore, key: TaskKey, body: unknown, requestedAt: Date, respondedAt: Date): Promise<void> {
  await apply(db, key, parseAnswer(body, { requestedAt, respondedAt }), respondedAt)
}

/** A poll that no answer came to. */
export async function lookInVain(db: TestStore, key: TaskKey, requestedAt: Date): Promise<void> {
  const answer = { kind: 'refused', requestedAt, respondedAt: null, code: 'TIMEOUT', message: 'no answer', requestId: null } as const
  await apply(db, key, answer, requestedAt)
}

async function apply(db: TestStore, key: TaskKey, answer: Answer, now: Date): Promise<void> {
  const stored = await db.store.apply(planPoll(await loaded(db.store, key), answer, 1, now, TIMING))
  if (stored !== 'stored') throw new Error(`the poll was ${stored}`)
}

export async function expire(db: TestStore, key: TaskKey): Promise<void> {
  const task = await loaded(db.store, key)
  await db.store.end(key, { pollNo: task.pollNo }, planExpiry(task, TIMING))
}

/** Columns as only time or a worker would change them. */
export async function set(db: TestStore, { app, taskId }: TaskKey, columns: Readonly<Record<string, unknown>>): Promise<void> {
  const assignments = Object.keys(columns).map((name, i) => `${name} = $${i + 3}`)
  await db.pool.query(`UPDATE delivery_task SET ${assignments.join(', ')} WHERE app = $1 AND task_id = $2`, [
    app,
    taskId,
    ...Object.values(columns),
  ])
}

/** As a worker with this `TIME_SCALE` schedules it: its day is as much shorter. */
export const scaledDeadline = (sentAt: Date, timeScale: number): Date => new Date(sentAt.getTime() + QUERY_WINDOW_MS / timeScale)

/** Every page from the first to the last. */
export async function pagesOf<Item>(page: (filter: PageFilter) => Promise<Page<Item>>, limit: number): Promise<Item[][]> {
  const pages: Item[][] = []
  let cursor: string | null | undefined
  while (cursor !== null) {
    const next: Page<Item> = await page({ limit, cursor })
    pages.push([...next.items])
    cursor = next.nextCursor
  }
  return pages
}

export const states = (people: ReadonlyArray<{ readonly userId: string; readonly state: StateKind }>): string[] =>
  people.map(({ userId, state }) => `${userId} ${state}`)
