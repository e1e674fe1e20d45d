// For `node --import`: writes the address of each module that is loaded into the file LOADED_MODULES, those that other CommonJS modules require at the end.
import { appendFileSync } from 'node:fs'
import { createRequire, register } from 'node:module'
import { pathToFileURL } from 'node:url'

const file = process.env['LOADED_MODULES'] ?? ''
const hooks = `import { appendFileSync } from 'node:fs'
export function load(url, context, next) {
  appendFileSync(${JSON.stringify(file)}, url + '\\n')
  return next(url, context)
}`
register(`data:text/javascript,${encodeURIComponent(hooks)}`)
process.on('exit', () => {
  for (const path of Object.keys(createRequire(import.meta.url).cache)) appendFileSync(file, `${pathToFileURL(path).href}\n`)
})
