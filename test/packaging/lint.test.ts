import { beforeAll, expect, test } from 'vitest'
import { type Finding, lintUnderProjectRules } from './support/lint.ts'

/** A rule that never fires looks like one that the code keeps. So each is broken here, in a tree of its own, under the project's configuration. */
const OFFENCES: readonly (readonly [rule: string, file: string, code: string])[] = [
  ['eslint(no-restricted-properties)', 'src/web/env.ts', "export const port = process.env['PORT']"],
  ['eslint(no-restricted-properties)', 'src/app/env.ts', 'const { env } = process\nexport const all = env'],
  ['eslint(no-restricted-properties)', 'src/app/global-env.ts', "export const port = globalThis.process.env['PORT']"],
  ['eslint(no-restricted-properties)', 'src/domain/clock.ts', 'export const now = () => Date.now()'],
  ['eslint(no-restricted-properties)', 'src/report/chance.ts', 'export const chance = () => Math.random()'],
  ['eslint(no-restricted-globals)', 'src/domain/env.ts', "export const port = process.env['PORT']"],
  ['eslint(no-restricted-globals)', 'src/domain/timer.ts', 'export const later = (f: () => void) => setTimeout(f, 1)'],
  ['eslint(no-restricted-globals)', 'src/report/global.ts', 'export const call = globalThis.fetch'],
  ['import(no-cycle)', 'src/web/cycle-one.ts', "import { two } from './cycle-two.ts'\nexport const one = () => two"],
  ['import(no-cycle)', 'src/web/cycle-two.ts', "import { one } from './cycle-one.ts'\nexport const two = () => one"],
  ['import(no-cycle)', 'src/domain/type-cycle.ts', "import type { B } from './type-cycle-two.ts'\nexport type A = B | 1"],
  ['import(no-cycle)', 'src/domain/type-cycle-two.ts', "import type { A } from './type-cycle.ts'\nexport type B = A[]"],
  [
    'typescript(no-floating-promises)',
    'src/web/floating.ts',
    'const work = async (): Promise<void> => {}\nexport const run = () => {\n  work()\n}',
  ],
  [
    'typescript(no-misused-promises)',
    'src/web/misused.ts',
    'export const run = (given: number[]) => {\n  given.forEach(async () => {})\n}',
  ],
  ['typescript(no-explicit-any)', 'src/web/any.ts', 'export const f = (given: any): unknown => given'],
  ['typescript(no-unsafe-member-access)', 'src/web/unsafe.ts', "export const f = (): unknown => JSON.parse('{}').a"],
  ['typescript(no-unsafe-type-assertion)', 'src/web/cast.ts', 'export const f = (given: unknown) => given as string'],
  ['typescript(no-non-null-assertion)', 'src/web/bang.ts', 'export const f = (given: string | null) => given!'],
  [
    'typescript(switch-exhaustiveness-check)',
    'src/web/open-switch.ts',
    "export function f(kind: 'a' | 'b'): void {\n  switch (kind) {\n    case 'a':\n      throw new Error(kind)\n  }\n}",
  ],
  ['typescript(consistent-type-imports)', 'src/web/value-import.ts', "import { A } from './types.ts'\nexport type B = A"],
  ['eslint(max-lines)', 'src/web/long.ts', 'export {}\n'.repeat(401)],
  ['eslint(max-lines-per-function)', 'src/web/long-function.ts', `export function f(): void {\n${'  f()\n'.repeat(60)}}`],
  ['vitest(expect-expect)', 'test/a.test.ts', "import { test } from 'vitest'\ntest('asserts nothing', () => {})"],
  ['vitest(no-restricted-vi-methods)', 'test/b.test.ts', "import { vi } from 'vitest'\nvi.mock('../src/domain/plan.ts')"],
  ['vitest(no-focused-tests)', 'test/c.test.ts', "import { expect, test } from 'vitest'\ntest.only('is alone', () => expect(1).toBe(1))"],
]

const CLEAN: Readonly<Record<string, string>> = {
  'src/cli/env.ts': "export const port = process.env['PORT']",
  'scripts/env.ts': "export const port = process.env['PORT']",
  'src/domain/date.ts': 'export const at = (ms: number) => new Date(ms)',
  'src/web/types.ts': 'export interface A {\n  readonly a: 1\n}',
  'src/web/reads-a-cycle.ts': "import { one } from './cycle-one.ts'\nexport const three = () => one",
  'dist/ignored.ts': 'var x: any = process.env',
  'src/store/generated/ignored.ts': 'var x: any = process.env',
}

let findings: readonly Finding[] = []

beforeAll(async () => {
  const files = [...OFFENCES.map(([, file, code]) => [file, code] as const), ...Object.entries(CLEAN)]
  findings = await lintUnderProjectRules(new Map(files.map(([file, code]) => [file, `${code}\n`])))
}, 60_000)

const rulesIn = (file: string) => findings.filter((each) => each.file === file).map((each) => each.rule)

test.for(OFFENCES)('%s fires in %s', ([rule, file]) => {
  expect(rulesIn(file)).toContain(rule)
})

test.for(Object.keys(CLEAN))('%s is clean', (file) => {
  expect(rulesIn(file)).toEqual([])
})

test('node_modules is not linted', () => {
  expect(findings.filter((each) => each.file.startsWith('node_modules/'))).toEqual([])
})
