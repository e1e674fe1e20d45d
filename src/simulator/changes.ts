import { z } from 'zod'
import { InvalidInputError } from '../domain/errors.ts'
import { type Draft, drawPerson, drawReadAfterMs, FATES, FORBIDDEN_LISTS, type Person } from './fate.ts'
import { parseInput, readonlyList } from './input.ts'
import type { QuotaState } from './limits.ts'
import { type AppCredentials, agentIdText, digits, HOUR_MS, taskIdText } from './settings.ts'
import type { SimulatedTask } from './task.ts'
import type { World } from './world.ts'

/** Default: the first app. */
const appKey = z.string().min(1).optional()

const ROTATION = z.strictObject({
  appKey,
  /** The new secret. One that the app had before is accepted again. */
  appSecret: z.string().min(1),
  /** True: the tokens of the old secrets live on until their own end. Not documented by DingTalk. */
  keepTokens: z.boolean().default(false),
})

const calls = z.int().min(0).max(1_000_000_000)
const QUOTA = z
  .strictObject({
    appKey,
    /** So many calls are left this month. */
    left: calls.optional(),
    /** So many calls more, this month and later. */
    bought: calls.optional(),
  })
  .refine(({ left, bought }) => (left === undefined) !== (bought === undefined), {
    path: ['left'],
    error: 'expected either left or bought',
  })

export type SecretRotation = z.input<typeof ROTATION>
export type QuotaChange = z.input<typeof QUOTA>

const SEE_FIELDS = 'docs/simulator.md shows the fields'

/** @returns the number of the new secret, for `match.secret`. @throws {InvalidInputError} */
export function rotateSecret(world: World, input: unknown, at: number): { readonly appKey: string; readonly secret: number } {
  const rotation = parseInput(ROTATION, input, SEE_FIELDS)
  const { appKey: key } = appFor(world, rotation.appKey)
  const secret = world.apps.rotateSecret(key, rotation.appSecret)
  if (!rotation.keepTokens) world.tokens.expire(key, at)
  return { appKey: key, secret }
}

/** Of the organisation that the app belongs to. @throws {InvalidInputError} */
export function setQuota(world: World, input: unknown, at: number): QuotaState {
  const { appKey: wanted, left, bought } = parseInput(QUOTA, input, SEE_FIELDS)
  const quota = world.findQuota(appFor(world, wanted).appKey)
  if (left !== undefined) quota.leave(left, at)
  if (bought !== undefined) quota.buy(bought)
  return quota.stateAt(at)
}

/** The app of that key; none given: the first. @throws {InvalidInputError} */
function appFor(world: World, wanted: string | undefined): AppCredentials {
  const key = wanted ?? world.settings.apps[0]?.appKey ?? ''
  const app = world.app(key)
  if (app !== undefined) return app
  throw new InvalidInputError('appKey', `appKey: no app "${key}" here; start the simulator with it in "apps", or leave appKey out`)
}

const id = digits('expected decimal digits, as text or as a number')
const afterMs = z
  .number()
  .min(0)
  .max(400 * 24 * HOUR_MS)

const FORBIDDANCE = z.strictObject({
  code: z.string().min(1).default('143105'),
  count: z.int().min(0).default(500),
  listedIn: z.enum(FORBIDDEN_LISTS).default('both'),
})

const RECIPIENT = z.strictObject({
  userId: z.string().min(1),
  /** `drawn`: fate and times are drawn as those of a send are, and the other fields have no effect. */
  fate: z.enum([...FATES, 'drawn']).default('read'),
  /** Simulated ms from the send until a list names the person. */
  processedAfterMs: afterMs.default(0),
  /** Simulated ms from the send until the person reads; left out with the fate `read`, it is drawn. */
  readAfterMs: afterMs.optional(),
  forbidden: FORBIDDANCE.optional(),
})

const TASK = z
  .strictObject({
    taskId: id.pipe(taskIdText).optional(),
    appKey: z.string().min(1).optional(),
    agentId: id.pipe(agentIdText).optional(),
    /** ISO 8601 or epoch ms. */
    sentAt: z.union([z.iso.datetime({ offset: true }), z.number()], { error: 'expected an ISO 8601 time or epoch ms' }).optional(),
    /** Hours of the simulated day before now, instead of `sentAt`. Negative: in the future. */
    sentHoursAgo: z.number().min(-10_000).max(10_000).optional(),
    /** Under a law of attention the people of one campaign read faster, or slower, together. Default: the task alone. */
    campaign: z.string().min(1).max(500).optional(),
    recipients: readonlyList(z.array(RECIPIENT).min(1).max(10_000)),
  })
  .refine(({ sentAt, sentHoursAgo }) => sentAt === undefined || sentHoursAgo === undefined, {
    path: ['sentHoursAgo'],
    error: 'expected sentAt or sentHoursAgo, not both',
  })

/** A task as a test writes it, person by person; what is left out has a default. */
export type TaskInput = z.input<typeof TASK>
type RecipientDraft = z.output<typeof RECIPIENT>

const SEE_TASK = 'docs/simulator.md shows a task'

/** @throws {InvalidInputError} that names the field, the value and the remedy */
export function createTask(world: World, input: unknown, at: number): SimulatedTask {
  const draft = parseInput(TASK, input, SEE_TASK)
  const { settings } = world
  const app = appFor(world, draft.appKey)
  const taskId = draft.taskId ?? world.nextTaskId()
  if (world.task(taskId) !== undefined)
    throw new InvalidInputError('taskId', `taskId: there is a task ${taskId} already; take another id, or leave taskId out`)
  const sentAt = computeSentAt(draft, settings.timeScale, at)
  const { seed, timeScale, laws } = settings
  const reading = world.readingOf({ taskId, campaign: draft.campaign ?? taskId, sentAt })
  const people = draft.recipients.map((each, index) =>
    person(each, index, { seed, taskId, userId: each.userId, sentAt, timeScale, laws, reading }),
  )
  return world.addTask(taskId, { appKey: app.appKey, agentId: draft.agentId ?? app.agentId, sentAt, people })
}

function computeSentAt({ sentAt, sentHoursAgo = 0 }: z.output<typeof TASK>, timeScale: number, at: number): number {
  return sentAt === undefined ? at - (sentHoursAgo * HOUR_MS) / timeScale : new Date(sentAt).getTime()
}

function person(recipient: RecipientDraft, index: number, draft: Draft): Person {
  const { userId, fate, processedAfterMs, readAfterMs } = recipient
  const { sentAt, timeScale } = draft
  if (readAfterMs !== undefined && (fate !== 'read' || readAfterMs < processedAfterMs)) throw contradiction(recipient, index)
  if (fate === 'drawn') return drawPerson(draft)
  const processedAt = fate === 'pending' ? Infinity : sentAt + processedAfterMs / timeScale
  const readAt = fate === 'read' ? sentAt + (readAfterMs ?? drawReadAfterMs(draft, processedAfterMs)) / timeScale : Infinity
  const times = { userId, fate, processedAt: Math.round(processedAt), readAt: Math.round(readAt) }
  return fate === 'forbidden' ? { ...times, forbidden: recipient.forbidden ?? FORBIDDANCE.parse({}) } : times
}

function contradiction({ fate, readAfterMs, processedAfterMs }: RecipientDraft, index: number): InvalidInputError {
  const field = `recipients.${index}.readAfterMs`
  const rule =
    fate === 'read' ? `must not be before processedAfterMs (${processedAfterMs})` : `is for the fate read only, and this one is ${fate}`
  return new InvalidInputError(field, `${field}: ${readAfterMs} ${rule}; ${SEE_TASK}`)
}
