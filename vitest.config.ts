import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * The tests stand in two sets. `npm test` runs the quick one (`--mode quick`): the whole behaviour, in process. The full set adds projects that
 * are about processes, outages and browsers, and the files named `*.full.test.ts`. A file named `*random*.test.ts` is in both: with few runs in
 * the quick set, with all in the full one. Without a mode everything runs.
 *
 * After `npm test`, `npm run check:full` runs `--mode core`, which is covered and so has its quick tests too, and `--mode rest`, which is all else.
 */
const FULL_PROJECTS: ReadonlySet<string> = new Set(['bench', 'browser', 'faults', 'process'])
/** Those that cover `src/domain` and `src/report`. */
const CORE_PROJECTS: ReadonlySet<string> = new Set(['domain', 'intake', 'report'])

/**
 * Files that take many minutes, the longest first. What of them starts last is waited for by an idle machine. Compressed days are not among them: several at
 * once make one another late.
 */
const LONGEST = ['packaging/first-ten-minutes.full', 'bench/bench']

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => LONGEST.findIndex((file) => moduleId.endsWith(`/test/${file}.test.ts`))
    const sorted = await super.sort(files)
    const first = sorted.filter((file) => rank(file) >= 0).toSorted((a, b) => rank(a) - rank(b))
    return [...first, ...sorted.filter((file) => rank(file) < 0)]
  }
}

/** The faults in their long form measure how soon polls are made again: a busy machine would be in the figures. */
const IS_LONG = process.env['FAULT_SEEDS'] !== undefined

/**
 * Compressed days have a poll each few seconds. They run after the other projects, whose installs, compilers and restores would make polls late, and one file
 * at a time: beside other days some calls were made and not counted, which is not explained yet.
 */
const DAYS = { sequence: { groupOrder: 1 }, maxWorkers: 1 }
const OUTAGES = { sequence: { groupOrder: 2 }, maxWorkers: 2 }

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
    test: { name, env: { TEST_RUNS: process.env['TEST_RUNS'] ?? (mode === 'quick' ? '0.1' : '1') }, ...filesOf(name, mode), ...options },
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
        project('bench'),
        // Its concurrent tests have a worker process each.
        project('process', { ...servers, ...DAYS, maxConcurrency: 6 }),
        project('faults', { ...servers, ...OUTAGES, maxConcurrency: IS_LONG ? 3 : 4 }),
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
      sequence: { sequencer: LongestFirst },
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
  const random = `test/${name}/**/*random*.test.ts`
  const isFull = FULL_PROJECTS.has(name)
  const isCore = CORE_PROJECTS.has(name)
  switch (mode) {
    case 'quick':
      return { include: isFull ? [] : [all], exclude: [full] }
    case 'core':
      return { include: isCore ? [all] : [] }
    case 'rest':
      return { include: isCore ? [] : isFull ? [all] : [full, random] }
    default:
      return { include: [all] }
  }
}
