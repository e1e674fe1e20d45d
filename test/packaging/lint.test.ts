import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Finding, lintUnderProjectRules, ROOT } from './support/lint.ts'

/**
 * A lint rule that never fires looks like one that everybody keeps. So every direction is broken here, in a folder laid out as the project is,
 * under the project's own configuration.
 */

const ADAPTERS = ['dingtalk', 'queue', 'store', 'http', 'simulator', 'embedded']
/** Folders of `src/` that are no adapter. Whoever adds a folder decides here what it is, and gives it a rule. */
const OTHER_FOLDERS = ['cli', 'config', 'core', 'rates', 'service', 'wiring']

interface Direction {
  readonly file: string
  readonly refused: readonly string[]
  readonly allowed: readonly string[]
}

const ofAdapter = (adapter: string): Direction[] => {
  const others = [...ADAPTERS.filter((each) => each !== adapter), ...OTHER_FOLDERS.filter((each) => each !== 'core')]
  return [
    {
      file: `src/${adapter}/a.ts`,
      refused: [...others.map((each) => `../${each}/x.ts`), '../wiring.ts', '../config.ts', '../logger.ts', '../index.ts'],
      allowed: ['../core/ports.ts', './b.ts', './deep/b.ts', 'node:net', 'zod'],
    },
    {
      file: `src/${adapter}/deep/a.ts`,
      refused: [...others.map((each) => `../../${each}/x.ts`), '../../wiring.ts', '../../config.ts'],
      allowed: ['../../core/ports.ts', '../b.ts', './b.ts', 'node:net', 'zod'],
    },
  ]
}

const DIRECTIONS: readonly Direction[] = [
  {
    file: 'src/core/a.ts',
    refused: ['../service/poll.ts', '../config.ts', '../store/x.ts', 'node:fs', 'fs', 'zod'],
    allowed: ['./plan.ts'],
  },
  {
    file: 'src/service/a.ts',
    refused: [...ADAPTERS.map((each) => `../${each}/x.ts`), '../wiring.ts', '../config.ts', '../logger.ts', 'node:fs', 'pg'],
    allowed: ['../core/plan.ts', './permits.ts'],
  },
  ...ADAPTERS.flatMap(ofAdapter),
  { file: 'src/queue/b.ts', refused: ['undici', '@prisma/client'], allowed: ['bullmq', 'ioredis', 'pg'] },
  {
    file: 'src/intake/database.ts',
    refused: ['./delivery-store.ts', './generated/client.ts', '../queue/x.ts', '@prisma/client', '@prisma/adapter-pg', 'undici', 'bullmq'],
    allowed: ['pg', '../core/errors.ts', './session-settings.ts'],
  },
  { file: 'src/store/b.ts', refused: [], allowed: ['@prisma/client', './generated/client.ts'] },
  { file: 'src/dingtalk/b.ts', refused: [], allowed: ['undici'] },
  {
    file: 'src/index.ts',
    refused: [
      './store/delivery-store.ts',
      './store/generated/client.ts',
      './dingtalk/client.ts',
      './wiring.ts',
      './config.ts',
      'undici',
      '@prisma/client',
    ],
    allowed: ['./core/errors.ts', './queue/track-queue.ts', './store/track-door.ts'],
  },
  {
    file: 'src/rates.ts',
    refused: ['./queue/x.ts', './wiring.ts', './config.ts', './http/server.ts', './dingtalk/client.ts', 'bullmq', 'undici'],
    allowed: ['./core/errors.ts', './store/rate-reader.ts', './rates/questions.ts'],
  },
  {
    file: 'src/rates/a.ts',
    refused: ['../queue/x.ts', '../wiring.ts', '../service/poll.ts', 'bullmq'],
    allowed: ['../core/errors.ts', '../store/load-tasks.ts', './b.ts'],
  },
  {
    file: 'src/app/config/config.ts',
    refused: ['./service/poll.ts', './wiring.ts', './cli/main.ts'],
    allowed: ['./core/errors.ts', 'zod'],
  },
  { file: 'src/config/a.ts', refused: ['../service/poll.ts', '../wiring.ts', '../cli/main.ts'], allowed: ['../core/errors.ts', 'zod'] },
  { file: 'src/wiring.ts', refused: ['./cli/main.ts'], allowed: ['./service/poll.ts', './store/x.ts', './wiring/events.ts'] },
  { file: 'src/wiring/a.ts', refused: ['../cli/main.ts'], allowed: ['../service/poll.ts', '../queue/x.ts', '../logger.ts'] },
  {
    file: 'src/cli/a.ts',
    refused: ['../service/x.ts'],
    allowed: ['../wiring.ts', '../store/x.ts', '../wiring/x.ts', '../config.ts', '../core/errors.ts', './b.ts', 'commander'],
  },
  {
    file: 'src/cli/deep/a.ts',
    refused: ['../../service/x.ts'],
    allowed: ['../../wiring.ts', '../b.ts'],
  },
  { file: 'test/a.ts', refused: [], allowed: ['../src/store/x.ts', '../src/service/poll.ts', '../src/cli/main.ts', 'undici'] },
]

