import type { CurvePoint, DepartmentRates, RateReader, ReadTimes, StateDetails } from '../report/rates.ts'
import type { TimeToRead } from '../report/time-to-read.ts'
import { hideNames } from './guard.ts'
import { type Answer, type SharedAnswers, shareAnswers } from './shared-answers.ts'

/** Age and cost of the answers that one request got. */
export interface Freshness {
  /** Time since the read of the oldest answer began. 0 without an answer. */
  readonly ageMs: number
  /** A page reads again after this time: the longest time for which one of the answers is reused. 0 where all were cheap. */
  readonly reuseMs: number
}

/** A reader for one request. */
export interface RequestReads {
  readonly rates: RateReader
  freshness(): Freshness
}

/** One reader for all requests, which computes the same answer once. */
export interface SharedReads {
  /** @param names whether the caller may see names */
  forRequest(names: boolean): RequestReads
}

/** From so many people on, a campaign is large: what needs all of them is computed so rarely that many viewers cost little. */
const LARGE = 20_000

/**
 * Equal reads at the same time share one answer. The costliest answers, which need all people of a campaign, are also kept for a time that grows
 * with their cost; of a large campaign, the state details too. Figures of tasks and campaigns are never kept, so they are never older than the request.
 * Lists of people are never kept either, so that no user id stays in memory after an erasure.
 * @param monotonicMs a monotonic clock, in milliseconds
 */
export function shareReads(reader: RateReader, monotonicMs: () => number = () => performance.now()): SharedReads {
  const running = shareAnswers<unknown>({ monotonicMs, countRows: null })
  const curves = shareAnswers<CurvePoint[]>({ monotonicMs, countRows: (points) => points.length })
  const timesToRead = shareAnswers<TimeToRead>({ monotonicMs, countRows: ({ people }) => Math.min(people, 1) })
  const readTimes = shareAnswers<ReadTimes>({ monotonicMs, countRows: ({ bounds }) => bounds.length })
  const departments = shareAnswers<DepartmentRates[]>({ monotonicMs, countRows: (rows) => rows.length })
  const details = shareAnswers<StateDetails>({ monotonicMs, countRows: null })
  const detailsOfLarge = shareAnswers<StateDetails>({ monotonicMs, countRows: ({ forbidden }) => forbidden.length + 1 })
  return {
    forRequest(names) {
      const used: Cost[] = []
      const share: Share = async (answers, args, read, large = false) => {
        // Without the value: a request that reads a long list page by page would keep all of it.
        const { value, ...cost } = await answers.ask(JSON.stringify(args.map(normalise)), read, large)
        used.push(cost)
        return value
      }
      const kept: Partial<RateReader> = {
        campaignCurve: (ref) => share(curves, [ref], () => reader.campaignCurve(ref), isLarge(ref)),
        timeToRead: (population) => share(timesToRead, [population], () => reader.timeToRead(population), isLarge(population)),
        readTimes: (ref) => share(readTimes, [ref], () => reader.readTimes(ref), isLarge(ref)),
        campaignDepartments: (ref) => share(departments, [ref], () => reader.campaignDepartments(ref), isLarge(ref)),
        stateDetails: (ref) => share(isLarge(ref) ? detailsOfLarge : details, [ref], () => reader.stateDetails(ref), isLarge(ref)),
      }
      // A method that is added to the reader is shared without a line here.
      const rates = new Proxy(reader, {
        get(_reader, method) {
          const read: unknown = Reflect.get(Object.hasOwn(kept, method) ? kept : reader, method)
          if (Object.hasOwn(kept, method) || typeof read !== 'function') return read
          return (...args: readonly unknown[]) => share(running, [method, ...args], () => callMethod(reader, read, args))
        },
      })
      return { rates: names ? rates : hideNames(rates), freshness: () => computeFreshness(used, monotonicMs()) }
    },
  }
}

type Share = <T>(answers: SharedAnswers<T>, args: readonly unknown[], read: () => Promise<T>, large?: boolean) => Promise<T>

/** Only a row that was read says how many people it has. */
function isLarge(of: unknown): boolean {
  return typeof of === 'object' && of !== null && 'campaign' in of && !('taskId' in of) && 'targeted' in of && Number(of.targeted) >= LARGE
}

async function callMethod(reader: RateReader, read: Function, args: readonly unknown[]): Promise<unknown> {
  const answer: unknown = await Reflect.apply(read, reader, args)
  return answer
}

type Cost = Omit<Answer<unknown>, 'value'>

function computeFreshness(used: readonly Cost[], nowMs: number): Freshness {
  return {
    ageMs: Math.max(0, ...used.map(({ askedAtMs }) => nowMs - askedAtMs)),
    reuseMs: Math.max(0, ...used.map(({ reuseMs }) => reuseMs)),
  }
}

/** The same text for equal arguments: fields in one order, without those that are left out. A row of figures stands for its task or campaign. */
function normalise(argument: unknown): unknown {
  if (typeof argument !== 'object' || argument === null || argument instanceof Date) return argument
  const isRow = 'targeted' in argument
  const identity = 'taskId' in argument ? ['app', 'taskId'] : ['app', 'campaign']
  return Object.entries(argument)
    .filter(([name, value]) => value !== undefined && (!isRow || identity.includes(name)))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
}
