import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

/** @typedef {Array<() => unknown>} Closers Closed at the end, the last one first. */

/**
 * The options of the command line, by their defaults: where that is a number, the option takes numbers; false is a flag. Every bench has `--json FILE`.
 * @template {Record<string, number | string | boolean>} T
 * @param {T} defaults
 * @returns {T & { json: string }}
 */
export function readOptions(defaults) {
  const all = { json: '', ...defaults }
  const types = Object.entries(all).map(([name, value]) => [name, { type: typeof value === 'boolean' ? 'boolean' : 'string' }])
  const { values } = parseArgs({ options: Object.fromEntries(types) })
  for (const [name, given] of Object.entries(values)) {
    const isNumber = typeof all[name] === 'number'
    if (isNumber && !Number.isFinite(Number(given))) throw new Error(`--${name} ${JSON.stringify(given)}: give a number`)
    Object.assign(all, { [name]: isNumber ? Number(given) : given })
  }
  return all
}

/**
 * Closes what the bench has opened when it ends, fails, or is interrupted: servers and workers are processes of their own, and would stay.
 * @param {{ json: string }} options
 * @param {(closers: Closers) => Promise<object | void>} main what it returns is written where `--json` says, or else printed
 */
export async function runBench({ json }, main) {
  const closers = []
  let closing
  // Once: after a signal the work that is cut off fails, and ends here too.
  const close = () => (closing ??= closeAll(closers))
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void close().finally(() => process.exit(1)))
  try {
    const figures = await main(closers)
    if (figures === undefined) return
    const document = JSON.stringify(figures, null, 2)
    if (json === '') console.log(document)
    else writeFileSync(json, document)
  } finally {
    await close()
  }
}

/**
 * All of them: one that fails leaves no process of another.
 * @param {Closers} closers
 */
async function closeAll(closers) {
  const errors = []
  while (closers.length > 0) {
    try {
      await closers.pop()()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
}
