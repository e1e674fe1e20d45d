import { z } from 'zod'
import { InvalidInputError } from '../domain/errors.ts'
import { CLOCK_START_FORMS, parseClockStart } from '../lib/simulated-clock.ts'
import { ERROR_FORMS } from './answer.ts'
import { type LawInput, parseLaw, type ReadingLaw } from './attention.ts'
import { DIRECTORY } from './directory.ts'
import { parseInput, quoteJson, readonlyList } from './input.ts'

/** All options have a default. Written out beside the schema, which cannot carry these comments into the published types. */
export interface SimulatorOptions {
  /** 0, the default, takes a free one. */
  readonly port?: number | undefined
  /** Default `127.0.0.1`. `/_simulator` has no password: keep it on the loopback. */
  readonly host?: string | undefined
  /** Divides every duration of a task: the 24-hour window, processing, reading. Tokens, the rate limit and the month stay real. Default 1. */
  readonly timeScale?: number | undefined
  /** The same seed and the same task ids give the same people. Default 1. */
  readonly seed?: number | undefined
  readonly now?: (() => Date) | undefined
  /** Per app and API, in any sliding second. Default 20. Token calls are exempt. */
  readonly callsPerSecond?: number | undefined
  /** How long an app above the rate is refused, rounded up to a full second. Default 1. */
  readonly penaltySeconds?: number | undefined
  /** Calls in one month of China's calendar, for all internal apps together. Default 5000, null for no limit. */
  readonly monthlyQuota?: number | null | undefined
  /** Life of a token in real seconds: clients count it on real clocks, whatever the time scale. Default 7200. */
  readonly tokenSeconds?: number | undefined
  /**
   * Default: one app with key `sim-app-key`, secret `sim-app-secret`, agent id `836390886`. For a third-party app, suite key and suite secret.
   * `otherSecrets` are accepted too: with one for each worker, `match.secret` of a fault strikes a single worker. Agent ids of tasks that a test
   * makes are added to `otherAgentIds`. The internal apps of one `corpId` (default `sim-corp`) share one monthly quota.
   */
  readonly apps?: readonly z.input<typeof APP>[] | undefined
  /** The error for an agent id that no app has. Not documented by DingTalk for getsendresult. Default 400002. */
  readonly wrongAgentCode?: RefusalInput | undefined
  /** The error for an agent id of another app than the token's. Default 41020. */
  readonly foreignAgentCode?: RefusalInput | undefined
  /** The error for a task that does not exist, or that another app or agent sent. Not documented by DingTalk. Default 400002. */
  readonly unknownTaskCode?: RefusalInput | undefined
  /** The error for a task after its 24 hours. Not documented by DingTalk. Default: as `unknownTaskCode`. */
  readonly expiredTaskCode?: RefusalInput | undefined
  /** The first task id that asyncsend_v2 gives out, later ones follow it. Default `256271667526`. */
  readonly firstTaskId?: string | undefined
  /**
   * The seeded law that people follow. Shares lie between 0 and 1; durations are simulated milliseconds, divided by the time scale. Of all people,
   * `neverShare` get the message and never open it, `fastShare` read within minutes, the rest within hours, some after the window.
   */
  readonly laws?: Partial<Laws> | undefined
  /**
   * When people read, instead of the reading times and of `neverShare` in `laws`: the name of a preset (`office`, `slow`, `evening`, `shifts`), an
   * attention law `{ work, free, parts, campaignSpread, neverShare }`, in which the hour of the week counts, or a law of elapsed minutes
   * `{ unit: 'min', edges, density, readShare }`. Default: none.
   */
  readonly attention?: LawInput | undefined
  /**
   * The organisation's local time when the simulator starts, such as `Tue 10:00` or `2026-12-01T10:00`; from then on it runs `timeScale` times as
   * fast as real time. A line of another simulator (`clockStart` of {@link Simulator}) gives the same clock as there. Default: China's time at the
   * real moment of a send, from which the time of that task runs scaled.
   */
  readonly clockStart?: string | undefined
  /** Local dates such as `2026-12-25` that are no work days, besides weekends. Default none. */
  readonly freeDates?: readonly string[] | undefined
  /** Local dates at weekends that are work days. They go before `freeDates`. Default none. */
  readonly workDates?: readonly string[] | undefined
  /**
   * Who works where, for the contact API: `{ people: 3000 }` draws as many from the seed, in twelve departments; or the departments and people
   * themselves, `{ departments: [{ deptId, name, parentId }], people: [{ userId, name, deptIds }] }`. The root is department 1. Default: no people.
   * With people, `dept_id_list` and `to_all_user` of a send mean these.
   */
  readonly directory?: z.input<typeof DIRECTORY> | undefined
  /** Keeps every successful getsendresult answer for `answers()`. It costs memory. Default false. */
  readonly keepAnswers?: boolean | undefined
}

/** A code alone, or with its message and its form. */
type RefusalInput = z.input<typeof REFUSAL>

export const HOUR_MS = 3_600_000
export const DEFAULT_CORP_ID = 'sim-corp'
const DEFAULT_APP = { appKey: 'sim-app-key', appSecret: 'sim-app-secret', agentId: '836390886', corpId: DEFAULT_CORP_ID }

const share = z.number().min(0).max(1)
const duration = z.number().positive()
const spread = z.number().min(0).max(5)
const LARGEST_LONG = '9223372036854775807'
/** DingTalk's task ids are Java `Long`s. */
export const taskIdText = z
  .string()
  .regex(/^[1-9]\d{0,18}$/, { error: 'expected 1 to 19 decimal digits without a leading zero' })
  .refine((digits) => digits.length < LARGEST_LONG.length || digits <= LARGEST_LONG, {
    error: `expected at most ${LARGEST_LONG}, the largest Java Long`,
  })
