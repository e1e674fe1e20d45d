import { execFile } from 'node:child_process'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { SchemaEngine } from '@prisma/schema-engine-wasm'
import { withSchemaEngine } from './schema-engine.ts'

/** A folder with a Prisma project, in which the real command `prisma` runs. Its engine, a native program, is replaced by the one of WebAssembly. */
export interface PrismaProject {
  readonly folder: string
  /** Replaces the models. */
  write(model: string): Promise<void>
  /** What it printed, and its exit code. */
  prisma(...args: readonly string[]): Promise<{ readonly code: number; readonly output: string }>
  remove(): Promise<void>
}

const ROOT = join(import.meta.dirname, '../../..')
const PIPE = join(import.meta.dirname, 'schema-engine-pipe.mjs')
/** A single command takes two seconds, and ten where other tests run. */
const TIMEOUT_MS = 120_000

interface ProjectOptions {
  /** Of `?schema=`. */
  readonly schema: string
  /** The folder with the migrations. Default: `migrations` in the project. */
  readonly migrations?: string
}

export async function createPrismaProject(
  databaseUrl: string,
  { schema, migrations = 'migrations' }: ProjectOptions,
): Promise<PrismaProject> {
  const folder = await mkdtemp(join(tmpdir(), 'prisma-project-'))
  const modelFile = join(folder, 'schema.prisma')
  const url = `${databaseUrl}?schema=${schema}`
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  await writeFile(
    join(folder, 'prisma.config.ts'),
    `import { defineConfig } from 'prisma/config'
export default defineConfig(${JSON.stringify({ schema: 'schema.prisma', migrations: { path: migrations }, datasource: { url } })})
`,
  )
  let model = ''
  const socket = join(folder, 'engine.sock')
  const server = await listen(socket, (connection) => serveEngine(connection, databaseUrl, () => ({ schema, model })))
  return {
    folder,
    async write(text) {
      model = text
      await writeFile(modelFile, text)
    },
    prisma: (...args) => run(folder, socket, args),
    async remove() {
      await new Promise((resolve) => server.close(resolve))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function listen(path: string, onConnection: (connection: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(onConnection).on('error', reject)
    server.listen(path, () => resolve(server))
  })
}

function run(folder: string, socket: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  const env = {
    ...process.env,
    NO_COLOR: '1',
    FORCE_COLOR: '0',
    PRISMA_SCHEMA_ENGINE_BINARY: PIPE,
    SCHEMA_ENGINE_SOCKET: socket,
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
    CHECKPOINT_DISABLE: '1',
    CI: '',
  }
  const command = [...ON_TERMINAL, join(folder, 'node_modules/prisma/build/index.js'), ...args]
  return new Promise((resolve) => {
    const child = execFile(process.execPath, command, { cwd: folder, env, timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ code, output: `${stdout}${stderr}` })
    })
    // A question gets no answer: the command fails.
    child.stdin?.end()
  })
}

/** `migrate dev` runs on a terminal only, although it asks nothing here. */
const ON_TERMINAL = ['--import', 'data:text/javascript,process.stdin.isTTY=process.stdout.isTTY=true']

interface Request {
  readonly id: number
  readonly method: string
  readonly params: unknown
}

/** One engine of one command: JSON-RPC, a message a line. The first line has the arguments of the binary. */
function serveEngine(connection: Socket, databaseUrl: string, settings: () => { schema: string; model: string }): void {
  const lines = createInterface({ input: connection })[Symbol.asyncIterator]()
  connection.on('error', () => connection.destroy())
  const serve = async (): Promise<void> => {
    const first: unknown = JSON.parse(String((await lines.next()).value))
    // `cli can-connect-to-database`: the test's database is there.
    if (Array.isArray(first) && first.includes('cli')) return
    await withSchemaEngine(
      databaseUrl,
      (engine) => answerAll(engine, lines, (message) => connection.write(`${JSON.stringify(message)}\n`)),
      settings(),
    )
  }
  void serve().finally(() => connection.end())
}

async function answerAll(engine: SchemaEngine, lines: AsyncIterator<string>, send: (message: object) => void): Promise<void> {
  for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
    const request = JSON.parse(line.value) as Partial<Request>
    if (request.method === undefined) continue
    const { id } = request
    try {
      const result = await call(engine, request.method, request.params)
      // The binary prints what the other engine returns.
      if (request.method === 'diff' && hasText(result))
        send({ jsonrpc: '2.0', id: `print-${id}`, method: 'print', params: { content: result.stdout } })
      send({ jsonrpc: '2.0', id, result: result ?? null })
    } catch (error) {
      const { code = '', message } = error as { code?: string; message: string }
      send({
        jsonrpc: '2.0',
        id,
        error: {
          code: 4466,
          message: 'An error happened. Check the data field for details.',
          data: { is_panic: false, message, meta: null, error_code: code },
        },
      })
    }
  }
}

function hasText(result: unknown): result is { readonly stdout: string } {
  return typeof result === 'object' && result !== null && 'stdout' in result && typeof result.stdout === 'string'
}

const RENAMED: Readonly<Record<string, string>> = { getDatabaseVersion: 'version' }

async function call(engine: SchemaEngine, method: string, params: unknown): Promise<unknown> {
  const work: unknown = Reflect.get(engine, RENAMED[method] ?? method)
  if (typeof work !== 'function') throw new Error(`the engine has no method ${method}`)
  return await Reflect.apply(work, engine, [params])
}
