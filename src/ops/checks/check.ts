import { type Finding, type Found, toFinding } from '../../lib/finding.ts'
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

/** A check without which the work cannot be done. @param remedy for an error that names none */
export async function required(name: string, remedy: string, check: () => Promise<Found>): Promise<Finding> {
  try {
    return toFinding(name, await check())
  } catch (error) {
    return { name, ok: false, detail: formatError(error), remedy: error instanceof CheckFailed ? error.remedy : remedy }
  }
}

/** A check that can only warn. Where it fails its result is not known, and another check reports the cause. */
export async function warning(name: string, check: () => Promise<Found>): Promise<Finding> {
  try {
    return toFinding(name, await check())
  } catch (error) {
    return { name, ok: true, detail: `Not known: ${formatError(error)}` }
  }
}

function formatError(error: unknown): string {
  return scrubText(error instanceof Error ? error.message : String(error))
}

/** @throws {TrackerError} for every error of the database, a timeout among them */
export async function withDatabaseTimeout<T>(timeoutMs: number, work: PromiseLike<T>): Promise<T> {
  try {
    return await withTimeout(timeoutMs, work, () => new Error(`timeout, no answer within ${timeoutMs} ms`))
  } catch (error) {
    throw explained(error)
  }
}

export function seconds(ms: number): string {
  return `${Math.max(0, Math.round(ms / 1_000))} s`
}
