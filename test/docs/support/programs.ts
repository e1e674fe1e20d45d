import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

/** How the programs of a page in one language are run, where what they need is installed. */
export interface Toolchain {
  /** What is missing, with the Debian package that has it; null: nothing is. */
  readonly missing: string | null
  /** @returns the command that runs the program, after it was compiled where that is a step of its own */
  prepare(folder: string, program: string): Promise<{ readonly command: string; readonly args: readonly string[] }>
}

export interface ProgramRun {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface Program {
  /** @param env all that it gets besides PATH */
  run(env: Readonly<Record<string, string>>): Promise<ProgramRun>
  remove(): Promise<void>
}

const JDBC = '/usr/share/java/postgresql.jar'
/** Where Debian puts the sources of Go libraries. */
const GOPATH = '/usr/share/gocode'

const succeeds = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0

/** A machine may have several; a driver is installed for one of them. */
const pythons = ['python3', '/usr/bin/python3'].filter((command) => succeeds(command, '--version'))
const pythonWithDriver = pythons.find((command) => succeeds(command, '-c', 'import psycopg'))
const hasJava = succeeds('javac', '-version')
const hasGo = succeeds('go', 'version')

function python(command: string | undefined, wanted: string): Toolchain {
  return {
    missing: command === undefined ? wanted : null,
    async prepare(folder, program) {
      await writeFile(join(folder, 'sender.py'), program)
      return { command: command ?? 'python3', args: [join(folder, 'sender.py')] }
    },
  }
}

function java(name: string, library: string | null): Toolchain {
  const missing = !hasJava
    ? 'a JDK (default-jdk-headless)'
    : library !== null && !existsSync(library)
      ? 'the JDBC driver (libpostgresql-jdbc-java)'
      : null
  return {
    missing,
    async prepare(folder, program) {
      await writeFile(join(folder, `${name}.java`), program)
      const { code, stderr } = await execute('javac', ['-Xlint:all', '-Werror', '-d', folder, join(folder, `${name}.java`)], {})
      if (code !== 0) throw new Error(`the program does not compile:\n${stderr}`)
      return { command: 'java', args: ['-cp', [folder, ...(library === null ? [] : [library])].join(delimiter), name] }
    },
  }
}

function go(library: string | null): Toolchain {
  const missing = !hasGo
    ? 'Go (golang-go)'
    : library !== null && !existsSync(join(GOPATH, 'src', library))
      ? 'the driver lib/pq (golang-github-lib-pq-dev)'
      : null
  return {
    missing,
    async prepare(folder, program) {
      const [source, binary] = [join(folder, 'sender.go'), join(folder, 'sender')]
      await writeFile(source, program)
      const env = { GO111MODULE: 'off', GOPATH, GOCACHE: join(tmpdir(), 'dingtalk-delivery-go-cache'), CGO_ENABLED: '0' }
      const { code, stderr } = await execute('go', ['build', '-o', binary, source], env)
      if (code !== 0) throw new Error(`the program does not compile:\n${stderr}`)
      return { command: binary, args: [] }
    },
  }
}

/** By language and way. */
export const TOOLCHAINS = {
  python: { http: python(pythons[0], 'Python (python3)'), sql: python(pythonWithDriver, 'psycopg for Python (python3-psycopg)') },
  java: { http: java('HttpSender', null), sql: java('SqlSender', JDBC) },
  go: { http: go(null), sql: go('github.com/lib/pq') },
} as const satisfies Record<string, Record<'http' | 'sql', Toolchain>>

/** Puts a program into a folder of its own, and compiles it where its language needs that. */
export async function createProgram(toolchain: Toolchain, text: string): Promise<Program> {
  const folder = await mkdtemp(join(tmpdir(), 'sender-'))
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true })
  try {
    const { command, args } = await toolchain.prepare(folder, text)
    return { run: (env) => execute(command, args, env), remove }
  } catch (error) {
    await remove()
    throw error
  }
}

function execute(command: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<ProgramRun> {
  const own = { PATH: [process.env['PATH'] ?? '', '/usr/local/bin', '/usr/bin', '/bin'].join(delimiter), ...env }
  return new Promise((resolve, reject) => {
    execFile(command, args, { env: own, encoding: 'utf8', timeout: 110_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code
      if (typeof code === 'number') resolve({ code, stdout, stderr })
      else reject(new Error(`${command} did not end by itself:\n${stderr}${stdout}`, { cause: error }))
    })
  })
}
