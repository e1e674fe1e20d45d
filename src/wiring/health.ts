import type { HealthReport } from '../http/health.ts'
import { assertSchemaVersion } from '../store/prisma.ts'
import type { Parts } from './parts.ts'
import { within } from './within.ts'

const PATIENCE_MS = 1_500

/** Whether the worker can do its work now. Each check is bounded in time. */
export async function healthOf(parts: Parts, isConsuming: () => boolean): Promise<HealthReport> {
  const checks = await Promise.all([
    check('database', () => assertSchemaVersion(parts.database.prisma)),
    check('queue', () => parts.queue.count()),
    check('consumption', () =>
      isConsuming() ? Promise.resolve() : Promise.reject(new Error('no looks are being made: not started yet, or stopping')),
    ),
  ])
  return { ok: checks.every((each) => each.ok), checks }
}

async function check(name: string, ask: () => Promise<unknown>): Promise<HealthReport['checks'][number]> {
  try {
    await within(PATIENCE_MS, ask())
    return { name, ok: true }
  } catch (error) {
    return { name, ok: false, detail: error instanceof Error ? error.message : String(error) }
  }
}
