// The health check of the image: asks the service that the container runs, on the port on which it listens.
//
//   node healthcheck.mjs [PATH]     PATH: /livez (the process answers, the default) or /readyz (it can do its work)
//
// A container that runs a command which ends by itself, such as migrate, is healthy as long as it runs. Without any package, as it runs every few seconds.
import { readFileSync } from 'node:fs'

/** The variables with the ports on which a command listens, and their defaults. */
const SERVICES = {
  worker: { HEALTH_PORT: 9090 },
  serve: { PORT: 8080 },
  start: { HEALTH_PORT: 9090, PORT: 8080 },
}
const PROGRAMS = /(?:^|\/)(?:dingtalk-delivery(?:-tracker)?|main\.js)$/
const TIMEOUT_MS = 4_000

const { HOST } = process.env
// The second argument is for the tests, in which the service is another process.
const [path = '/livez', commandLine = '/proc/1/cmdline'] = process.argv.slice(2)
const ports = Object.entries(SERVICES[commandOf(commandLine)] ?? {}).map(
  ([name, fallback]) => process.env[name]?.trim() || String(fallback),
)
const faults = (await Promise.all(ports.map(faultOf))).filter((fault) => fault !== null)
if (faults.length > 0) process.stdout.write(`${faults.join('\n')}\n`)
process.exitCode = faults.length > 0 ? 1 : 0

/** The first word after the program's name that is no option. An init process, or a shell, may stand before it. */
function commandOf(file) {
  const words = readFileSync(file, 'utf8').split(/[\0\s]+/)
  const program = words.findIndex((word) => PROGRAMS.test(word))
  return words.slice(program + 1).find((word) => program >= 0 && word !== '' && !word.startsWith('-'))
}

/** @returns what is wrong, in one line, or null */
async function faultOf(port) {
  const url = `http://${hostToAsk()}:${port}${path}`
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    if (answer.ok) return null
    return `${url}: ${answer.status} ${(await answer.text()).replace(/\s+/g, ' ').slice(0, 1_000)}`
  } catch (error) {
    return `${url}: ${error.cause?.message ?? error.message}`
  }
}

/** An address that stands for all addresses is asked on loopback. */
function hostToAsk() {
  const host = HOST?.trim() || '127.0.0.1'
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}
