import { defineConfig } from 'vitest/config'

/** What takes longer than a test run may: `npm run soak`, and the controls of `npm run test:faults`. */
export default defineConfig({
  test: {
    include: ['test/faults/*.run.ts'],
    globalSetup: 'test/support/global-setup.ts',
    pool: 'forks',
    maxConcurrency: 10,
    disableConsoleIntercept: true,
    hookTimeout: 120_000,
    teardownTimeout: 120_000,
  },
})
