import { MINUTE_MS } from '../../domain/delivery.ts'
import { TrackerError } from '../../domain/errors.ts'
import type { RateReader } from '../../report/rates.ts'

/** For so long the number of apps is reused: it hardly ever changes, and a page of one task must not cost the statements of all apps. */
const REUSE_MS = 10 * MINUTE_MS

/**
 * Whether there are several apps: where there is one only, no page shows its name. The first call waits for the database, later ones get the
 * known answer, which is renewed beside them. Where it cannot be read, there may be several.
 * @throws {TrackerError} `DATABASE_UNAVAILABLE` from the first call, so that a page does not wait twice
 */
export function createAppCount(rates: Pick<RateReader, 'apps'>, now: () => Date): () => Promise<boolean> {
  let known: { readonly several: boolean; readonly atMs: number } | null = null
  let running: Promise<boolean> | null = null
  const read = async (): Promise<boolean> => {
    try {
      const several = (await rates.apps()).length > 1
      known = { several, atMs: now().getTime() }
      return several
    } catch (error) {
      if (error instanceof TrackerError && error.code === 'DATABASE_UNAVAILABLE') throw error
      return true
    } finally {
      running = null
    }
  }
  return async () => {
    const isFresh = known !== null && Math.abs(now().getTime() - known.atMs) < REUSE_MS
    if (isFresh && known !== null) return known.several
    running ??= read()
    if (known === null) return await running
    // The answer is not waited for, and the page itself meets the same failure.
    void running.catch(() => undefined)
    return known.several
  }
}
