#!/usr/bin/env node
import { packageVersion } from '../lib/package-version.ts'

// `… | head` closes stdout early, which is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

const args = process.argv.slice(2)
let exitCode = 0
// Printed before anything else is loaded.
if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) process.stdout.write(`${packageVersion()}\n`)
else {
  const [{ createContext, thisHost }, { runCommand }] = await Promise.all([import('./context.ts'), import('./program.ts')])
  exitCode = await runCommand(args, createContext(thisHost()))
}
// The exit waits until all output is written. It does not wait for connections that still retry.
process.stdout.write('', () => process.exit(exitCode))
