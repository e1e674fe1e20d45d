import { readFileSync } from 'node:fs'

/** The two package.json-relative paths (`src/cli`, `dist/cli`) are equally deep. */
export function packageVersion(): string {
  const file: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return typeof file === 'object' && file !== null && 'version' in file ? String(file.version) : 'unknown'
}
