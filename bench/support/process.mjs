import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** @typedef {import('./bench.mjs').Closers} Closers */

export const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/**
 * A module in a process of its own. It sends a message when it is ready, and one for each that it gets. It ends with its channel.
 * @param {Closers} closers
 * @param {string} file
 * @param {{ args?: string[], execArgv?: string[] }} [options]
 */
export async function startChild(closers, file, { args = [], execArgv = [] } = {}) {
  const child = fork(file, args, { execArgv })
  const exited = once(child, 'exit')
  const close = async () => {
    if (child.connected) child.disconnect()
    await exited
  }
  closers.push(close)
  const receive = async () => (await Promise.race([once(child, 'message'), exited.then(() => fail(`${file} has ended`))]))[0]
  const ready = await receive()
  const ask = (question) => {
    const answer = receive()
    child.send(question)
    return answer
  }
  return { pid: Number(child.pid), ready, ask, close }
}

/** @returns {never} */
function fail(message) {
  throw new Error(message)
}

/**
 * The worker of dist/, as it is shipped, when it is ready.
 * @param {Closers} closers
 * @param {Record<string, string>} env its variables
 */
export async function startWorker(closers, env) {
  const startedMs = performance.now()
  const child = spawn(process.execPath, [CLI, 'worker'], {
    env: { PATH: process.env.PATH, HEALTH_PORT: '0', LOG_PRETTY: '0', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const exited = once(child, 'exit')
  const stop = async () => {
    child.kill('SIGCONT')
    child.kill('SIGTERM')
    await exited
  }
  closers.push(stop)
  let log = ''
  const concurrency = await new Promise((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (part) => {
      log = (log + part).slice(-10_000)
      const ready = /"concurrency":(\d+),"msg":"worker ready"/.exec(log)
      if (ready !== null) resolve(Number(ready[1]))
    })
    void exited.then(([code]) => reject(new Error(`the worker ended (${code}):\n${log}`)))
  })
  return { pid: Number(child.pid), readyMs: performance.now() - startedMs, concurrency, stop, kill: (signal) => child.kill(signal) }
}
