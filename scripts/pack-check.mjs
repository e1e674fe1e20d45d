// Packs the package as `npm publish` would, and checks the tarball: entry points and files (publint), types as every resolver sees them (attw).
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'pack-'))
try {
  // No scripts: dist/ was built already, and the point is to check that one.
  const [{ filename }] = JSON.parse(run('npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', folder))
  const tarball = join(folder, filename)
  process.stdout.write(run('npm', 'exec', '--no', '--', 'publint', 'run', '--strict', tarball))
  process.stdout.write(run('npm', 'exec', '--no', '--', 'attw', '--profile', 'esm-only', '--no-emoji', '--format', 'ascii', tarball))
} catch (error) {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function run(command, ...args) {
  // npm is a .cmd file on Windows, which only a shell can start.
  const { status, error, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8', shell: process.platform === 'win32' })
  if (status !== 0) throw error ?? new Error(`${[command, ...args].join(' ')} failed\n${stdout}${stderr}`)
  return stdout
}
