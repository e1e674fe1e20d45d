#!/usr/bin/env node
import { createContext, thisHost } from './context.ts'
import { runCommand } from './program.ts'

// `… | head` closes stdout early, which is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

const exitCode = await runCommand(process.argv.slice(2), createContext(thisHost()))
// The exit waits until all output is written. It does not wait for connections that still retry.
process.stdout.write('', () => process.exit(exitCode))
