import type { CallForecast } from '../../src/domain/schedule/call-forecast.ts'

/** Half of November is over, a quarter of 4,000 calls is used, and they last. */
export function aForecast(changes: Partial<CallForecast> = {}): CallForecast {
  return {
    ...{ app: 'hr', month: '2026-11', budget: 4_000, used: 1_000, left: 3_000, reserved: 4, planned: 40, usedShare: 0.25, monthShare: 0.5 },
    ...{ monthEndsAt: new Date('2026-11-30T16:00:00Z'), readAt: new Date('2026-11-15T16:00:00Z'), usedUpAt: null, endsEarly: false },
    ...{ tasksAdmittable: 2_724, tasksExpected: 60, tasksRefused: 0, warning: null },
    ...changes,
  }
}
