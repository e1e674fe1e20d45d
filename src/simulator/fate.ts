import { chance, logNormal } from './chance.ts'
import { HOUR_MS, type Laws } from './settings.ts'

/** The state in which one person in one task ends. */
export const FATES = ['read', 'never', 'invalid', 'failed', 'forbidden', 'pending'] as const
export type Fate = (typeof FATES)[number]

/** DingTalk names a throttled person in `forbidden_list` (`reasons`), in `forbidden_user_id_list` (`ids`) or in both. */
export const FORBIDDEN_LISTS = ['both', 'reasons', 'ids'] as const

export interface Forbiddance {
  readonly code: string
  /** The limit that was exceeded: how many messages a day. */
  readonly count: number
  readonly listedIn: (typeof FORBIDDEN_LISTS)[number]
}

/** One person in one task. All times are drawn when the task is made: an answer only compares them with the clock. */
export interface Person {
  readonly userId: string
  readonly fate: Fate
  /** Epoch ms from which a list names the person; Infinity: never. */
  readonly processedAt: number
  /** Epoch ms of the true reading; Infinity: never. */
  readonly readAt: number
  readonly forbidden?: Forbiddance
}

type Speed = 'fast' | 'slow'
interface Pace {
  readonly speed: Speed
  /** The user id has a word for it. */
  readonly forced: boolean
}
type Draw = { readonly fate: Exclude<Fate, 'read'> } | ({ readonly fate: 'read' } & Pace)

/** A user id that contains one of these words has that fate, so that a test needs no control call. The first match wins. */
const FORCED: ReadonlyArray<readonly [string, Draw]> = [
  ['invalid', { fate: 'invalid' }],
  ['failed', { fate: 'failed' }],
  ['forbidden', { fate: 'forbidden' }],
  ['pending', { fate: 'pending' }],
  ['never', { fate: 'never' }],
  ['fast', { fate: 'read', speed: 'fast', forced: true }],
  ['slow', { fate: 'read', speed: 'slow', forced: true }],
]

/** A person in a task, with what the draws depend on. */
export interface Draft {
  readonly seed: number
  readonly taskId: string
  readonly userId: string
  readonly sentAt: number
  readonly timeScale: number
  readonly laws: Laws
  /** Instead of the reading times and of the share that never reads in `laws`. */
  readonly reading?: TaskReading | undefined
}

/** How the people of one task read. */
export interface TaskReading {
  /** Of the people whom the message reaches. */
  readonly neverShare: number
  /** Simulated ms from the send until the person reads. */
  readonly drawMs: (userId: string) => number
}

/** Everything about a person is a pure function of seed, task id, user id and, under a law of attention, the time of the send. */
export function drawPerson(draft: Draft): Person {
  const draw = drawFate(draft)
  const processedAt = draw.fate === 'pending' ? Infinity : at(draft, processingMs(draft))
  const readAt = draw.fate === 'read' ? at(draft, readAfterMs(draft, draw, processingMs(draft))) : Infinity
  const person = { userId: draft.userId, fate: draw.fate, processedAt, readAt }
  return draw.fate === 'forbidden' ? { ...person, forbidden: drawForbiddance(draft) } : person
}

/**
 * Draws when a person reads whose fate is given, as in a task that a test makes.
 * @param processedAfterMs simulated ms from the send until a list names the person
 * @returns simulated ms from the send
 */
export function drawReadAfterMs(draft: Draft, processedAfterMs: number): number {
  const speed = chance(draft.seed, draft.taskId, draft.userId, 'pace') < 0.5 ? 'fast' : 'slow'
  return readAfterMs(draft, { speed, forced: draft.reading === undefined }, processedAfterMs)
}

/** A word in the user id goes before the law of attention. */
function readAfterMs(draft: Draft, { speed, forced }: Pace, processedAfterMs: number): number {
  if (draft.reading === undefined || forced) return processedAfterMs + readingMs(draft, speed, forced)
  return Math.max(processedAfterMs, draft.reading.drawMs(draft.userId))
}

function at(draft: Draft, afterMs: number): number {
  return Math.round(draft.sentAt + afterMs / draft.timeScale)
}

function drawFate({ seed, taskId, userId, laws, reading }: Draft): Draw {
  const forced = FORCED.find(([word]) => userId.includes(word))
  if (forced !== undefined) return forced[1]
  const reached = 1 - laws.invalidShare - laws.failedShare - laws.forbiddenShare
  const draws: ReadonlyArray<readonly [number, Draw]> = [
    [laws.invalidShare, { fate: 'invalid' }],
    [laws.failedShare, { fate: 'failed' }],
    [laws.forbiddenShare, { fate: 'forbidden' }],
    [reading === undefined ? laws.neverShare : reading.neverShare * reached, { fate: 'never' }],
    [laws.fastShare, { fate: 'read', speed: 'fast', forced: false }],
  ]
  let left = chance(seed, taskId, userId, 'fate')
  for (const [share, draw] of draws) {
    if (left < share) return draw
    left -= share
  }
  return { fate: 'read', speed: 'slow', forced: false }
}

function processingMs({ seed, taskId, userId, laws }: Draft): number {
  const drawn = logNormal(laws.processingMedianMs, laws.processingSpread, seed, taskId, userId, 'processing')
  return Math.min(drawn, laws.processingMaxMs)
}

/** A forced reader reads inside the window; a slow reader that the law drew may read after it. */
function readingMs({ seed, taskId, userId, laws }: Draft, speed: Speed, forced: boolean): number {
  const median = speed === 'fast' ? laws.fastMedianMs : laws.slowMedianMs
  const spread = speed === 'fast' ? laws.fastSpread : laws.slowSpread
  const drawn = logNormal(median, spread, seed, taskId, userId, 'reading')
  return forced ? Math.min(drawn, 20 * HOUR_MS) : drawn
}

function drawForbiddance({ seed, taskId, userId }: Draft): Forbiddance {
  const listedIn = chance(seed, taskId, userId, 'listed in') < 0.3 ? 'reasons' : 'both'
  return { code: '143105', count: 500, listedIn }
}
