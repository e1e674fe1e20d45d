import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'

/** The package as `npm publish` would send it, put into a project as `npm install` would. Needs `npm run build` first. */

const ROOT = join(import.meta.dirname, '..', '..')
const run = promisify(execFile)
const packed = z.array(z.object({ filename: z.string(), files: z.array(z.object({ path: z.string(), mode: z.number() })) })).length(1)

const manifest = z.object({ dependencies: z.record(z.string(), z.string()), peerDependencies: z.record(z.string(), z.string()) })

let folder = ''
let files: readonly { readonly path: string; readonly mode: number }[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'package-'))
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: ROOT })
  const [tarball] = packed.parse(JSON.parse(stdout))
  if (tarball === undefined) throw new Error('npm pack made nothing')
  files = tarball.files
  await run('tar', ['-xzf', tarball.filename], { cwd: folder })
  // Dependencies are found in the folder above, as in any project.
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'junction')
  await mkdir(join(folder, 'sender', 'node_modules'), { recursive: true })
  await symlink(join(folder, 'package'), join(folder, 'sender', 'node_modules', 'dingtalk-delivery-tracker'), 'junction')
}, 60_000)

afterAll(() => rm(folder, { recursive: true, force: true }))

const paths = () => files.map((file) => file.path)

test('it holds the build, the migrations and the papers, and nothing else', () => {
  expect(paths()).toEqual(
    expect.arrayContaining([
      ...['dist/index.js', 'dist/index.d.ts', 'dist/rates.js', 'dist/rates.d.ts', 'dist/worker.js', 'README.md', 'LICENSE', 'CHANGELOG.md'],
    ]),
  )
  expect(paths().some((path) => /^prisma\/migrations\/\w+\/migration\.sql$/.test(path))).toBe(true)
  const homes = [
    'dist/',
    'docs/',
    'deploy/',
    'examples/',
    'prisma/migrations/',
    'prisma/schema.prisma',
    'README.md',
    'README.zh-CN.md',
    'LICENSE',
    'CHANGELOG.md',
    'package.json',
    'SECURITY.md',
  ]
  expect(paths().filter((path) => !homes.some((home) => path.startsWith(home)))).toEqual([])
})

test('its command can be executed', () => {
  const command = files.find((file) => file.path === 'dist/cli/main.js')
  expect((command?.mode ?? 0) & 0o111).not.toBe(0)
})

test('its command runs from where it was installed', async () => {
  const { stdout } = await run(process.execPath, [join(folder, 'package', 'dist', 'cli', 'main.js'), '--help'], { cwd: folder })
  expect(stdout).toMatch(/worker/)
  expect(stdout).toMatch(/migrate/)
})

test('sending code imports the door by the name of the package', async () => {
  const code =
    "import { createTracker } from 'dingtalk-delivery-tracker'; import * as worker from 'dingtalk-delivery-tracker/worker'; console.log(typeof createTracker, typeof worker)"
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', code], { cwd: join(folder, 'sender') })
  expect(stdout.trim()).toBe('function object')
})

test('CommonJS requires every entry by the name of the package, and the sender stays without Prisma and undici', async () => {
  const code = `
    const sender = require('dingtalk-delivery-tracker')
    const early = Object.keys(require.cache).filter((file) => /[\\\\/](undici|prisma)[\\\\/]/.test(file)).length
    const [rates, worker, simulator] = ['rates', 'worker', 'simulator'].map((name) => require('dingtalk-delivery-tracker/' + name))
    const names = [sender, rates, worker, simulator].map((entry) => Object.keys(entry).sort().join())
    console.log(early, sender.TrackerError === rates.TrackerError && rates.TrackerError === worker.TrackerError, names.join(' '))`
  const { stdout } = await run(process.execPath, ['--input-type=commonjs', '--eval', code], { cwd: join(folder, 'sender') })
  expect(stdout.trim()).toBe(
    '0 true InvalidInputError,TrackerError,createTracker InvalidInputError,TrackerError,createRates TrackerError,createWorker startSimulator',
  )
})

