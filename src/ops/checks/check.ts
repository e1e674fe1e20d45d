import { type Finding, type Found, findingOf } from '../../lib/finding.ts'
import { scrubText } from '../../lib/redact.ts'
import { withTimeout } from '../../lib/timeout.ts'
import { explained } from '../../store/database-errors.ts'

/** Something is wrong, and what to do about it. */
export class CheckFailed extends Error {
  readonly remedy: string

  constructor(message: string, remedy: string) {
    super(message)
    this.remedy = remedy
  }
}

/** A check that the work stands or falls with. @param remedy for an error that names none */
export async function vital(name: string, remedy: string, ask: () => Promise<Found>): Promise<Finding> {
  try {
    return findingOf(name, await ask())
  } catch (error) {
    return { name, ok: false, detail: errorText(error), remedy: error instanceof CheckFailed ? error.remedy : remedy }
  }
}

/** A check that can only warn. What cannot be asked now is for another check to tell. */
export async function advisory(name: string, ask: () => Promise<Found>): Promise<Finding> {
  try {
    return findingOf(name, await ask())
  } catch (error) {
    return { name, ok: true, detail: `Not known: ${errorText(error)}` }
  }
}

function errorText(error: unknown): string {
  return scrubText(error instanceof Error ? error.message : String(error))
}

/** A question to the database. @param ms a prober waits a second or some more, a person longer */
export async function withQueueTimeout<T>(work: PromiseLike<T>, ms: number): Promise<T> {
  try {
    return await withTimeout(ms, work)
  } catch (error) {
    throw explained(error)
  }
}

export function seconds(ms: number): string {
  return `${Math.max(0, Math.round(ms / 1_000))} s`
}