interface Offence {
  readonly file: string
  readonly code: string
  readonly rule: string
}

const IMPORTS = 'eslint(no-restricted-imports)'

const OFFENCES: readonly Offence[] = [
  { file: 'src/http/type-import.ts', code: "import type { Poll } from '../service/poll.ts'\nexport type A = Poll", rule: IMPORTS },
  { file: 'src/http/lazy-import.ts', code: "export const load = () => import('../service/poll.ts')", rule: IMPORTS },
  { file: 'src/http/bare-import.ts', code: "import '../service/poll.ts'", rule: IMPORTS },

  { file: 'src/http/env.ts', code: "export const port = process.env['PORT']", rule: 'eslint(no-restricted-properties)' },
  { file: 'src/wiring/env.ts', code: 'const { env } = process\nexport const all = env', rule: 'eslint(no-restricted-properties)' },
  { file: 'src/config/env.ts', code: "export const port = globalThis.process.env['PORT']", rule: 'eslint(no-restricted-properties)' },
  { file: 'src/config/env-import.ts', code: "export { env } from 'node:process'", rule: IMPORTS },
  { file: 'src/store/env-import.ts', code: "export { env } from 'process'", rule: IMPORTS },
  { file: 'src/queue/env-import.ts', code: "export { env } from 'node:process'", rule: IMPORTS },

  { file: 'src/lib/clock-offset.ts', code: 'export const now = () => Date.now()', rule: 'eslint(no-restricted-properties)' },
  { file: 'src/core/chance.ts', code: 'export const chance = () => Math.random()', rule: 'eslint(no-restricted-properties)' },
  { file: 'src/core/timer.ts', code: 'export const later = (f: () => void) => setTimeout(f, 1)', rule: 'eslint(no-restricted-globals)' },
  { file: 'src/core/global.ts', code: 'export const call = globalThis.fetch', rule: 'eslint(no-restricted-globals)' },

  { file: 'src/http/cycle-one.ts', code: "import { two } from './cycle-two.ts'\nexport const one = () => two", rule: 'import(no-cycle)' },
  { file: 'src/http/cycle-two.ts', code: "import { one } from './cycle-one.ts'\nexport const two = () => one", rule: 'import(no-cycle)' },
  { file: 'src/core/cycle-of-types.ts', code: "import type { B } from './other-type.ts'\nexport type A = B | 1", rule: 'import(no-cycle)' },
  { file: 'src/core/other-type.ts', code: "import type { A } from './cycle-of-types.ts'\nexport type B = A[]", rule: 'import(no-cycle)' },

  {
    file: 'src/http/floating.ts',
    code: 'const work = async (): Promise<void> => {}\nexport const run = () => {\n  work()\n}',
    rule: 'typescript(no-floating-promises)',
  },
  {
    file: 'src/http/misused.ts',
    code: 'export const run = (given: number[]) => {\n  given.forEach(async () => {})\n}',
    rule: 'typescript(no-misused-promises)',
  },
  { file: 'src/http/any.ts', code: 'export const f = (given: any): unknown => given', rule: 'typescript(no-explicit-any)' },
  { file: 'src/http/unsafe.ts', code: "export const f = (): unknown => JSON.parse('{}').a", rule: 'typescript(no-unsafe-member-access)' },
  { file: 'src/http/cast.ts', code: 'export const f = (given: unknown) => given as string', rule: 'typescript(no-unsafe-type-assertion)' },
  {
    file: 'src/http/open-switch.ts',
    code: "export function f(kind: 'a' | 'b'): void {\n  switch (kind) {\n    case 'a':\n      throw new Error(kind)\n  }\n}",
    rule: 'typescript(switch-exhaustiveness-check)',
  },
  {
    file: 'src/http/value-import.ts',
    code: "import { A } from './types.ts'\nexport type B = A",
    rule: 'typescript(consistent-type-imports)',
  },
  { file: 'src/http/long.ts', code: 'export {}\n'.repeat(451), rule: 'eslint(max-lines)' },

  { file: 'test/a.test.ts', code: "import { test } from 'vitest'\ntest('says nothing', () => {})", rule: 'vitest(expect-expect)' },
  { file: 'test/b.test.ts', code: "import { vi } from 'vitest'\nvi.mock('../src/core/plan.ts')", rule: 'vitest(no-restricted-vi-methods)' },
]

