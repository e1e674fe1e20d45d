// F29: half an hour (or `--minutes M`) of work under a seeded mix of all faults, on both queues at once. Ends with a report for each queue:
// what was lost and wrong (nothing may be), and how heap, file descriptors and the queue's keys developed.
//   npm run soak -- --minutes 30 --seed 7 [--report FILE]
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '30' }, seed: { type: 'string', default: '1' }, report: { type: 'string' } },
})
for (const name of ['minutes', 'seed']) {
  if (!(Number(values[name]) > 0)) {
    console.error(`--${name} must be a number above 0, not ${JSON.stringify(values[name])}. Example: npm run soak -- --minutes 30 --seed 7`)
    process.exit(2)
  }
}
const { status } = spawnSync('npm', ['exec', '--no', '--', 'vitest', 'run', '--config', 'vitest.long.config.ts', 'soak'], {
  stdio: 'inherit',
  shell: process.platform === 'win32',
  env: { ...process.env, SOAK_MINUTES: values.minutes, SOAK_SEED: values.seed, ...(values.report && { SOAK_REPORT: values.report }) },
})
process.exitCode = status ?? 1
