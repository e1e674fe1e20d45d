#!/usr/bin/env node
// Stands where Prisma's command expects the binary of its schema engine, and connects it with the engine in the process of the test.
import { connect } from 'node:net'

const socket = connect(process.env.SCHEMA_ENGINE_SOCKET)
socket.write(`${JSON.stringify(process.argv.slice(2))}\n`)
process.stdin.pipe(socket)
socket.pipe(process.stdout)
socket.on('error', (error) => {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
})