const CLEAN: Readonly<Record<string, string>> = {
  'src/cli/env.ts': "export const port = process.env['PORT']",
  'scripts/env.ts': "export const port = process.env['PORT']",
  'src/core/date.ts': 'export const at = (ms: number) => new Date(ms)',
  'src/http/types.ts': 'export interface A {\n  readonly a: 1\n}',
  'src/http/reads-a-cycle.ts': "import { one } from './cycle-one.ts'\nexport const three = () => one",
}

const textOf = ({ refused, allowed }: Direction) => [...refused, ...allowed].map((each) => `export * from '${each}'\n`).join('')

let findings: readonly Finding[] = []

beforeAll(async () => {
  const files = new Map([
    ...DIRECTIONS.map((each) => [each.file, textOf(each)] as const),
    ...OFFENCES.map(({ file, code }) => [file, `${code}\n`] as const),
    ...Object.entries(CLEAN).map(([file, code]) => [file, `${code}\n`] as const),
    ['dist/a.ts', 'var x: any = process.env\n'],
    ['src/store/generated/a.ts', 'var x: any = process.env\n'],
  ])
  findings = await lintUnderProjectRules(files)
}, 60_000)

const rulesOf = (file: string) => findings.filter((each) => each.file === file).map((each) => each.rule)

describe('import directions', () => {
  test.for(DIRECTIONS)('$file', ({ file, refused }) => {
    const lines = findings.filter((each) => each.file === file && each.rule === IMPORTS).map((each) => each.line)
    expect(lines.toSorted((a, b) => a - b)).toEqual(refused.map((_, i) => i + 1))
  })

  test('every folder of src is known, and so has a rule', async () => {
    const folders = (await readdir(join(ROOT, 'src'), { withFileTypes: true }))
      .filter((each) => each.isDirectory())
      .map((each) => each.name)
    expect([...ADAPTERS, ...OTHER_FOLDERS]).toEqual(expect.arrayContaining(folders))
  })
})

describe('rules that bite', () => {
  test.for(OFFENCES)('$rule in $file', ({ file, rule }) => {
    expect(rulesOf(file)).toContain(rule)
  })

  test.for(Object.keys(CLEAN))('%s is fine', (file) => {
    expect(rulesOf(file)).toEqual([])
  })

  test.for(['node_modules/', 'dist/', 'src/store/generated/'])('%s is not linted', (folder) => {
    expect(findings.filter((each) => each.file.startsWith(folder))).toEqual([])
  })
})
