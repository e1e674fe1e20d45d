// What the parts of scripts/first-ten-minutes.mjs share: folders, commands as a reader has them, and a database.
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'

export const ROOT = join(import.meta.dirname, '..', '..')
export const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
/** npm takes from its cache what it has. */
const NPM_INSTALL = ['install', '--no-audit', '--no-fund', '--prefer-offline']

/**
 * A new folder that the embedded PostgreSQL may enter where this runs as root: it then is another user.
 * @param {Array<() => unknown>} closers get what removes it
 */
export function makeFolder(closers, name) {
  const folder = mkdtempSync(join(tmpdir(), `${name}-`))
  chmodSync(folder, 0o755)
  closers.push(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Nothing on PATH but the system's own programs and Node with its npm, which are at `node` where that is another one than this. */
export function readersEnv(node = dirname(process.execPath), more = {}) {
  const kept = Object.fromEntries(
    [
      'HOME',
      'TMPDIR',
      'LANG',
      'HTTP_PROXY',
      'HTTPS_PROXY',
      'NO_PROXY',
      'NODE_EXTRA_CA_CERTS',
      'npm_config_registry',
      'npm_config_cache',
    ].flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  )
  return { ...kept, PATH: [node, '/usr/local/bin', '/usr/bin', '/bin'].join(delimiter), ...more }
}

/**
 * Runs a command to its end.
 * @throws {Error} with all that it wrote, where it does not end with `code`
 */
export async function run(command, args, { cwd, env = readersEnv(), code = 0, timeoutMs = 600_000 }) {
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  const output = { stdout: '', stderr: '' }
  for (const stream of /** @type {const} */ (['stdout', 'stderr']))
    child[stream].setEncoding('utf8').on('data', (text) => (output[stream] += text))
  const ended = await new Promise((resolve, reject) => child.on('error', reject).on('close', (status, signal) => resolve(status ?? signal)))
  clearTimeout(timer)
  if (ended !== code) throw new Error(`${command} ${args.join(' ')} ended with ${ended}\n${output.stdout}${output.stderr}`)
  return output
}

/**
 * Starts what stays up, and waits until it says so.
 * @returns what was found in its output, and what ends it as Ctrl-C does: that must be a good end
 */
export async function startUntil(command, args, { cwd, until, env = readersEnv(), timeoutMs = 300_000 }) {
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let output = ''
  const ended = new Promise((resolve) => child.on('error', resolve).on('close', (status, signal) => resolve(status ?? signal)))
  // npm and a shell may stand between: the signal is for all of them, as a terminal sends it.
  const signal = (name) => {
    try {
      process.kill(-(child.pid ?? 0), name)
    } catch {
      // It has ended.
    }
  }
  const stop = async () => {
    signal('SIGINT')
    const timer = setTimeout(() => signal('SIGKILL'), 60_000)
    const status = await ended
    clearTimeout(timer)
    if (status !== 0 && status !== 130 && status !== 'SIGINT')
      throw new Error(`${command} ${args.join(' ')} ended with ${status}\n${output}`)
  }
  const found = await new Promise((resolve, reject) => {
    const fail = (why) => reject(new Error(`${command} ${args.join(' ')} ${why}\n${output}`))
    const timer = setTimeout(() => fail(`was not up after ${timeoutMs / 1000} s`), timeoutMs)
    void ended.then((status) => fail(`ended with ${status}`))
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text
        const match = until.exec(output)
        if (match === null) return
        clearTimeout(timer)
        resolve(match[0])
      })
    }
  }).catch(async (/** @type {unknown} */ error) => {
    signal('SIGKILL')
    throw error
  })
  return { found, stop }
}

/** What several parts need, and no part changes: made once, removed when this process ends. @type {Array<() => unknown>} */
const shared = []
process.once('exit', () => shared.forEach((remove) => remove()))
/** @type {Promise<string> | undefined} */
let packed
/** Apps by what is installed in them. @type {Map<string, Promise<string>>} */
const installedApps = new Map()

/** @returns {Promise<string>} the path of the package as `npm publish` would send it */
export function pack() {
  packed ??= (async () => {
    const folder = makeFolder(shared, 'packed')
    const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: ROOT })
    const [{ filename }] = JSON.parse(stdout)
    return join(folder, filename)
  })()
  return packed
}

/**
 * An app of its own into which the tarball and `more` are installed; a copy where another part has installed the same. Fails where npm warns.
 * @param {Array<() => unknown>} closers
 * @returns {Promise<string>} its folder
 */
export async function makeInstalledApp(closers, more = /** @type {string[]} */ ([])) {
  const key = more.join(' ')
  const made = installedApps.get(key) ?? pack().then((tarball) => makeApp(shared, [tarball, ...more]))
  installedApps.set(key, made)
  const folder = join(makeFolder(closers, 'app'), 'app')
  await cp(await made, folder, { recursive: true, verbatimSymlinks: true })
  return folder
}

/**
 * An empty app, or a copy of an example, into which `packages` are installed. Fails where npm warns of an engine or of a deprecated package.
 * @returns {Promise<string>} its folder
 */
