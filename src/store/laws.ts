import type { LearnerStore } from '../polling/ports.ts'
import * as column from './columns.ts'
import { retrying } from './database-errors.ts'
import type { PrismaClient } from './generated/client.ts'
import { withLease } from './lease.ts'
import type { Database } from './prisma.ts'
import { readLaw, readObservedTasks } from './reading/laws.ts'
import { createSource } from './reading/source.ts'
import { APPS_WITH_TASKS } from './reading/tasks.ts'

export interface LawOptions {
  /** How long a worker that died while it learned keeps the others out. Default: 30,000 ms. */
  readonly leaseMs?: number
  /** A stored law cannot be read: another version wrote it. */
  readonly onUnreadable?: (app: string, version: number) => void
}

/** The learned laws in PostgreSQL. */
export function createLaws(
  { prisma }: Pick<Database, 'prisma'>,
  { leaseMs = 30_000, onUnreadable = () => undefined }: LawOptions = {},
): LearnerStore {
  const source = createSource(prisma)
  return {
    async latest(app) {
      const stored = await readLaw(source, app)
      if (stored === null) return null
      const { law, ...learned } = stored
      if (law !== null) return { ...learned, law }
      onUnreadable(app, learned.version)
      return null
    },
    exclusively: (work) => withLease({ prisma }, { name: 'learn', leaseMs }, work),
    apps: () => readEndings(prisma),
    now: () => readTime(prisma),
    observedTasks: (of, limit) => readObservedTasks(source, of, limit),
    async add(app, law) {
      const version = await insertLaw(prisma, app, law)
      await removeOldLaws(prisma, app)
      return version
    },
  }
}

const ENDING = { app: column.text('app'), lastEndedAt: column.nullable(column.time('last_ended_at')) }

/**
 * A task is ended by a worker, so none ends while no worker learns; two days are read, through the indexes on the end.
 * Raw: the apps are found by leaps over an index.
 */
async function readEndings(prisma: PrismaClient): Promise<Array<column.Decoded<typeof ENDING>>> {
  const rows = await retrying(
    () => prisma.$queryRaw<column.Row[]>`/* endings */
WITH RECURSIVE ${APPS_WITH_TASKS}, ended AS (
  SELECT app, max(finished_at) AS at FROM (
    SELECT app, finished_at FROM delivery_task WHERE finished_at > now() - interval '2 days' AND names_removed_at IS NULL
    UNION ALL
    SELECT app, finished_at FROM delivery_task WHERE finished_at > now() - interval '2 days' AND names_removed_at IS NOT NULL
  ) AS task GROUP BY app
)
SELECT ${column.selectList(ENDING)} FROM (
  SELECT apps.app, ended.at AS last_ended_at FROM apps LEFT JOIN ended USING (app)
) AS ending ORDER BY app`,
  )
  return rows.map((row) => column.decodeRow(ENDING, row))
}

const NOW = { now: column.time('now') }

async function readTime(prisma: PrismaClient): Promise<Date> {
  const [row = {}] = await retrying(
    () => prisma.$queryRaw<column.Row[]>`SELECT ${column.selectList(NOW)} FROM (SELECT clock_timestamp() AS now) AS clock`,
  )
  return column.decodeRow(NOW, row).now
}

/** Repeating it stores the law twice, which is harmless: the older one is removed. */
async function insertLaw(prisma: PrismaClient, app: string, law: Parameters<LearnerStore['add']>[1]): Promise<number> {
  const { learnedAt, lastSentAt, tasks, people } = law
  const { id } = await retrying(() =>
    prisma.law.create({ data: { app, law: toJson(law.law), tasks, people, lastSentAt, learnedAt }, select: { id: true } }),
  )
  return Number(id)
}

function toJson({ attention, hazard }: Parameters<LearnerStore['add']>[1]['law']) {
  return {
    attention: { work: [...attention.work], free: [...attention.free] },
    hazard: { edges: [...hazard.edges], values: [...hazard.values] },
  }
}

/** Raw: the versions that open tasks name are in the JSON of their plans. The open tasks of the app are found by the index on the next poll. */
async function removeOldLaws(prisma: PrismaClient, app: string): Promise<void> {
  await retrying(
    () => prisma.$executeRaw`/* remove_old_laws */
DELETE FROM delivery_law WHERE app = ${app}::text
  AND id < (SELECT max(id) FROM delivery_law WHERE app = ${app}::text)
  AND id::text NOT IN (
    SELECT plan ->> 'law' FROM delivery_task WHERE app = ${app}::text AND status = 'tracking' AND plan ->> 'law' IS NOT NULL
  )`,
  )
}
