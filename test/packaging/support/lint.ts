import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'

export const ROOT = join(import.meta.dirname, '..', '..', '..')

const OXLINT = join(ROOT, 'node_modules', 'oxlint', 'bin', 'oxlint')

const report = z.object({ diagnostics: z.array(z.object({ filename: z.string(), code: z.string() })) })

export interface Finding {
  readonly file: string
  readonly rule: string
}

/** Lints `files` (path → text) in a folder of their own under the project's own configuration. */
export async function lintUnderProjectRules(files: ReadonlyMap<string, string>): Promise<Finding[]> {
  const folder = await mkdtemp(join(tmpdir(), 'lint-'))
  try {
    await Promise.all(['.oxlintrc.json', 'tsconfig.json'].map((each) => copyFile(join(ROOT, each), join(folder, each))))
    // Types and the type-aware half of the linter are found through it. A junction needs no privilege on Windows.
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'junction')
    await Promise.all([...files].map(([path, text]) => write(join(folder, path), text)))
    return findingsIn(await runOxlint(folder))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
}

const foundSomething = z.object({ code: z.literal(1), stdout: z.string() })

async function runOxlint(folder: string): Promise<string> {
  const options = { cwd: folder, maxBuffer: 64 * 1024 * 1024 }
  try {
    return (await promisify(execFile)(process.execPath, [OXLINT, '--format=json'], options)).stdout
  } catch (error) {
    // Exit code 1 with a report means that the linter found something. Anything else is a failure of the run.
    const found = foundSomething.safeParse(error)
    if (!found.success) throw error
    return found.data.stdout
  }
}

function findingsIn(json: string): Finding[] {
  return report.parse(JSON.parse(json)).diagnostics.map(({ filename, code }) => ({ file: filename.replaceAll('\\', '/'), rule: code }))
}