export async function makeApp(closers, packages, { example = '' } = {}) {
  const folder = join(makeFolder(closers, 'app'), 'app')
  if (example === '') {
    mkdirSync(folder)
    writeFileSync(join(folder, 'package.json'), '{ "name": "app", "private": true }\n')
  } else cpSync(join(ROOT, 'examples', example), folder, { recursive: true, filter: (path) => !/node_modules|dist$/.test(path) })
  const warnings = packages.length > 0 ? await install(folder, packages) : []
  if (warnings.length > 0) throw new Error(`npm warns:\n${warnings.join('\n')}`)
  return folder
}

/** @returns npm's warnings of engines, of peers and of deprecated packages */
export async function install(folder, packages, env = readersEnv()) {
  const { stdout, stderr } = await run('npm', [...NPM_INSTALL, ...packages], { cwd: folder, env })
  const warnings = `${stdout}${stderr}`.split('\n').filter((line) => /EBADENGINE|ERESOLVE|deprecated/.test(line))
  return warnings
}

/** Where the commands of an app's packages are: what `npx` finds there, which takes a second longer to start than what it starts. */
export function binOf(folder, command) {
  return join(folder, 'node_modules', '.bin', command)
}

/** The installed command, where a part is not about `npx`. */
export function commandOf(folder) {
  return binOf(folder, 'dingtalk-delivery')
}

/** A PostgreSQL for all that runs in a part, from the packages of this clone. */
export async function startDatabases(closers) {
  const { startEmbeddedPostgres } = await import('../../dist/embedded/postgres.js')
  const { default: pg } = await import('pg')
  const server = await startEmbeddedPostgres({ directory: makeFolder(closers, 'postgres'), durable: false })
  closers.push(() => server.close())
  let made = 0
  return {
    /**
     * @param {string} [like] the URL of a database to copy, to which nothing is connected. Default: the new one is empty
     * @returns the URL of a new database
     */
    async create(like) {
      const client = new pg.Client({ connectionString: server.url })
      await client.connect()
      // Several are made at once.
      const name = `app_${++made}`
      await client.query(`CREATE DATABASE ${name}${like ? ` TEMPLATE ${new URL(like).pathname.slice(1)}` : ''}`)
      await client.end()
      const url = new URL(server.url)
      url.pathname = `/${name}`
      return url.href
    },
  }
}

/**
 * @returns the URL of a Redis of its own; '' where none is installed, which the tests of CI do not accept: the queue then is in PostgreSQL
 */
export async function startRedis(closers) {
  if (spawnSync('redis-server', ['--version']).status !== 0) {
    if (process.env['CI'] === 'true') throw new Error('redis-server is not installed, and with CI=true nothing is left out')
    process.stderr.write('REDIS IS LEFT OUT: redis-server is not installed.\n')
    return ''
  }
  const port = String(await freePort())
  const settings = [
    '--port',
    port,
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'yes',
    '--maxmemory-policy',
    'noeviction',
    '--dir',
    makeFolder(closers, 'redis'),
  ]
  const { stop } = await startUntil('redis-server', settings, { cwd: tmpdir(), until: /Ready to accept connections/ })
  closers.push(stop)
  return `redis://127.0.0.1:${port}`
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

/** Brings a new database up to date by the command that the app has, and runs the day in it. */
export async function runDay(folder, databases, format, { env = readersEnv(), queueUrl = '' } = {}) {
  const databaseUrl = await databases.create()
  const own = { ...env, DATABASE_URL: databaseUrl, ...(queueUrl && { QUEUE_URL: queueUrl }) }
  await run(commandOf(folder), ['migrate'], { cwd: folder, env: own })
  cpSync(join(import.meta.dirname, 'day.mjs'), join(folder, 'day.mjs'))
  const { stdout, stderr } = await run('node', ['day.mjs', format], { cwd: folder, env: own })
  assertNoNodeWarning(stderr)
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
}

export function assertNoNodeWarning(stderr) {
  const warning = stderr.split('\n').find((line) => /^\(node:\d+\)|Warning:/.test(line))
  if (warning !== undefined) throw new Error(`a warning of Node: ${warning}`)
}

/** A copy of this clone's files, uncommitted ones too, without what git ignores: what `git clone` would bring. */
export async function makeClone(closers) {
  const folder = join(makeFolder(closers, 'clone'), 'dingtalk-delivery-tracker')
  const { stdout } = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: ROOT })
  for (const file of stdout.split('\0').filter((each) => each !== '')) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    cpSync(join(ROOT, file), join(folder, file), { verbatimSymlinks: true, force: true, errorOnExist: false })
  }
  return folder
}

/** Makes `node`, `npm` and `npx` of a folder of its own, for another release of Node. */
export function linkNode(closers, node, npmCli) {
  const folder = makeFolder(closers, 'bin')
  symlinkSync(node, join(folder, 'node'))
  for (const [name, file] of Object.entries(npmCli)) symlinkSync(file, join(folder, name))
  return folder
}

/** What an app is likely to have itself has a range in package.json: the app must not get a second copy. */
export const SHARED = Object.keys(manifest.dependencies).filter((name) => manifest.dependencies[name].startsWith('^'))

/** @returns those of SHARED that are in an app's folder more than once */
export async function installedTwice(folder) {
  const { stdout } = await run('npm', ['ls', '--all', '--parseable'], { cwd: folder })
  const paths = [...new Set(stdout.trim().split('\n'))].map((path) => path.replaceAll('\\', '/'))
  return SHARED.filter((name) => paths.filter((path) => path.endsWith(`/node_modules/${name}`)).length > 1)
}
