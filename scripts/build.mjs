// Compiles src/ to dist/. The old dist/ is replaced only by a whole new one: what runs from it meanwhile, or after a failed build, is left alone.
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const next = join(root, 'node_modules', '.cache', `dist-${process.pid}`)
const dist = join(root, 'dist')

run('scripts/generate.mjs')
run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', next)
// What browsers load is no TypeScript.
cpSync(join(root, 'src', 'web', 'dashboard', 'assets'), join(next, 'web', 'dashboard', 'assets'), { recursive: true })
chmodSync(join(next, 'cli', 'main.js'), 0o755)
if (existsSync(dist)) renameSync(dist, `${next}-old`)
renameSync(next, dist)
rmSync(`${next}-old`, { recursive: true, force: true })

/** Says nothing unless it fails: `npm run demo` builds first, and its reader wants to see the demo. */
function run(...command) {
  const { status, error, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: 'utf8' })
  if (status === 0) return
  rmSync(next, { recursive: true, force: true })
  process.stderr.write(`${command[0]} failed${error ? `: ${error.message}` : ''}\n${stdout ?? ''}${stderr ?? ''}`)
  process.exit(1)
}
