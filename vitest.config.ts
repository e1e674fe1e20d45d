import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

/**
 * The tests stand in two sets. `npm test` runs the quick one (`--mode quick`): the whole behaviour, in process. The full set is what
 * `npm run check:full` adds (`--mode rest`): projects that are about processes, outages and browsers, and the files named `*.full.test.ts`.
 * A file named `*random*.test.ts` is in both: with few runs in the quick set, with all in the full one. Without a mode everything runs.
 */
const FULL_PROJECTS: ReadonlySet<string> = new Set(['browser', 'faults', 'process'])

const QUICK = 'quick'
const REST = 'rest'

/** The faults in their long form measure how soon polls are made again: a busy machine would be in the figures. */
const IS_LONG = process.env['FAULT_SEEDS'] !== undefined

/**
 * Compressed days have a poll each few seconds. They run after the other projects, whose installs, compilers and restores would make polls late.
 */
const AFTER_OTHERS = { sequence: { groupOrder: 1 } }

/** One PostgreSQL and one Redis for the entire run, whichever of these projects are in it. */
const SERVERS = 'test/support/global-setup.ts'

export default defineConfig(({ mode }) => {
  /** Each project is a folder of `test/` and runs alone: `npx vitest run --project NAME`. */
  const project = (
    name: string,
    options: {
      readonly globalSetup?: string | string[]
      readonly maxConcurrency?: number
      readonly sequence?: { readonly groupOrder: number }
    } = {},
  ) => ({
    extends: true as const,
    // TEST_RUNS is the share of the runs of a property that are made: test/support/runs.ts.
    // Whatever the mode decides is given here: what a project extends is read without the mode.
    test: { name, env: { TEST_RUNS: process.env['TEST_RUNS'] ?? (mode === QUICK ? '0.1' : '1') }, ...filesOf(name, mode), ...options },
  })
  const servers = { globalSetup: SERVERS }
  const reports = process.env['TEST_REPORTS']
  return {
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
        project('process', { ...servers, ...AFTER_OTHERS, maxConcurrency: 6 }),
        project('faults', { ...servers, ...AFTER_OTHERS, maxConcurrency: IS_LONG ? 3 : 4 }),
        project('docs', servers),
        project('packaging'),
        project('browser', { globalSetup: [SERVERS, 'test/browser/support/global-setup.ts'] }),
        project('ops', servers),
        project('deploy'),
      ],
      // For scripts/check.mjs, which counts.
      reporters: reports === undefined ? ['default'] : ['default', ['json', { outputFile: join(reports, `${mode}-${process.pid}.json`) }]],
      pool: 'forks',
      // A file finds the modules that the one before it has loaded: loading them anew took a quarter of all the time. So no module keeps a state.
      isolate: false,
      // More than there are cores to expect: many files wait for a server.
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
  }
})

function filesOf(name: string, mode: string): { include: string[]; exclude?: string[] } {
  const all = `test/${name}/**/*.test.ts`
  const full = `test/${name}/**/*.full.test.ts`
  const isFull = FULL_PROJECTS.has(name)
  if (mode === QUICK) return { include: isFull ? [] : [all], exclude: [full] }
  if (mode === REST) return { include: isFull ? [all] : [full, `test/${name}/**/*random*.test.ts`] }
  return { include: [all] }
}
