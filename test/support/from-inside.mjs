// Preload (`--import`) for a worker that goes wrong from inside at SIGUSR2. BLOCKED_UNTIL: its event loop is blocked until this file is
// there; without it, each question for the next job hangs for ever.
import { existsSync } from 'node:fs'
import { Worker } from 'bullmq'

const { BLOCKED_UNTIL } = process.env
const hang = () => new Promise(() => undefined)

process.on('SIGUSR2', () => {
  if (BLOCKED_UNTIL === undefined) Reflect.set(Worker.prototype, '_getNextJob', hang)
  else while (!existsSync(BLOCKED_UNTIL)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
})
