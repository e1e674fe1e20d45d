import fc from 'fast-check'
import type { TaskKey } from '../../../src/domain/delivery.ts'
import { HOUR_MS, MINUTE_MS } from '../../../src/domain/delivery.ts'

/** A day of some tasks with faults of every scope. All times are minutes after the day's begin; nothing else is random but what `seed` decides. */
export interface Day {
  /** Decides which worker takes a timer, and how long answers take. */
  readonly seed: number
  readonly startAt: Date
  readonly workers: number
  readonly apps: readonly AppSpec[]
  readonly tasks: readonly TaskSpec[]
  readonly faults: readonly Fault[]
}

export interface AppSpec {
  readonly name: string
  /** For tasks that do not bring their own; null: the app has none. */
  readonly agentId: string | null
  readonly monthlyBudget: number | null
  readonly callsPerSecond: number
}

export interface TaskSpec {
  readonly key: TaskKey
  /** The task's own; null: that of the app. */
  readonly agentId: string | null
  readonly sentMinute: number
  /** From the send to the enqueue. */
  readonly enqueuedAfter: number
  readonly sentAtGiven: boolean
  /** The sender named the recipients. */
  readonly isNamed: boolean
  readonly people: readonly PersonSpec[]
  readonly cancelledMinute: number | null
  /** What DingTalk answers 24 hours after the send and later. */
  readonly forgottenCode: string
}

export interface PersonSpec {
  readonly userId: string
  /** Minutes from the send to the first list that names the person. */
  readonly listedAfter: number
  readonly end: 'reads' | 'never reads' | 'failed' | 'invalid' | 'forbidden'
  /** Minutes from being listed to the read. */
  readonly readAfter: number
}

/** What DingTalk or the network answers, and how many calls of getsendresult it takes before the answer. */
export interface Said {
  readonly code: string
  readonly message: string
}

interface During {
  readonly begin: number
  /** Exclusive. */
  readonly end: number
}

export type Fault = During &
  (
    | { readonly scope: 'task' | 'answer'; readonly key: TaskKey; readonly said: Said }
    | { readonly scope: 'pair'; readonly app: string; readonly agentId: string; readonly said: Said }
    /** Its way out of the network: each call is refused. */
    | { readonly scope: 'worker'; readonly kind: 'address'; readonly app: string; readonly worker: number; readonly said: Said }
    /** Its credentials: no token is to be had, so no call is made. */
    | { readonly scope: 'worker'; readonly kind: 'credentials'; readonly app: string; readonly worker: number; readonly said: Said }
    /** Its token is refused, and so is the next one. */
    | { readonly scope: 'worker'; readonly kind: 'token'; readonly app: string; readonly worker: number; readonly said: Said }
    | { readonly scope: 'app'; readonly app: string; readonly said: Said; readonly endIsNamed: boolean }
    | { readonly scope: 'outage'; readonly said: Said }
    /** The token endpoint is down, so no call is made. */
    | { readonly scope: 'token outage'; readonly said: Said }
  )

/** An agent id that is no app's. */
export const WRONG_AGENT = '666'
const OWN_AGENT = '555'

const said = (code: string, message = 'no'): Said => ({ code, message })

const TASK_REFUSALS = [said('400002'), said('40035'), said('33012'), said('15', 'Call timeout'), said('50', '调用超时')]
/** Whatever code it is, a stray answer is no evidence about more than its task. */
const STRAY_ANSWERS = [said('987654'), said('0', 'empty'), said('60011'), said('41011'), said('TIMEOUT')]
const PAIR_REFUSALS = [said('41011'), said('41020'), said('40', 'Missing required arguments:agent_id')]
const ADDRESS_REFUSALS = [said('60020', 'request ip=203.0.113.7 is not allowed'), said('Forbidden.AccessDenied.IpNotInWhiteList')]
const CREDENTIALS = [said('invalidClientIdOrSecret'), said('40096'), said('UNKNOWN_APP'), said('PRIVATE_ADDRESS')]
const TOKEN_REFUSALS = [said('40014'), said('42001'), said('HTTP_401')]
const PERMISSIONS = [said('60011'), said('88/40000'), said('48002'), said('22'), said('InvalidAction.NotFound')]
const RATE_LIMITS = [said('90018', 'too fast'), said('90002', 'too fast')]
/** They last a second. */
const QPS_LIMITS = [said('Forbidden.AccessDenied.QpsLimitForApi'), said('Forbidden.AccessDenied.QpsLimitForAppkeyAndApi')]
const QUOTAS = [said('90020'), said('Forbidden.AccessDenied.ApiCountLimitForOrg')]
const OUTAGES = [
  said('TIMEOUT'),
  said('HTTP_502'),
  said('NOT_JSON'),
  said('-1'),
  said('15', 'isp.top-remote-connection-timeout 远程服务调用超时'),
]
const TOKEN_OUTAGES = [said('TIMEOUT'), said('HTTP_503')]

