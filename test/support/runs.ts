/**
 * How many runs a property gets: all of them, or the share that TEST_RUNS says. The quick set makes a tenth (vitest.config.ts);
 * `TEST_RUNS=10 npx vitest run --project domain` makes ten times as many.
 */
export function runs(all: number): number {
  return Math.max(Math.min(all, 10), Math.ceil(all * Number(process.env['TEST_RUNS'] ?? '1')))
}
