import { spawnSync } from 'node:child_process'
import { describe } from 'vitest'

/** Programs that a suite starts besides Node, each with the Debian package that brings it. */
const PACKAGES = { psql: 'postgresql-client', pg_dump: 'postgresql', 'redis-server': 'redis-server', 'systemd-analyze': 'systemd' } as const
type Program = keyof typeof PACKAGES

function isInstalled(program: Program): boolean {
  return spawnSync(program, ['--version']).status === 0
}

/** A suite that needs programs: skipped loudly where one is missing, and a failure with `CI=true`. */
export function describeWith(programs: readonly Program[], name: string, suite: () => void): void {
  const missing = programs.filter((program) => !isInstalled(program))
  if (missing.length > 0) {
    const message = `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not installed: "${name}" needs it`
    const packages = missing.map((program) => PACKAGES[program]).join(' ')
    if (process.env['CI'] === 'true')
      throw new Error(`${message}, and with CI=true nothing is skipped. Install it (apt-get install ${packages}).`)
    console.warn(`SKIPPED: ${message}`)
  }
  describe.skipIf(missing.length > 0)(name, suite)
}
