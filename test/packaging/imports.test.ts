import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { type Import, importsBelow } from '../support/imports.ts'
import { ROOT } from './support/lint.ts'

/**
 * What each folder, and each entry of the package, may import besides itself: folders and files of `src/` (`:types` permits type imports only),
 * then packages after `|`. `node:*` does not include `node:process`, which has the environment: only `cli` reads that.
 */
const ALLOWED: Readonly<Record<string, string>> = {
  domain: '|',
  report: 'domain |',
  // The client of PostgreSQL reads certificates and the file of passwords. `@opentelemetry/api` is for its types: it is loaded where the host
  // program has set a provider.
  lib: 'domain | @opentelemetry/api pg yazl node:events node:fs node:module node:os node:path node:stream node:timers/promises node:tls',
  polling: 'domain report intake:types lib | node:timers/promises',
  // The sending application loads this, so it stays without Prisma and undici.
  intake: 'domain lib queue store/session-settings.ts | bullmq pg node:crypto node:net',
  queue: 'domain report intake polling:types lib | bullmq ioredis pg node:*',
  store: 'domain report intake polling:types lib | @prisma/* pg zod node:*',
  dingtalk: 'domain polling:types lib | undici node:*',
  ops: 'domain report polling:types lib store queue dingtalk | pg pino pino-pretty prom-client node:*',
  web: 'domain report intake polling ops lib | fastify @fastify/* fastify-type-provider-zod zod node:*',
  // Its answers are what the tracker is checked against: it shares no rule with it.
  simulator: 'domain/errors.ts domain/quote.ts lib | zod node:*',
  embedded: 'domain/errors.ts lib | pg zod node:*',
  app: 'domain report intake polling lib queue store dingtalk ops web | chinese-days zod node:*',
  cli: '* | commander cli-progress cli-table3 csv-parse picocolors read-excel-file string-width zod node:* node:process',
  'index.ts': 'domain intake lib |',
  'rates.ts': 'domain report intake lib store |',
  'worker.ts': 'domain ops dingtalk:types queue:types web:types app |',
}

const rowOf = (path: string) => path.split('/')[0] ?? ''

function isAllowed({ from, to, isPackage, isType }: Import): boolean {
  const [folders = '', packages = ''] = (ALLOWED[rowOf(from)] ?? '').split('|').map((list) => ` ${list.trim()} `)
  const has = (list: string, ...names: string[]) => names.some((name) => list.includes(` ${name} `))
  if (!isPackage) return rowOf(from) === rowOf(to) || has(folders, '*', rowOf(to), to) || (isType && has(folders, `${rowOf(to)}:types`))
  if (to.startsWith('node:')) return has(packages, to) || (to !== 'node:process' && has(packages, 'node:*'))
  const [scope = '', name = ''] = to.split('/')
  return has(packages, scope.startsWith('@') ? `${scope}/${name}` : scope, `${scope}/*`)
}

const findViolations = (root: string) =>
  importsBelow(root)
    .filter((each) => !isAllowed(each))
    .map(({ from, to }) => `${from} imports ${to}`)

test('every import follows the map', () => {
  expect(findViolations(join(ROOT, 'src'))).toEqual([])
})

/** Packages that one command uses, each some megabytes: no other command may wait for them. */
const LATE = /^import (?!type ).* from '(csv-parse|read-excel-file)/m

test('the packages that read a file of people are loaded by their command alone', async () => {
  const files = ['read-csv.ts', 'read-xlsx.ts', 'read-file.ts', '../people-import.ts'].map((name) =>
    join(ROOT, 'src', 'cli', 'people', name),
  )
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')))
  expect(texts.filter((text) => LATE.test(text))).toEqual([])
  expect(texts.join('\n')).toMatch(
    /await import\('csv-parse\/sync'\)[^]*await import\('read-excel-file\/node'\)[^]*await import\('\.\/people\/read-file\.ts'\)/,
  )
})

test('a violation is found in every form of an import', async () => {
  const root = await mkdtemp(join(tmpdir(), 'imports-'))
  const files = {
    'domain/plan.ts': "import { merge } from './merge.ts'\nimport type { Store } from '../store/store.ts'\nimport 'node:fs'\n",
    'report/page.ts': "import {\n  type A,\n  b,\n} from '../domain/a.ts'\nexport {\n  type Pool,\n} from 'pg'\nexport * from 'zod/mini'\n",
    'queue/worker.ts': "import type { Poll } from '../polling/ports.ts'\nimport { poll } from '../polling/poll.ts'\n",
    'web/deep/page.ts': "const load = () => import('../../store/prisma.ts')\ntype Row = import('../../queue/a.ts').Row\n",
    'app/env.ts': "import process, { env } from 'node:process'\nimport * as path from 'node:path'\n",
    'intake/queue.ts': "import { PrismaClient } from '@prisma/client'\nimport { settings } from '../store/session-settings.ts'\n",
    'unknown/file.ts': "export { type Plan } from '../domain/plan.ts'\nexport const from = 'text'\n",
  }
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, file)), { recursive: true })
    await writeFile(join(root, file), text)
  }
  try {
    expect(findViolations(root).toSorted()).toEqual([
      'app/env.ts imports node:process',
      'domain/plan.ts imports node:fs',
      'domain/plan.ts imports store/store.ts',
      'intake/queue.ts imports @prisma/client',
      'queue/worker.ts imports polling/poll.ts',
      'report/page.ts imports pg',
      'report/page.ts imports zod/mini',
      'unknown/file.ts imports domain/plan.ts',
      'web/deep/page.ts imports queue/a.ts',
      'web/deep/page.ts imports store/prisma.ts',
    ])
  } finally {
    await rm(root, { recursive: true, force: true })
  }
})