test('every package that the build imports is a dependency, or is inside it with its licence', async () => {
  const { dependencies, peerDependencies } = manifest.parse(JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')))
  const built = paths().filter((path) => /^dist\/.*\.c?js$/.test(path) && !path.includes('/dashboard/assets/'))
  const texts = await Promise.all(built.map((path) => readFile(join(folder, 'package', path), 'utf8')))
  const imported = texts.flatMap((text) => [...text.matchAll(SPECIFIER)].map((match) => packageOf(match[1] ?? match[2] ?? '')))
  const known = new Set([...Object.keys(dependencies), ...Object.keys(peerDependencies)])
  expect(new Set(imported).size).toBeGreaterThan(10)
  expect([...new Set(imported)].filter((name) => !known.has(name) && !isBuiltin(name))).toEqual([])
  expect(await readFile(join(folder, 'package', 'dist', 'prisma', 'LICENSES.txt'), 'utf8')).toMatch(/^@prisma\/client 7[^]*Apache License/m)
})

/** A static import or export, or `require`, of a package. */
const SPECIFIER = /^(?:import|export)\b(?:[^'"\n]*\bfrom)?\s*['"]([^.'"#/][^'"]*)['"]|\brequire\("([^.#/"][^"]*)"\)/gm

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

test('the types that an app checks name no package but those that it has: none of Prisma', async () => {
  const seen = new Map<string, string>()
  const visit = async (path: string): Promise<void> => {
    if (seen.has(path)) return
    const text = await readFile(join(folder, 'package', path), 'utf8')
    seen.set(path, text)
    for (const [, found = ''] of text.matchAll(/(?:from|import\()\s*['"](\.[^'"]+)\.js['"]/g))
      await visit(posix.join(posix.dirname(path), `${found}.d.ts`))
  }
  for (const home of ['dist', 'dist/cjs'])
    for (const entry of ['index', 'rates', 'worker', 'simulator/simulator']) await visit(`${home}/${entry}.d.ts`)
  const imported = [...seen.values()].flatMap((text) =>
    [...text.matchAll(/^(?:import|export)\b.*\bfrom\s*['"]([^.'"][^'"]*)['"]/gm)].map((match) => match[1]),
  )
  expect(new Set(imported)).toEqual(new Set(['ioredis', 'node:net', 'pino', 'zod']))
  expect([...seen.values()].filter((text) => /from\s+['"]\.[^'"]+\.ts['"]/.test(text))).toEqual([])
})

test('programs import the rates by the name of the package', async () => {
  const code = "import * as rates from 'dingtalk-delivery-tracker/rates'; console.log(Object.keys(rates).sort().join())"
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', code], { cwd: join(folder, 'sender') })
  expect(stdout.trim()).toBe('InvalidInputError,TrackerError,createRates')
})

test('the types of the rates are found by the name of the package, and say what is wrong', async () => {
  await writeFile(join(folder, 'sender', 'package.json'), '{ "type": "module" }')
  await writeFile(join(folder, 'sender', 'report.ts'), REPORT)
  const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--types', '']
  const { stdout } = await run(process.execPath, [compiler, ...options, 'report.ts'], { cwd: join(folder, 'sender') })
  expect(stdout).toBe('')
})

/** What a program may rely on. Where an error is expected and there is none, the compiler says so. */
const REPORT = `
import { createRates, type CampaignComparison, type CampaignRates, type DepartmentRates, type Page, type Person, type PersonTask, type RecipientStatus,
  TrackerError } from 'dingtalk-delivery-tracker/rates'

export async function report(databaseUrl: string): Promise<string[]> {
  const rates = createRates({ databaseUrl })
  const { items, nextCursor }: Page<CampaignRates> = await rates.campaigns({ search: 'payroll', since: new Date(0), limit: 10 })
  const unread: RecipientStatus[] = await rates.recipients(256271667526n, { state: 'unread' })
  const { quantiles } = await rates.timeToRead({ taskId: 256271667526n })
  const bounds: Array<number | null> = quantiles.flatMap(({ afterMs, beforeMs, certain }) => [afterMs, beforeMs, certain.beforeMs])
  const rate: number | null | undefined = items[0]?.readRate
  const people: Page<Person> = await rates.people({ department: 'Headquarters/Sales', search: 'ann' })
  const sent: Page<PersonTask> = await rates.personTasks('ann', { limit: 10 })
  const departments: DepartmentRates[] = await rates.campaignDepartments('payroll-11')
  const compared: readonly CampaignComparison[] = await rates.compare(['payroll-10', 'payroll-11'])
  const names: Array<string | null> = [...unread, ...people.items, ...sent.items].map(({ name }) => name)
  const paths: Array<string | null> = departments.map(({ department }) => department)
  const minutes: number[] = compared.flatMap(({ points }) => points.map((point) => point.minutes))
  // @ts-expect-error a name may be null
  people.items[0]?.name.length
  // @ts-expect-error a misspelt state
  await rates.recipients('1', { state: 'opened' })
  // @ts-expect-error a misspelt filter
  await rates.recipients('1', { status: 'unread' })
  // @ts-expect-error a rate may be null
  items[0]?.readRate.toFixed(1)
  await rates.close()
  return [String(nextCursor), String(rate), String(bounds), String(names), String(paths), String(minutes), ...unread.map(({ userId }) => userId)]
}

export const isMissing = (error: unknown): boolean => error instanceof TrackerError && error.code === 'TASK_NOT_FOUND'
`

test('what is inside is not importable, so that it may change', async () => {
  const inside = run(process.execPath, ['--input-type=module', '--eval', "await import('dingtalk-delivery-tracker/dist/wiring.js')"], {
    cwd: join(folder, 'sender'),
  })
  await expect(inside).rejects.toMatchObject({ stderr: expect.stringContaining('ERR_PACKAGE_PATH_NOT_EXPORTED') })
})