/** The day and half of the next one: every task that is sent in the first half of the day ends in it. */
const LAST_MINUTE = 36 * 60

const aTime = (maxLength = LAST_MINUTE): fc.Arbitrary<During> =>
  fc
    .record({
      begin: fc.integer({ min: -10, max: LAST_MINUTE }),
      length: fc.oneof(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: maxLength })),
    })
    .map(({ begin, length }) => ({ begin, end: begin + Math.min(length, maxLength) }))

const PERSON_ENDS = ['reads', 'reads', 'never reads', 'never reads', 'failed', 'invalid', 'forbidden'] as const

const somePeople: fc.Arbitrary<PersonSpec[]> = fc
  .array(
    fc.record({
      listedAfter: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 90 })),
      end: fc.constantFrom<PersonSpec['end']>(...PERSON_ENDS),
      readAfter: fc.double({ min: 0.01, max: 1_500, noNaN: true }),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((people) => people.map((person, i) => ({ ...person, userId: `p${i}` })))

const someApps: fc.Arbitrary<AppSpec[]> = fc
  .array(
    fc.record({
      hasAgentId: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
      monthlyBudget: fc.oneof({ weight: 2, arbitrary: fc.constant(null) }, fc.integer({ min: 0, max: 90 })),
      callsPerSecond: fc.constantFrom(1, 5, 15),
    }),
    { minLength: 1, maxLength: 3 },
  )
  .map((apps) => apps.map(({ hasAgentId, ...app }, i) => ({ ...app, name: `app${i}`, agentId: hasAgentId ? `10${i}` : null })))

/** When a task is sent and enqueued. The last of these are forgotten before they are enqueued. */
const someTimes = fc.oneof(
  { weight: 4, arbitrary: timesIn([0, 12], [0, 0]) },
  { weight: 1, arbitrary: timesIn([0, 12], [0, 1]) },
  { weight: 1, arbitrary: timesIn([0, 12], [0, 25]) },
  { weight: 1, arbitrary: timesIn([-1, 0], [24, 26]) },
  { weight: 1, arbitrary: timesIn([-24.5, -23.5], [25, 27]) },
)

/** @param sent hours of the day @param after hours from the send to the enqueue */
function timesIn(sent: readonly [number, number], after: readonly [number, number]) {
  const minutes = ([min, max]: readonly [number, number]) => fc.integer({ min: min * 60, max: max * 60 })
  return fc.record({ sentMinute: minutes(sent), enqueuedAfter: minutes(after) })
}

const aTaskOf = (apps: readonly AppSpec[]): fc.Arbitrary<Omit<TaskSpec, 'key'> & { readonly app: string }> =>
  fc.tuple(aTaskAt(apps), someTimes).map(([task, times]) => ({ ...task, ...times }))

const aTaskAt = (
  apps: readonly AppSpec[],
): fc.Arbitrary<Omit<TaskSpec, 'key' | 'sentMinute' | 'enqueuedAfter'> & { readonly app: string }> =>
  fc.record({
    app: fc.constantFrom(...apps.map(({ name }) => name)),
    agentId: fc.oneof({ weight: 8, arbitrary: fc.constant(null) }, fc.constantFrom(OWN_AGENT, WRONG_AGENT)),
    sentAtGiven: fc.integer({ min: 0, max: 3 }).map((n) => n > 0),
    isNamed: fc.boolean(),
    people: somePeople,
    cancelledMinute: fc.oneof({ weight: 9, arbitrary: fc.constant(null) }, fc.integer({ min: 0, max: LAST_MINUTE })),
    forgottenCode: fc.constantFrom('400002', '40035', '987654', '1430004'),
  })

const KINDS = [
  'task',
  'answer',
  'pair',
  'address',
  'credentials',
  'token',
  'permission',
  'rate',
  'qps',
  'quota',
  'outage',
  'token outage',
] as const
type Kind = (typeof KINDS)[number]

