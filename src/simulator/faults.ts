import { z } from 'zod'
import type { Identity } from './apps.ts'
import { chance } from './chance.ts'
import { parseInput, readonlyList } from './input.ts'
import { type ApiCall, agentIdOf, ENDPOINTS, isTokenEndpoint, taskIdOf } from './request.ts'
import { API_ERROR, agentIdText, codeText, digits, httpStatus, taskIdText } from './settings.ts'

/** Wrong shapes that a client should survive; `wrongTypes` in reply.ts makes them. */
const WRONG_TYPES = ['comma-joined', 'null-lists', 'errcode-text', 'code-number', 'result-text'] as const
const EMPTY_RESULTS = ['null', 'object', 'missing'] as const

const taskIdField = digits('expected a task id').pipe(taskIdText)
const agentIdField = digits('expected an agent id, or null for a call without one').pipe(agentIdText)
const hour = z.number().min(0).max(10_000)
const epochMs = z.number().positive()

const SHARED = {
  /** What the call must be for the fault to strike; nothing given: every call. */
  match: z
    .strictObject({
      endpoint: z.enum(ENDPOINTS).optional(),
      taskId: taskIdField.optional(),
      /** Any of these tasks. */
      taskIds: readonlyList(z.array(taskIdField).min(1).max(100_000)).optional(),
      /** null: a call that names none. */
      agentId: agentIdField.nullable().optional(),
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

const delayMs = z.number().min(0).max(86_400_000)
const bytes = z.int().min(0).max(2_147_483_648)

function buildSchema<K extends string, S extends z.ZodRawShape>(kind: K, shape: S) {
  return z.strictObject({ ...SHARED, kind: z.literal(kind), ...shape })
}

const FAULT = z.discriminatedUnion(
  'kind',
  [
    buildSchema('http-status', { status: z.int().min(400).max(599), retryAfterSeconds: z.int().min(0).optional() }),
    buildSchema('html', { status: httpStatus.default(200) }),
    buildSchema('ban', {}),
    buildSchema('redirect', { status: z.literal([301, 302, 307, 308]).default(302) }),
    buildSchema('code', { ...API_ERROR, metered: z.boolean().default(false) }),
    buildSchema('throttle', { seconds: z.number().positive().max(86_400), code: codeText.default('90018') }),
    buildSchema('expired-token', {}),
    buildSchema('reset', { acted: z.boolean().default(false) }),
    buildSchema('hang', {}),
    buildSchema('slow', { delayMs, decided: z.enum(['on-arrival', 'on-answer']).default('on-arrival') }),
    buildSchema('drip', { delayMs: delayMs.default(100), bytes: z.int().positive().default(1) }),
    buildSchema('truncated', { cut: z.enum(['body', 'connection']).default('body') }),
    buildSchema('huge', { bytes: bytes.default(100_000_000) }),
    buildSchema('gzip', { bytes: bytes.default(0) }),
    buildSchema('empty', { sendResult: z.enum(EMPTY_RESULTS).default('null') }),
    buildSchema('wrong-types', { as: z.enum(WRONG_TYPES).default('comma-joined') }),
    buildSchema('read-then-unread', {}),
    buildSchema('unlisted', { share: z.number().min(0).max(1).default(1) }),
    buildSchema('two-lists', {}),
  ],
  { error: (issue) => (issue.code === 'invalid_union' ? `expected one of ${FAULT_KINDS.join(', ')}` : undefined) },
)

/** A fault as a user writes it; what is left out has a default. */
export type FaultInput = z.input<typeof FAULT>
export type Fault = z.output<typeof FAULT>

export const FAULT_KINDS: readonly string[] = FAULT.options.map((option) => option.shape.kind.value)

/** Refuses a fault whose time never comes: it would look like one that no call has met. */
const TIMELY_FAULT = FAULT.superRefine((given, context) => {
  const refuse = (field: keyof typeof SHARED, message: string) => context.addIssue({ code: 'custom', path: [field], message })
  if (given.afterMs !== undefined && given.fromMs !== undefined) refuse('afterMs', 'expected afterMs or fromMs, not both')
  if (given.untilMs !== undefined && given.untilMs <= (given.fromMs ?? -Infinity)) refuse('untilMs', 'expected a moment after fromMs')
  if (given.toHour !== undefined && given.toHour <= (given.fromHour ?? 0)) refuse('toHour', 'expected an hour after fromHour')
  const hasHours = given.fromHour !== undefined || given.toHour !== undefined
  if (given.hoursSince !== undefined && !hasHours) refuse('hoursSince', 'expected only together with fromHour or toHour')
})

/** @throws {InvalidInputError} that names the field, the value and the remedy */
export function parseFault(input: unknown): Fault {
  return parseInput(TIMELY_FAULT, input, 'docs/simulator.md lists the faults and their fields')
}

/** These change the lists of getsendresult, so they strike no other call. */
const OF_SEND_RESULT: ReadonlySet<Fault['kind']> = new Set(['empty', 'wrong-types', 'read-then-unread', 'unlisted', 'two-lists'])

/** These strike every call but token calls, which are not metered and carry no token. */
const OF_METERED_CALLS: ReadonlySet<Fault['kind']> = new Set(['throttle', 'expired-token'])

/** A call with all that a fault can match. */
export interface Arrival {
  readonly call: ApiCall
  readonly identity: Partial<Identity>
  /** Epoch ms. */
  readonly at: number
  /** Hours of the simulated day, since the send and since the start. */
  readonly hours: Readonly<Record<NonNullable<Fault['hoursSince']>, number>>
}

interface Entry {
  readonly id: number
  readonly fault: Fault
  readonly match: Match | undefined
  readonly from: number
  readonly until: number
  left: number
  met: number
  struck: number
}

export interface FaultState {
  readonly id: number
  readonly fault: Fault
  /** How many calls it has struck. */
  readonly struck: number
}

export type FaultBook = ReturnType<typeof createFaultBook>

/** The faults in force, oldest first. At most one strikes a call. toxiproxy has faults of the transport only. */
export function createFaultBook(seed: number) {
  let entries: Entry[] = []
  let added = 0

  function dropOver(at: number): void {
    entries = entries.filter((entry) => entry.left > 0 && at < entry.until)
  }

  function strikes(entry: Entry): boolean {
    entry.met += 1
    return chance(seed, 'fault', entry.id, entry.met) < (entry.fault.probability ?? 1)
  }

  return {
    add(fault: Fault, at: number): number {
      added += 1
      const from = fault.fromMs ?? at + (fault.afterMs ?? 0)
      const until = Math.min(fault.untilMs ?? Infinity, from + (fault.forMs ?? Infinity))
      const match = fault.match && { ...fault.match, taskIds: fault.match.taskIds && new Set(fault.match.taskIds) }
      entries.push({ id: added, fault, match, from, until, left: fault.times ?? Infinity, met: 0, struck: 0 })
      return added
    },
    clear(): void {
      entries = []
    },
    /** @returns whether it was in force */
    remove(id: number): boolean {
      const before = entries.length
      entries = entries.filter((entry) => entry.id !== id)
      return entries.length < before
    },
    list(at: number): FaultState[] {
      dropOver(at)
      return entries.map(({ id, fault, struck }) => ({ id, fault, struck }))
    },
    /** The fault that strikes this call, if any. The seed and the number of calls that it has met decide a fault with a probability. */
    take(arrival: Arrival): Fault | undefined {
      if (entries.length === 0) return undefined
      dropOver(arrival.at)
      const entry = entries.find((candidate) => isMet(candidate, arrival) && strikes(candidate))
      if (entry === undefined) return undefined
      entry.left -= 1
      entry.struck += 1
      return entry.fault
    },
  }
}

function isMet(entry: Entry, arrival: Arrival): boolean {
  const { fault, from } = entry
  return arrival.at >= from && isInHours(fault, arrival) && isOfKind(fault.kind, arrival.call) && matches(entry, arrival)
}

function isInHours({ fromHour = 0, toHour = Infinity, hoursSince = 'send' }: Fault, { hours }: Arrival): boolean {
  // A task may have been sent in the future, by the clock of a test: without hours every call is met.
  if (fromHour === 0 && toHour === Infinity) return true
  return hours[hoursSince] >= fromHour && hours[hoursSince] < toHour
}

function isOfKind(kind: Fault['kind'], { endpoint }: ApiCall): boolean {
  if (OF_SEND_RESULT.has(kind)) return endpoint === 'getsendresult'
  return !OF_METERED_CALLS.has(kind) || !isTokenEndpoint(endpoint)
}

/** With a set, since each call is compared with what may be thousands of task ids. */
type Match = Omit<NonNullable<Fault['match']>, 'taskIds'> & { readonly taskIds?: ReadonlySet<string> | undefined }

/** Every field of a match must hold. A new field of `match` does not compile until it is in the table below. */
function matches({ match }: Entry, arrival: Arrival): boolean {
  return match === undefined || MATCHERS.every((isMatched) => isMatched(match, arrival))
}

const BY_FIELD = {
  endpoint: ({ endpoint }, { call }) => endpoint === undefined || endpoint === call.endpoint,
  taskId: ({ taskId }, { call }) => taskId === undefined || taskId === taskIdOf(call),
  taskIds: ({ taskIds }, { call }) => taskIds === undefined || taskIds.has(taskIdOf(call) ?? ''),
  // Token calls never have one, so that a call without an agent id is one that lacks it.
  agentId: ({ agentId }, { call }) => agentId === undefined || (!isTokenEndpoint(call.endpoint) && agentId === (agentIdOf(call) ?? null)),
  appKey: ({ appKey }, { identity }) => appKey === undefined || appKey === identity.appKey,
  secret: ({ secret }, { identity }) => secret === undefined || secret === identity.secret,
  via: ({ via }, { call }) => via === undefined || via === call.source.via,
  remoteAddress: ({ remoteAddress }, { call }) => remoteAddress === undefined || remoteAddress === call.source.remoteAddress,
} satisfies Record<keyof NonNullable<Fault['match']>, (match: Match, arrival: Arrival) => boolean>

const MATCHERS: readonly ((match: Match, arrival: Arrival) => boolean)[] = Object.values(BY_FIELD)
