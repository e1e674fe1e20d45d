import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, rm, symlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { ROOT } from './lint.ts'

export interface Instruction {
  /** In capitals, such as `COPY`. */
  readonly keyword: string
  readonly value: string
}

export interface Stage {
  readonly from: string
  /** Empty: it has none. */
  readonly name: string
  readonly instructions: readonly Instruction[]
}

export interface DockerfileContent {
  /** Those before the first stage. */
  readonly args: readonly string[]
  readonly stages: readonly Stage[]
}

export async function readDockerfile(): Promise<DockerfileContent> {
  const text = (await readFile(join(ROOT, 'Dockerfile'), 'utf8')).replaceAll('\\\n', '')
  const instructions = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ keyword: line.split(' ', 1)[0] ?? '', value: line.slice(line.indexOf(' ') + 1) }))
  const starts = instructions.flatMap(({ keyword }, i) => (keyword === 'FROM' ? [i] : []))
  return {
    args: instructions.slice(0, starts[0]).map(({ value }) => value),
    stages: starts.map((start, i) => {
      const [from = '', , name = ''] = (instructions[start]?.value ?? '').split(' ')
      return { from, name, instructions: instructions.slice(start + 1, starts[i + 1]) }
    }),
  }
}

export function valuesOf(stage: Stage | undefined, keyword: string): string[] {
  return (stage?.instructions ?? []).filter((each) => each.keyword === keyword).map(({ value }) => value)
}

/** The words of an instruction in the form of a list, such as those of ENTRYPOINT and of what follows CMD. */
export function wordsOf(stage: Stage | undefined, keyword: string): string[] {
  const [value = ''] = valuesOf(stage, keyword)
  return z.array(z.string()).parse(JSON.parse(value.slice(value.indexOf('['))))
}

/**
 * Carries out the instructions of the Dockerfile without Docker, each stage in a folder of its own that stands for `/`; the Node of this machine
 * stands for the image. An install with development packages is a link to those of this checkout, which the same command made.
 * @returns the folder of the last stage, and what starts in it
 */
export async function buildWithoutDocker(parent: string): Promise<{ root: string; image: Stage }> {
  const { stages } = await readDockerfile()
  const roots = new Map<string, string>()
  let root = parent
  for (const [i, stage] of stages.entries()) {
    root = join(parent, stage.name === '' ? `stage-${i}` : stage.name)
    const base = roots.get(stage.from)
    if (base === undefined) await mkdir(root, { recursive: true })
    else await cp(base, root, { recursive: true, verbatimSymlinks: true })
    const ancestors = stages.filter(({ name }) => name === stage.from)
    await carryOut([...ancestors, stage], root, roots)
    roots.set(stage.name, root)
  }
  const image = stages.at(-1)
  if (image === undefined) throw new Error('the Dockerfile has no stage')
  return { root, image }
}

/** @param stages the one to be carried out, after those that it is based on, whose WORKDIR it has */
async function carryOut(stages: readonly Stage[], root: string, roots: ReadonlyMap<string, string>): Promise<void> {
  const workdir = valuesOf(stages.at(-1), 'WORKDIR')[0] ?? stages.flatMap((stage) => valuesOf(stage, 'WORKDIR')).at(-1) ?? '/'
  const folder = join(root, workdir)
  await mkdir(folder, { recursive: true })
  for (const { keyword, value } of stages.at(-1)?.instructions ?? []) {
    if (keyword === 'COPY') await copy(value, folder, roots)
    if (keyword === 'RUN') await run(value, folder)
  }
}

/** What a folder's name ends in decides as in Docker: the contents of a folder are copied, and a file into a folder that ends in a slash. */
async function copy(value: string, folder: string, roots: ReadonlyMap<string, string>): Promise<void> {
  const words = value.split(/\s+/)
  const stage = /^--from=(\w+)$/.exec(words[0] ?? '')?.[1]
  const paths = stage === undefined ? words : words.slice(1)
  const [sources, target = ''] = [paths.slice(0, -1), paths.at(-1)]
  for (const source of sources) {
    const from = stage === undefined ? join(ROOT, source) : join(roots.get(stage) ?? stage, source)
    const to = resolve(folder, target)
    await mkdir(dirname(to), { recursive: true })
    await cp(from, target.endsWith('/') ? join(to, source.split('/').at(-1) ?? '') : to, { recursive: true, verbatimSymlinks: true })
  }
}

async function run(command: string, folder: string): Promise<void> {
  if (command === 'npm ci --ignore-scripts') {
    await rm(join(folder, 'node_modules'), { recursive: true, force: true })
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    return
  }
  await promisify(execFile)('sh', ['-c', command], {
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', npm_config_prefer_offline: 'true' },
    maxBuffer: 2 ** 26,
  })
}
