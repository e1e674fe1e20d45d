import type { CurvePoint, DepartmentRates, RateReader, ReadTimes } from '../report/rates.ts'
import type { TimeToRead } from '../report/time-to-read.ts'
import { hideNames } from './guard.ts'
import { type Answer, reuseMsOf, type SharedAnswers, shareAnswers } from './shared-answers.ts'

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

/**
 * Equal reads at the same time share one answer. The costliest answers, which need all people of a campaign, are also kept for a time that grows
 * with their cost. Figures of tasks and campaigns are never kept, so they are never older than the request. Lists of people are never kept either,
 * so that no user id stays in memory after an erasure.
 * @param monotonicMs a monotonic clock, in milliseconds
 */
export function shareReads(reader: RateReader, monotonicMs: () => number = () => performance.now()): SharedReads {
  const running = shareAnswers<unknown>({ monotonicMs, countRows: null })
  const curves = shareAnswers<CurvePoint[]>({ monotonicMs, countRows: (points) => points.length })
  const timesToRead = shareAnswers<TimeToRead>({ monotonicMs, countRows: ({ people }) => Math.min(people, 1) })
  const readTimes = shareAnswers<ReadTimes>({ monotonicMs, countRows: ({ bounds }) => bounds.length })
  const departments = shareAnswers<DepartmentRates[]>({ monotonicMs, countRows: (rows) => rows.length })
  return {
    forRequest(names) {
      const used: Array<Answer<unknown>> = []
      const share = async <T>(answers: SharedAnswers<T>, args: readonly unknown[], read: () => Promise<T>): Promise<T> => {
        const answer = await answers.ask(JSON.stringify(args.map(normalise)), read)
        used.push(answer)
        return answer.value
      }
      const kept: Partial<RateReader> = {
        campaignCurve: (ref) => share(curves, [ref], () => reader.campaignCurve(ref)),
        timeToRead: (population) => share(timesToRead, [population], () => reader.timeToRead(population)),
        readTimes: (ref) => share(readTimes, [ref], () => reader.readTimes(ref)),
        campaignDepartments: (ref) => share(departments, [ref], () => reader.campaignDepartments(ref)),
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

async function callMethod(reader: RateReader, read: Function, args: readonly unknown[]): Promise<unknown> {
  const answer: unknown = await Reflect.apply(read, reader, args)
  return answer
}

function computeFreshness(used: ReadonlyArray<Answer<unknown>>, nowMs: number): Freshness {
  return {
    ageMs: Math.max(0, ...used.map(({ askedAtMs }) => nowMs - askedAtMs)),
    reuseMs: Math.max(0, ...used.map(({ costMs }) => reuseMsOf(costMs))),
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