/** Days of one or two kinds of fault are as likely as those of all: what one fault hides, another day shows. */
const someKinds: fc.Arbitrary<readonly Kind[]> = fc.oneof(fc.constant(KINDS), fc.subarray([...KINDS], { minLength: 1, maxLength: 2 }))

const aFault = ({ apps, tasks, workers }: Omit<Day, 'faults'>, kinds: readonly Kind[]): fc.Arbitrary<Fault> => {
  const app = fc.constantFrom(...apps.map(({ name }) => name))
  const key = fc.constantFrom(...tasks.map((task) => task.key))
  const worker = fc.integer({ min: 0, max: workers - 1 })
  const [one, all] = [<T>(list: readonly T[]) => fc.constantFrom(...list), fc.tuple]
  const of = <T extends object>(rest: fc.Arbitrary<T>, maxLength?: number): fc.Arbitrary<T & During> =>
    all(rest, aTime(maxLength)).map(([fields, during]) => ({ ...fields, ...during }))
  const k = <const S extends string>(value: S) => fc.constant(value)
  const never = fc.constant(false)
  const faults: Readonly<Record<Kind, fc.Arbitrary<Fault>>> = {
    task: of(fc.record({ scope: k('task'), key, said: one(TASK_REFUSALS) })),
    answer: of(fc.record({ scope: k('answer'), key, said: one(STRAY_ANSWERS) })),
    pair: of(
      fc.record({
        scope: k('pair'),
        app,
        agentId: fc.constantFrom(OWN_AGENT, ...apps.flatMap((each) => each.agentId ?? [])),
        said: one(PAIR_REFUSALS),
      }),
    ),
    address: of(fc.record({ scope: k('worker'), kind: k('address'), app, worker, said: one(ADDRESS_REFUSALS) })),
    credentials: of(fc.record({ scope: k('worker'), kind: k('credentials'), app, worker, said: one(CREDENTIALS) })),
    token: of(fc.record({ scope: k('worker'), kind: k('token'), app, worker, said: one(TOKEN_REFUSALS) })),
    permission: of(fc.record({ scope: k('app'), app, said: one(PERMISSIONS), endIsNamed: never })),
    rate: of(fc.record({ scope: k('app'), app, said: one(RATE_LIMITS), endIsNamed: fc.boolean() }), 120),
    qps: of(fc.record({ scope: k('app'), app, said: one(QPS_LIMITS), endIsNamed: never }), 2),
    quota: of(fc.record({ scope: k('app'), app, said: one(QUOTAS), endIsNamed: never })),
    outage: of(fc.record({ scope: k('outage'), said: one(OUTAGES) })),
    'token outage': of(fc.record({ scope: k('token outage'), said: one(TOKEN_OUTAGES) })),
  }
  return fc.oneof(...kinds.map((kind) => faults[kind]))
}

/** The second begin has a turn of the month, in China's time, eight hours later. */
const BEGINS = [new Date('2026-11-23T01:00:00Z'), new Date('2026-11-30T08:00:00Z')]

/** @param limits how large a day may be */
export const aDay = (limits: { readonly tasks: number; readonly faults: number } = { tasks: 10, faults: 4 }): fc.Arbitrary<Day> =>
  fc
    .record({ seed: fc.nat(), startAt: fc.constantFrom(...BEGINS), workers: fc.integer({ min: 1, max: 3 }), apps: someApps })
    .chain((day) =>
      fc
        .array(aTaskOf(day.apps), { minLength: 1, maxLength: limits.tasks })
        .map((tasks) => ({ ...day, tasks: tasks.map(({ app, ...task }, i): TaskSpec => ({ ...task, key: { app, taskId: `7000${i}` } })) })),
    )
    .chain((day) =>
      someKinds.chain((kinds) => fc.array(aFault(day, kinds), { maxLength: limits.faults }).map((faults) => ({ ...day, faults }))),
    )

export function atMinute({ startAt }: Pick<Day, 'startAt'>, minute: number): Date {
  return new Date(startAt.getTime() + minute * MINUTE_MS)
}

/** When DingTalk forgets the task: its own clock counts from the true send. */
export function forgottenAt(day: Day, { sentMinute }: TaskSpec): Date {
  return new Date(atMinute(day, sentMinute).getTime() + 24 * HOUR_MS)
}

export function agentIdOf({ apps }: Day, { key, agentId }: Pick<TaskSpec, 'key' | 'agentId'>): string | null {
  return agentId ?? apps.find(({ name }) => name === key.app)?.agentId ?? null
}
