import { readFileSync } from 'node:fs'

/** The version in package.json, which lies as far above `src/lib` as above `dist/lib`. */
export function packageVersion(): string {
  const file: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return typeof file === 'object' && file !== null && 'version' in file ? String(file.version) : 'unknown'
}
