// Runs the built command again and again in one process. Argument: the built cli/program.js. Each line of stdin is a command line
// as a JSON list; each line of stdout is its result. What ends with the process itself is not tested this way.
import { createInterface } from 'node:readline'

const program = process.argv[2]
const [{ runCommand }, { createContext, thisHost }] = await Promise.all([
  import(program),
  import(program.replace('program.js', 'context.js')),
])

for await (const line of createInterface({ input: process.stdin })) {
  const said = { stdout: '', stderr: '' }
  const capture = (name) => ({
    write(text) {
      said[name] += text
    },
  })
  const code = await runCommand(JSON.parse(line), createContext({ ...thisHost(), stdout: capture('stdout'), stderr: capture('stderr') }))
  process.stdout.write(`${JSON.stringify({ code, ...said })}\n`)
}
