import { spawnSync } from 'node:child_process'
import { describe } from 'vitest'

let available: boolean | undefined

function promtoolAvailable(): boolean {
  available ??= spawnSync('promtool', ['--version']).status === 0
  return available
}

/** A suite that needs Prometheus' own checker; skipped loudly where it is missing, and a failure with `CI=true`. */
export function describePromtool(name: string, suite: () => void): void {
  if (!promtoolAvailable()) {
    const message = `promtool is not installed: "${name}" needs it`
    if (process.env['CI'] === 'true')
      throw new Error(`${message}, and with CI=true nothing is skipped. Install it (apt-get install prometheus).`)
    console.warn(`SKIPPED: ${message}`)
  }
  describe.skipIf(!promtoolAvailable())(name, suite)
}

export interface Verdict {
  readonly status: number | null
  readonly output: string
}

export function promtool(args: readonly string[], options: { readonly input?: string; readonly cwd?: string } = {}): Verdict {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8', ...options })
  return { status, output: `${stdout}${stderr}` }
}
