// Everything that must hold before a change goes in: `npm test`, types, lint, format, dead code and the package. With --full also all
// tests that `npm test` leaves out, and the coverage of the core; that is what CI runs. Every step runs, also after one that failed.
// The last line is `N passed, N failed`: each test counts as one, and each other step.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { full: { type: 'boolean', default: false } } })
/** @type {[command: string, ...args: string[]]} */
const VITEST = ['npm', 'exec', '--no', '--', 'vitest', 'run']

/** @type {Array<[name: string, command: string, ...args: string[]]>} */
const QUICK = [
  // First, since it builds: the others need the generated client and the build.
  ['tests', 'npm', 'test'],
  ['types', 'npm', 'run', '--silent', 'types'],
  ['lint', 'npm', 'run', '--silent', 'lint'],
  ['format', 'npm', 'run', '--silent', 'format:check'],
  ['dead code', 'npm', 'run', '--silent', 'dead'],
  ['package', 'npm', 'run', '--silent', 'pack:check'],
]
/** @type {typeof QUICK} */
const FULL = [
  // With all runs of its properties, and covered whole: counting for all the others would cost a tenth of their time.
  ['tests of the core', ...VITEST, '--mode', 'core', '--coverage'],
  ['all other tests', ...VITEST, '--mode', 'rest'],
]

const started = Date.now()
const reports = mkdtempSync(join(tmpdir(), 'check-'))
const counts = { passed: 0, failed: 0, skipped: 0 }
const failures = (values.full ? [...QUICK, ...FULL] : QUICK).filter((step) => !passes(step))
rmSync(reports, { recursive: true, force: true })

for (const [name, ...command] of failures) say(`failed: ${name}. Alone: ${command.join(' ')}`)
if (counts.skipped > 0) say(`${counts.skipped} tests were skipped on this machine`)
say(`check took ${seconds(started)}`)
say(`${counts.passed} passed, ${counts.failed} failed`)
process.exitCode = failures.length > 0 ? 1 : 0

/** Runs a step to its end, and counts it. */
function passes([name, command, ...args]) {
  const begun = Date.now()
  say(`\n▸ ${name}`)
  const { status, error } = spawnSync(command, args, {
    cwd: join(import.meta.dirname, '..'),
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, TEST_REPORTS: reports },
    shell: process.platform === 'win32',
  })
  const isGood = count(status === 0, takeReport())
  say(`${isGood ? '✓' : '✗'} ${name} (${seconds(begun)})${error ? `: ${error.message}` : ''}`)
  return isGood
}

/** Each test counts as one. A step without tests, an error outside any test and a coverage below the gate count as one too. */
function count(isDone, tests) {
  const { passed, failed, skipped } = tests ?? { passed: 0, failed: 0, skipped: 0 }
  const isCounted = tests !== null && isDone === (failed === 0)
  counts.passed += passed + (!isCounted && isDone ? 1 : 0)
  counts.failed += failed + (!isCounted && !isDone ? 1 : 0)
  counts.skipped += skipped
  return isDone && failed === 0
}

/** What vitest counted in this step; null where it did not run or did not come to its end. */
function takeReport() {
  const [file] = readdirSync(reports)
  if (file === undefined) return null
  const report = JSON.parse(readFileSync(join(reports, file), 'utf8'))
  rmSync(join(reports, file))
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.numPendingTests + report.numTodoTests,
  }
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`
}

function say(line) {
  process.stdout.write(`${line}\n`)
}
