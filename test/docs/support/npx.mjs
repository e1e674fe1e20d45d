// Stands in for `npx` while the commands of a page run: the built command instead of one from the registry.
// What is meant to stay up is stopped, as an operator would, once it is up. One line of JSON for each run goes to the file $RUNS.
import { spawn } from 'node:child_process'
import { appendFileSync } from 'node:fs'

const UP = { start: /Working\./, worker: /worker ready/, serve: /Dashboard:/, simulator: /^http:/m }
const { CLI, RUNS } = process.env
const [binary, command, ...args] = process.argv.slice(2)
if (binary !== 'dingtalk-delivery') throw new Error(`npx ${binary} is not of this project`)

const child = spawn(process.execPath, [CLI, command, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
const output = { stdout: '', stderr: '' }
let isStopped = false
for (const stream of ['stdout', 'stderr']) {
  child[stream].setEncoding('utf8').on('data', (text) => {
    output[stream] += text
    if (isStopped || !UP[command]?.test(output.stdout + output.stderr)) return
    isStopped = true
    child.kill('SIGTERM')
  })
}
const patience = setTimeout(() => child.kill('SIGKILL'), 60_000)
child.on('close', (code) => {
  clearTimeout(patience)
  const good = code === 0 && isStopped === command in UP
  appendFileSync(RUNS, `${JSON.stringify({ command, args, good, code, ...output })}\n`)
  process.exit(good ? 0 : 1)
})
