import { z } from 'zod'
import { QUERY_WINDOW_MS } from '../../domain/delivery.ts'
import type { Law, ObservedTask } from '../../domain/schedule/types.ts'
import type { LearnedLaw, TasksOf } from '../../polling/ports.ts'
import * as column from '../columns.ts'
import { Prisma } from '../generated/client.ts'
import type { Source } from './source.ts'

/** A number of hours of the day. */
const HOURS = 24
const amount = z.number().min(0)
const hours = z.array(amount).length(HOURS)
const isAscending = (numbers: readonly number[]): boolean => numbers.every((number, i) => i === 0 || number > (numbers[i - 1] ?? 0))
const isNotFalling = (numbers: readonly number[]): boolean => numbers.every((number, i) => i === 0 || number >= (numbers[i - 1] ?? 0))

const LAW: z.ZodType<Law> = z.object({
  attention: z.object({ work: hours, free: hours }),
  hazard: z
    .object({ edges: z.array(amount).min(2).refine(isAscending), values: z.array(amount).refine(isNotFalling) })
    .refine(({ edges, values }) => edges[0] === 0 && values[0] === 0 && edges.length === values.length),
})

/** @returns null where it is no law as this version writes it: another version may write others */
function parseLaw(value: unknown): Law | null {
  const parsed = LAW.safeParse(value)
  return parsed.success ? parsed.data : null
}

const LEARNED = {
  version: column.bigint('version'),
  law: column.json('law', parseLaw),
  tasks: column.integer('tasks'),
  people: column.integer('people'),
  lastSentAt: column.nullable(column.time('last_sent_at')),
  learnedAt: column.time('learned_at'),
}

/** A stored law. */
export type StoredLaw = Omit<LearnedLaw, 'law'> & {
  /** Null: another version wrote it, and this one cannot read it. */
  readonly law: Law | null
}

/** The newest law of an app, or one of its versions. Null: there is none. */
export async function readLaw(source: Source, app: string, version?: number): Promise<StoredLaw | null> {
  const wanted = version === undefined ? Prisma.empty : Prisma.sql`AND version = ${version}::bigint`
  const [row] = await source(Prisma.sql`/* law */
SELECT ${column.selectList(LEARNED)} FROM delivery_laws WHERE app = ${app}::text ${wanted} ORDER BY version DESC LIMIT 1`)
  return row === undefined ? null : column.decodeRow(LEARNED, row)
}

/** Older tasks say little of how people read now. It also bounds the search for tasks of an app that sends few. */
const NEWEST = Prisma.raw("sent_at > now() - interval '366 days'")

const OBSERVED = {
  plannedPolls: column.nullable(column.integer('planned_polls')),
  sentAt: column.time('sent_at'),
  people: column.integer('people'),
  offsets: column.integers('offsets'),
  reads: column.integers('reads'),
}

/** An ended task as the learner sees it, and how many polls it was to have. */
export interface StoredTask extends ObservedTask {
  /** Null: an earlier version planned it. */
  readonly plannedPolls: number | null
}

/**
 * The newest ended tasks with a known send time, delivered recipients and a successful poll; oldest first. Offsets are milliseconds of the 24-hour
 * window, whatever time scale the task had. No row of a person is read.
 * @param limit of tasks
 */
export async function readObservedTasks(source: Source, { app }: TasksOf, limit: number): Promise<StoredTask[]> {
  const whose = app === undefined ? Prisma.sql`true` : Prisma.sql`app = ${app}::text`
  const rows = await source(Prisma.sql`/* observed_tasks */
SELECT ${column.selectList(OBSERVED)}
FROM (
  SELECT app, task_id, sent_at, deadline_at, delivered AS people, cardinality(poll_offsets) AS planned_polls
  FROM delivery_task_rates
  WHERE ${whose} AND ${NEWEST} AND status <> 'tracking' AND sent_at_given AND good_polls > 0 AND read + unread > 0 AND deadline_at > sent_at
  ORDER BY sent_at DESC, app DESC, task_id DESC LIMIT ${limit}::integer
) AS task
CROSS JOIN LATERAL (
  SELECT
    array_agg((extract(epoch FROM poll.requested_at - task.sent_at) / extract(epoch FROM task.deadline_at - task.sent_at) * ${QUERY_WINDOW_MS}::double precision)::integer ORDER BY poll.poll_no) AS offsets,
    array_agg(poll.read ORDER BY poll.poll_no) AS reads
  FROM delivery_poll_history AS poll
  WHERE poll.app = task.app AND poll.task_id = task.task_id AND poll.read IS NOT NULL
    AND poll.requested_at > task.sent_at AND poll.requested_at <= task.deadline_at + interval '1 hour'
) AS observed
WHERE offsets IS NOT NULL
ORDER BY sent_at, app, task_id`)
  return rows.map((row) => {
    const { offsets, reads, ...task } = column.decodeRow(OBSERVED, row)
    let most = 0
    // A recipient who was erased is not listed any more, so a count may fall.
    const polls = offsets.map((offsetMs, i) => {
      const newReads = Math.max(0, (reads[i] ?? 0) - most)
      most += newReads
      return { offsetMs, newReads }
    })
    return { ...task, polls }
  })
}

const LATELY = { people: column.nullable(column.integer('people')), price: column.nullable(column.double('price')) }

/** Of so many tasks the median is taken. */
const RECENT_TASKS = 100

/**
 * The median of the recipients of an app's latest tasks, and the price of a call when the latest of them was planned. Null: there is no task, or none
 * was planned with a price.
 */
export async function readRecentPlans(source: Source, app: string): Promise<column.Decoded<typeof LATELY>> {
  const [row = {}] = await source(Prisma.sql`/* recent_plans */
SELECT
  percentile_disc(0.5) WITHIN GROUP (ORDER BY nullif(targeted, 0)) AS people,
  ((array_agg(price ORDER BY sent_at DESC) FILTER (WHERE price IS NOT NULL))[1])::double precision AS price
FROM (
  SELECT targeted, sent_at, CASE jsonb_typeof(plan -> 'price') WHEN 'number' THEN plan ->> 'price' END AS price
  FROM delivery_task_rates WHERE app = ${app}::text AND ${NEWEST}
  ORDER BY sent_at DESC, app DESC, task_id DESC LIMIT ${RECENT_TASKS}::integer
) AS task`)
  return column.decodeRow(LATELY, { people: row['people'] ?? null, price: row['price'] ?? null })
}
