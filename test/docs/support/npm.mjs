// Stands in for `npm` while the commands of a page run: they take minutes and have tests of their own, so here they must only exist.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const { PROJECT } = process.env
const { name, scripts } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8'))
const [command, script] = process.argv.slice(2)
const known = {
  ci: () => existsSync(join(PROJECT, 'package-lock.json')),
  test: () => 'test' in scripts,
  run: () => script in scripts,
  install: () => script === name,
}
if (!known[command]?.()) throw new Error(`npm ${command} ${script ?? ''} is nothing that this project has`)