/** Digits as text or as a number; `pipe` says which. */
export const digits = (error: string) => z.union([z.string(), z.int().transform(String)], { error })
export const agentIdText = z.string().regex(/^\d{1,19}$/, { error: 'expected 1 to 19 decimal digits' })

const LAWS = z.strictObject({
  invalidShare: share.default(0.01),
  failedShare: share.default(0.01),
  forbiddenShare: share.default(0.02),
  neverShare: share.default(0.15),
  fastShare: share.default(0.45),
  fastMedianMs: duration.default(180_000),
  fastSpread: spread.default(0.8),
  slowMedianMs: duration.default(4 * HOUR_MS),
  slowSpread: spread.default(1),
  processingMedianMs: duration.default(8_000),
  processingSpread: spread.default(0.8),
  processingMaxMs: duration.default(90_000),
})
export type Laws = z.output<typeof LAWS>
export const DEFAULT_LAWS = LAWS.parse({})

const dates = readonlyList(z.array(z.iso.date({ error: 'expected a date such as 2026-12-25' })).max(10_000)).default([])
const nonEmpty = z.string().min(1)
const APP = z.strictObject({
  appKey: nonEmpty,
  appSecret: nonEmpty,
  agentId: agentIdText,
  otherSecrets: readonlyList(z.array(nonEmpty)).optional(),
  otherAgentIds: readonlyList(z.array(agentIdText)).optional(),
  corpId: nonEmpty.default(DEFAULT_CORP_ID),
})
export type AppCredentials = z.output<typeof APP>

export const codeText = z.union([z.int(), z.string().min(1)], { error: 'expected an errcode, as a number or as text' }).transform(String)
export const httpStatus = z.int().min(200).max(599)
/** The fields of an `ApiError`. */
export const API_ERROR = {
  code: codeText,
  subCode: codeText.optional(),
  message: z.string().optional(),
  form: z.enum(ERROR_FORMS).default('plain'),
  status: httpStatus.optional(),
}

const REFUSAL = z.union([codeText.transform((code) => ({ code, form: 'plain' as const })), z.strictObject(API_ERROR)], {
  error: 'expected an errcode such as 400002, or { code, subCode, message, form, status }',
})
const refusal = (code: string) => REFUSAL.default({ code, form: 'plain' })

const SETTINGS = z.strictObject({
  port: z.int().min(0).max(65_535).default(0),
  host: z.string().min(1).default('127.0.0.1'),
  timeScale: z.number().positive().max(1_000_000).default(1),
  seed: z.int().default(1),
  callsPerSecond: z.int().positive().default(20),
  penaltySeconds: z.number().min(0).max(86_400).default(1),
  monthlyQuota: z.int().min(0).nullable().default(5_000),
  tokenSeconds: z.number().positive().default(7_200),
  apps: z
    .array(APP)
    .min(1)
    .refine((apps) => new Set(apps.map(({ appKey }) => appKey)).size === apps.length, { error: 'two apps have the same appKey' })
    .default([DEFAULT_APP]),
  wrongAgentCode: refusal('400002'),
  foreignAgentCode: refusal('41020'),
  unknownTaskCode: refusal('400002'),
  expiredTaskCode: REFUSAL.optional(),
  firstTaskId: taskIdText.default('256271667526'),
  laws: LAWS.default(DEFAULT_LAWS),
  clockStart: z
    .string()
    .refine((text) => parseClockStart(text, 0) !== undefined, { error: `expected ${CLOCK_START_FORMS}` })
    .optional(),
  freeDates: dates,
  workDates: dates,
  directory: DIRECTORY.default({ people: 0 }),
  keepAnswers: z.boolean().default(false),
})
export interface Settings extends z.output<typeof SETTINGS> {
  readonly attention?: ReadingLaw | undefined
}

/** @throws {InvalidInputError} that names the option, the value and what is accepted */
export function parseSettings(given: SimulatorOptions): Settings {
  const { now, attention, ...options } = optionsIn(given)
  if (now !== undefined && typeof now !== 'function') {
    throw new InvalidInputError('now', `now: expected a function that returns a Date; given ${quoteJson(now)}; ${SEE_OPTIONS}`)
  }
  const settings = parseInput(SETTINGS, options, SEE_OPTIONS)
  return attention === undefined ? settings : { ...settings, attention: parseLaw(attention, 'attention') }
}

const SEE_OPTIONS = 'see SimulatorOptions for what each option accepts'

/** The simulator's clock, in epoch ms. @throws {InvalidInputError} from each reading that is no time */
export function createClock(now: SimulatorOptions['now']): () => number {
  if (now === undefined) return Date.now
  return () => {
    const at: unknown = now()
    if (at instanceof Date && !Number.isNaN(at.getTime())) return at.getTime()
    throw new InvalidInputError('now', `now: expected a function that returns a Date; it returned ${quoteJson(at)}; ${SEE_OPTIONS}`)
  }
}

/** Types do not check a caller in JavaScript. */
function optionsIn(given: unknown): { readonly [name: string]: unknown; readonly now?: unknown; readonly attention?: unknown } {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return { ...given }
  throw new InvalidInputError('options', `options: expected an object; given ${quoteJson(given)}; ${SEE_OPTIONS}`)
}
