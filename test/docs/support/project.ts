import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT, textOf } from './pages.ts'

/** A project that has installed the package, as its users have it. */
export interface UserProject {
  readonly folder: string
  remove(): Promise<void>
}

export async function createUserProject(): Promise<UserProject> {
  const parent = await mkdtemp(join(tmpdir(), 'docs-'))
  const folder = join(parent, 'sender')
  await mkdir(join(folder, 'node_modules'), { recursive: true })
  // What the package needs, and what users install beside it, is found in the folder above.
  await symlink(join(ROOT, 'node_modules'), join(parent, 'node_modules'), 'junction')
  await symlink(ROOT, join(folder, 'node_modules', 'dingtalk-delivery-tracker'), 'junction')
  await symlink(join(ROOT, 'dist'), join(folder, 'src'), 'junction')
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  return { folder, remove: () => rm(parent, { recursive: true, force: true }) }
}

/** Checks the types of `.ts` files as strictly as ours are, and leaves JavaScript of the same names beside them. */
export async function compile({ folder }: UserProject, files: Readonly<Record<string, string>>): Promise<void> {
  const { compilerOptions } = JSON.parse(textOf('tsconfig.json'))
  const options = {
    ...compilerOptions,
    noEmit: false,
    noEmitOnError: true,
    rewriteRelativeImportExtensions: false,
    noPropertyAccessFromIndexSignature: false,
  }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: Object.keys(files) }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  const { status, stdout } = spawnSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`the snippets have wrong types:\n${stdout}`)
}
