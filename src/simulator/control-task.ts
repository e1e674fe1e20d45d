import { z } from 'zod'
import { InvalidInputError } from '../domain/errors.ts'
import { appFor } from './control-app.ts'
import { drawReadingMs, FATES, FORBIDDEN_LISTS, type Person } from './fate.ts'
import { agentIdText, parseInput, type Settings, taskIdText } from './settings.ts'
import type { SimulatedTask } from './task.ts'
import type { World } from './world.ts'

const digits = z.union([z.string(), z.int().transform(String)], { error: 'expected decimal digits, as text or as a number' })
const afterMs = z
  .number()
  .min(0)
  .max(400 * 24 * 3_600_000)

const RECIPIENT = z.strictObject({
  userId: z.string().min(1),
  fate: z.enum(FATES).default('read'),
  /** Simulated ms from the send until a list names the person. */
  processedAfterMs: afterMs.default(0),
  /** Simulated ms from the send until the person reads; left out with the fate `read`, it is drawn. */
  readAfterMs: afterMs.optional(),
  forbidden: z
    .strictObject({
      code: z.string().min(1).default('143105'),
      count: z.int().min(0).default(500),
      listedIn: z.enum(FORBIDDEN_LISTS).default('both'),
    })
    .optional(),
})

const TASK_FIELDS = z.strictObject({
  taskId: digits.pipe(taskIdText).optional(),
  appKey: z.string().min(1).optional(),
  agentId: digits.pipe(agentIdText).optional(),
  /** ISO 8601 or epoch ms. */
  sentAt: z.union([z.iso.datetime({ offset: true }), z.number()], { error: 'expected an ISO 8601 time or epoch ms' }).optional(),
  /** Hours of the simulated day before now, instead of `sentAt`. Negative: in the future. */
  sentHoursAgo: z.number().min(-10_000).max(10_000).optional(),
  recipients: z.array(RECIPIENT).min(1).max(10_000).readonly(),
})

const TASK = TASK_FIELDS.refine(({ sentAt, sentHoursAgo }) => sentAt === undefined || sentHoursAgo === undefined, {
  path: ['sentHoursAgo'],
  error: 'expected sentAt or sentHoursAgo, not both',
})

/** A task as a test writes it, person by person; what is left out has a default. */
export type TaskInput = z.input<typeof TASK>
type RecipientDraft = z.output<typeof RECIPIENT>

const HOUR_MS = 3_600_000

const REMEDY = 'docs/simulator.md shows a task'

/** @throws {InvalidInputError} that names the field, the value and the remedy */
export function createTask(world: World, input: unknown, at: number): SimulatedTask {
  const draft = parseInput(TASK, input, REMEDY)
  const { settings } = world
  const app = appFor(world, draft.appKey)
  const taskId = draft.taskId ?? world.nextTaskId()
  if (world.task(taskId) !== undefined)
    throw new InvalidInputError('taskId', `taskId: there is a task ${taskId} already; take another id, or leave taskId out`)
  const sentAt = sentAtOf(draft, settings.timeScale, at)
  const people = draft.recipients.map((recipient, index) => person(recipient, index, taskId, sentAt, settings))
  return world.addTask(taskId, { appKey: app.appKey, agentId: draft.agentId ?? app.agentId, sentAt, people })
}

function sentAtOf({ sentAt, sentHoursAgo = 0 }: z.output<typeof TASK>, timeScale: number, at: number): number {
  return sentAt === undefined ? at - (sentHoursAgo * HOUR_MS) / timeScale : new Date(sentAt).getTime()
}

function person(recipient: RecipientDraft, index: number, taskId: string, sentAt: number, settings: Settings): Person {
  const { userId, fate, processedAfterMs, readAfterMs } = recipient
  const { seed, timeScale, laws } = settings
  if (readAfterMs !== undefined && (fate !== 'read' || readAfterMs < processedAfterMs)) throw contradiction(recipient, index)
  const drawn = () => processedAfterMs + drawReadingMs({ seed, taskId, userId, sentAt, timeScale, laws })
  const processedAt = fate === 'pending' ? Infinity : sentAt + processedAfterMs / timeScale
  const readAt = fate === 'read' ? sentAt + (readAfterMs ?? drawn()) / timeScale : Infinity
  const times = { userId, fate, processedAt: Math.round(processedAt), readAt: Math.round(readAt) }
  return fate === 'forbidden' ? { ...times, forbidden: recipient.forbidden ?? { code: '143105', count: 500, listedIn: 'both' } } : times
}

function contradiction({ fate, readAfterMs, processedAfterMs }: RecipientDraft, index: number): InvalidInputError {
  const field = `recipients.${index}.readAfterMs`
  const rule =
    fate === 'read' ? `must not be before processedAfterMs (${processedAfterMs})` : `is for the fate read only, and this one is ${fate}`
  return new InvalidInputError(field, `${field}: ${readAfterMs} ${rule}; ${REMEDY}`)
}
