// Runs the built command again and again in one process. Argument: the built cli/program.js. Each line of stdin is a command line
// as a JSON list; each line of stdout is what came of it. What ends with the process itself is not tested this way.
import { createInterface } from 'node:readline'

const { runCli } = await import(process.argv[2])
const reply = process.stdout.write.bind(process.stdout)

for await (const line of createInterface({ input: process.stdin })) {
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr']) {
    process[name].write = (text) => {
      said[name] += text
      return true
    }
  }
  const code = await runCli(JSON.parse(line))
  reply(`${JSON.stringify({ code, ...said })}\n`)
}
