import type { BandStep } from './rates.ts'
import type { SentBracket } from './read-bracket.ts'

/**
 * How many had read at a time: those whose bracket has ended by then for sure, and at most those whose bracket has begun. Nobody before
 * the first step; a step where a number changes. A step holds from its time on, and right after the last "unread" the person may have
 * read: so the upper number rises at the lower end itself. Whoever is still unread is in the upper number from their final poll on, so it
 * ends at everybody: after the final poll nobody can say. A person without a lower end is in the upper number from the enqueue on: before it
 * nothing is known, and no step is there.
 */
export function readBandOf(brackets: readonly SentBracket[]): BandStep[] {
  const begun = sortedTimes(brackets.map(({ afterAt, beforeAt, sentAt }) => Math.min((afterAt ?? sentAt).getTime(), endOf(beforeAt))))
  const ended = sortedTimes(brackets.map(({ beforeAt }) => endOf(beforeAt)).filter(Number.isFinite))
  const steps: BandStep[] = []
  let atLeast = 0
  let atMost = 0
  while (atMost < begun.length || atLeast < ended.length) {
    const at = Math.min(begun[atMost] ?? Infinity, ended[atLeast] ?? Infinity)
    while (begun[atMost] === at) atMost++
    while (ended[atLeast] === at) atLeast++
    steps.push({ at: new Date(at), atLeast, atMost })
  }
  return steps
}

function endOf(beforeAt: Date | null): number {
  return beforeAt === null ? Infinity : beforeAt.getTime()
}

function sortedTimes(times: readonly number[]): Float64Array {
  return Float64Array.from(times).sort()
}
