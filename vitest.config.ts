import { defineConfig } from 'vitest/config'

/** Each project is a folder of `test/` and runs alone: `npx vitest run --project NAME`. */
const project = (name: string, options: { readonly globalSetup?: string | string[]; readonly maxConcurrency?: number } = {}) => ({
  extends: true as const,
  test: { name, include: [`test/${name}/**/*.test.ts`], ...options },
})

/** The faults in their long form measure how soon polls are made again: a busy machine would be in the figures. */
const IS_LONG = process.env['FAULT_SEEDS'] !== undefined

/** One PostgreSQL for the entire run, whichever of these projects are in it. */
const servers = { globalSetup: 'test/support/global-setup.ts' }

export default defineConfig({
  test: {
    projects: [
      project('domain'),
      project('report'),
      project('lib'),
      project('simulator'),
      project('cli', servers),
      project('web', servers),
      project('dingtalk'),
      project('support'),
      project('store', servers),
      project('embedded', servers),
      project('polling', servers),
      project('queue', servers),
      // Its concurrent tests wait, each for an outage.
      project('intake', { ...servers, maxConcurrency: 16 }),
      project('input', servers),
      // Its concurrent tests have a worker process each.
      project('process', { ...servers, maxConcurrency: 6 }),
      project('faults', { ...servers, maxConcurrency: IS_LONG ? 3 : 4 }),
      project('docs', servers),
      project('packaging'),
      project('browser', { globalSetup: [servers.globalSetup, 'test/browser/support/global-setup.ts'] }),
      project('ops', servers),
      project('deploy'),
    ],
    pool: 'forks',
    // A file finds the modules that the one before it has loaded: loading them anew took a quarter of all the time. So no module keeps a state.
    isolate: false,
    // More than there are cores to expect: the longest files wait for a simulated day.
    maxWorkers: IS_LONG ? 2 : 4,
    passWithNoTests: true,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 120_000,
    coverage: {
      provider: 'v8',
      include: ['src/domain/**', 'src/report/**'],
      reporter: ['text', 'html'],
      thresholds: { 'src/{domain,report}/**': { statements: 100, branches: 100, functions: 100, lines: 100 } },
    },
  },
})
