import { z } from 'zod'
import { ERROR_FORMS } from './api-error.ts'
import { ENDPOINTS } from './request.ts'
import { agentIdText, codeText, parseInput, taskIdText } from './settings.ts'

/** Several answers that a client should survive although the shape is wrong. The words are explained in `distort.ts`. */
const WRONG_TYPES = ['comma-joined', 'null-lists', 'errcode-text', 'code-number', 'result-text'] as const
const EMPTY_RESULTS = ['null', 'object', 'missing'] as const

const taskId = z.union([z.string(), z.int().transform(String)], { error: 'expected a task id' }).pipe(taskIdText)
const agentId = z.union([z.string(), z.int().transform(String)], { error: 'expected an agent id, or null for a call without one' })
const hour = z.number().min(0).max(10_000)
const epochMs = z.number().positive()

const SHARED = {
  /** What the call must be for the fault to strike; nothing given: every call. */
  match: z
    .strictObject({
      endpoint: z.enum(ENDPOINTS).optional(),
      taskId: taskId.optional(),
      /** Any of these tasks. */
      taskIds: z.array(taskId).min(1).max(100_000).readonly().optional(),
      /** null: a call that names none. */
      agentId: agentId.pipe(agentIdText).nullable().optional(),
      appKey: z.string().min(1).optional(),
      /** Token calls with the app's secret of this number, and calls with a token that was issued for it. */
      secret: z.int().min(0).optional(),
      /** Calls through the base URL `…/via/NAME`. */
      via: z.string().min(1).max(64).optional(),
      remoteAddress: z.string().min(1).optional(),
    })
    .optional(),
  /** How many calls it strikes; then it is over. */
  times: z.int().positive().optional(),
  /** The chance that it strikes a call that matches, 0 to 1. */
  probability: z.number().min(0).max(1).optional(),
  /** Begins after as many ms from now. */
  afterMs: z.number().min(0).optional(),
  /** Begins at this moment, in epoch ms. */
  fromMs: epochMs.optional(),
  /** Over after as many ms from its beginning. */
  forMs: z.number().positive().optional(),
  /** Over at this moment, in epoch ms. */
  untilMs: epochMs.optional(),
  /** Strikes from this hour of the simulated day on, and before `toHour`. */
  fromHour: hour.optional(),
  toHour: hour.optional(),
  /** Where hour 0 is: the send of the task that the call names, or the start of the simulator, which also holds for calls that name none. */
  hoursSince: z.enum(['send', 'start']).optional(),
}

const delayMs = z
  .number()
  .min(0)
  .max(24 * 3_600_000)
const bytes = z
  .int()
  .min(0)
  .max(2 ** 31)

const FAULT = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({
      ...SHARED,
      kind: z.literal('http-status'),
      status: z.int().min(400).max(599),
      retryAfterSeconds: z.int().min(0).optional(),
    }),
    z.strictObject({ ...SHARED, kind: z.literal('html'), status: z.int().min(200).max(599).default(200) }),
    z.strictObject({ ...SHARED, kind: z.literal('ban') }),
    z.strictObject({
      ...SHARED,
      kind: z.literal('redirect'),
      status: z.union([z.literal(301), z.literal(302), z.literal(307), z.literal(308)]).default(302),
    }),
    z.strictObject({
      ...SHARED,
      kind: z.literal('code'),
      code: codeText,
      subCode: codeText.optional(),
      message: z.string().optional(),
      form: z.enum(ERROR_FORMS).default('plain'),
      status: z.int().min(200).max(599).optional(),
      metered: z.boolean().default(false),
    }),
    z.strictObject({ ...SHARED, kind: z.literal('throttle'), seconds: z.number().positive().max(86_400), code: codeText.default('90018') }),
    z.strictObject({ ...SHARED, kind: z.literal('expired-token') }),
    z.strictObject({ ...SHARED, kind: z.literal('reset'), acted: z.boolean().default(false) }),
    z.strictObject({ ...SHARED, kind: z.literal('hang') }),
    z.strictObject({ ...SHARED, kind: z.literal('slow'), delayMs, decided: z.enum(['on-arrival', 'on-answer']).default('on-arrival') }),
    z.strictObject({ ...SHARED, kind: z.literal('drip'), delayMs: delayMs.default(100), bytes: z.int().positive().default(1) }),
    z.strictObject({ ...SHARED, kind: z.literal('truncated'), cut: z.enum(['body', 'connection']).default('body') }),
    z.strictObject({ ...SHARED, kind: z.literal('huge'), bytes: bytes.default(100_000_000) }),
    z.strictObject({ ...SHARED, kind: z.literal('gzip'), bytes: bytes.default(0) }),
    z.strictObject({ ...SHARED, kind: z.literal('empty'), sendResult: z.enum(EMPTY_RESULTS).default('null') }),
    z.strictObject({ ...SHARED, kind: z.literal('wrong-types'), as: z.enum(WRONG_TYPES).default('comma-joined') }),
    z.strictObject({ ...SHARED, kind: z.literal('read-then-unread') }),
    z.strictObject({ ...SHARED, kind: z.literal('unlisted'), share: z.number().min(0).max(1).default(1) }),
    z.strictObject({ ...SHARED, kind: z.literal('two-lists') }),
  ],
  { error: (issue) => (issue.code === 'invalid_union' ? `expected one of ${FAULT_KINDS.join(', ')}` : undefined) },
)

/** A fault as a user writes it; what is left out has a default. */
export type FaultInput = z.input<typeof FAULT>
export type Fault = z.output<typeof FAULT>

export const FAULT_KINDS: readonly string[] = FAULT.options.map((option) => option.shape.kind.value)

/** A fault whose time never comes would look like one that strikes nothing. */
const TIMELY_FAULT = FAULT.superRefine((fault, context) => {
  const refuse = (field: keyof typeof SHARED, message: string) => context.addIssue({ code: 'custom', path: [field], message })
  if (fault.afterMs !== undefined && fault.fromMs !== undefined) refuse('afterMs', 'expected afterMs or fromMs, not both')
  if (fault.untilMs !== undefined && fault.untilMs <= (fault.fromMs ?? -Infinity)) refuse('untilMs', 'expected a moment after fromMs')
  if (fault.toHour !== undefined && fault.toHour <= (fault.fromHour ?? 0)) refuse('toHour', 'expected an hour after fromHour')
  const hasHours = fault.fromHour !== undefined || fault.toHour !== undefined
  if (fault.hoursSince !== undefined && !hasHours) refuse('hoursSince', 'expected only together with fromHour or toHour')
})

/** @throws {InvalidInputError} that names the field, the value and the remedy */
export function parseFault(input: unknown): Fault {
  return parseInput(TIMELY_FAULT, input, 'docs/simulator.md lists the faults and their fields')
}
