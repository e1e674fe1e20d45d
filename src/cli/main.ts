#!/usr/bin/env node
import { runCli } from './program.ts'

// `… | head` closes stdout early: what is left to say interests nobody, and that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

const exitCode = await runCli(process.argv.slice(2))
// Written first, so that the end of a long table is not cut off; then out, whatever connection may still be retrying.
process.stdout.write('', () => process.exit(exitCode))
