// Everything that must hold before a change goes in; what CI runs. Stops at the first step that fails.
// The last line is `N passed, N failed`: the tests, or the step that failed.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const reports = mkdtempSync(join(tmpdir(), 'check-'))
const reportOf = (name) => join(reports, `${name}.json`)

/** @returns {[string, ...string[]]} */
function vitest(name, ...args) {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportOf(name)}`]
  return ['npm', 'exec', '--no', '--', 'vitest', 'run', ...args, ...reporters]
}

/** @type {Array<[string, string, ...string[]]>} */
const STEPS = [
  // First, since the others need the generated client, and the tests start what was built.
  ['build', 'npm', 'run', '--silent', 'build'],
  ['types', 'npm', 'run', '--silent', 'types'],
  ['lint', 'npm', 'run', '--silent', 'lint'],
  ['format', 'npm', 'run', '--silent', 'format:check'],
  ['dead code', 'npm', 'run', '--silent', 'dead'],
  ['package', 'npm', 'run', '--silent', 'pack:check'],
  // The core alone has to be covered; counting for all the others would cost a tenth of their time.
  ['tests of the core', ...vitest('core', '--project', 'domain', '--project', 'report', '--project', 'intake', '--coverage')],
  ['tests', ...vitest('rest', '--project', '!domain', '--project', '!report', '--project', '!intake')],
]

const started = Date.now()
const failed = STEPS.find((step) => !passes(step))
const { passed, broken, skipped } = countTests()
rmSync(reports, { recursive: true, force: true })

if (failed) say(`check failed at "${failed[0]}". Alone: ${failed.slice(1).join(' ')}`)
if (skipped > 0) say(`${skipped} tests were skipped on this machine`)
say(`check took ${seconds(started)}`)
// The coverage gate and errors outside any test fail the step without a failed test.
say(`${passed} passed, ${failed ? Math.max(1, broken) : broken} failed`)
process.exitCode = failed || broken > 0 ? 1 : 0

function passes([name, command, ...args]) {
  const begun = Date.now()
  say(`\n▸ ${name}`)
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  })
  say(`${status === 0 ? '✓' : '✗'} ${name} (${seconds(begun)})${error ? `: ${error.message}` : ''}`)
  return status === 0
}

function countTests() {
  const found = ['core', 'rest'].map(readReport)
  const count = (...names) => found.flatMap((report) => names.map((name) => report[name] ?? 0)).reduce((sum, each) => sum + each, 0)
  return { passed: count('numPassedTests'), broken: count('numFailedTests'), skipped: count('numPendingTests', 'numTodoTests') }
}

function readReport(name) {
  try {
    return JSON.parse(readFileSync(reportOf(name), 'utf8'))
  } catch {
    // No tests were reached.
    return {}
  }
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`
}

function say(line) {
  process.stdout.write(`${line}\n`)
}
