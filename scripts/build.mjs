// Compiles src/ to dist/. The old dist/ is replaced only by a whole new one: what runs from it meanwhile, or after a failed build, is left alone.
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const next = join(root, 'node_modules', '.cache', `dist-${process.pid}`)
const dist = join(root, 'dist')

run('scripts/generate.mjs')
run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', next)
nameFilesAsOlderCompilersDo()
try {
  // Loaded only now: an installation that lacks the bundler says so as any other failure of the build.
  const [{ bundlePrisma }, { buildCommonJs }] = await Promise.all([import('./build/prisma.mjs'), import('./build/commonjs.mjs')])
  await bundlePrisma(next)
  await buildCommonJs(next)
} catch (error) {
  fail(`bundling failed: ${error instanceof Error ? error.message : String(error)}`)
}
// What browsers load is no TypeScript.
cpSync(join(root, 'src', 'web', 'dashboard', 'assets'), join(next, 'web', 'dashboard', 'assets'), { recursive: true })
chmodSync(join(next, 'cli', 'main.js'), 0o755)
if (existsSync(dist)) renameSync(dist, `${next}-old`)
renameSync(next, dist)
rmSync(`${next}-old`, { recursive: true, force: true })

/** Says nothing unless it fails: `npm run demo` builds first, and its reader wants to see the demo. */
function run(...command) {
  const { status, error, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: 'utf8' })
  if (status !== 0) fail(`${command[0]} failed${error ? `: ${error.message}` : ''}\n${stdout ?? ''}${stderr ?? ''}`)
}

function fail(message) {
  rmSync(next, { recursive: true, force: true })
  process.stderr.write(`${message.trimEnd()}\n`)
  process.exit(1)
}

/** Declarations keep the `.ts` of the sources, which TypeScript before 5.7 refuses in an app. */
function nameFilesAsOlderCompilersDo() {
  for (const path of readdirSync(next, { recursive: true, encoding: 'utf8' }).filter((each) => each.endsWith('.d.ts'))) {
    const file = join(next, path)
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, text.replace(/((?:from|import\()\s*['"]\.[^'"]+)\.ts(['"])/g, '$1.js$2'))
  }
}
