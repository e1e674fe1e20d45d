import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const FOLDER = join(import.meta.dirname, '../../../deploy/systemd')

export type Section = Readonly<Record<string, readonly string[]>>

export interface Unit {
  /** Such as `dingtalk-delivery-worker@.service`. */
  readonly file: string
  /** `worker`, `serve` or `migrate`. */
  readonly command: string
  readonly text: string
  readonly sections: Readonly<Record<string, Section>>
}

export const UNITS: readonly Unit[] = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.service'))
  .map((file) => {
    const text = readFileSync(join(FOLDER, file), 'utf8')
    return { file, text, command: /^dingtalk-delivery-(\w+)/.exec(file)?.[1] ?? '', sections: parseUnit(text) }
  })

/** @throws {Error} for a line that systemd would not read */
export function parseUnit(text: string): Record<string, Record<string, string[]>> {
  const sections: Record<string, Record<string, string[]>> = {}
  let current: Record<string, string[]> | undefined
  for (const line of text.split('\n').filter((each) => each !== '' && !each.startsWith('#'))) {
    const section = /^\[(\w+)\]$/.exec(line)?.[1]
    const [, name, value = ''] = /^(\w+)=(.*)$/.exec(line) ?? []
    if (section !== undefined) current = sections[section] ??= {}
    else if (name === undefined || current === undefined) throw new Error(`this is no line of a unit: ${line}`)
    else current[name] = [...(current[name] ?? []), value]
  }
  return sections
}

/** The variables of deploy/systemd/environment. */
export function environmentFile(): Record<string, string> {
  const lines = readFileSync(join(FOLDER, 'environment'), 'utf8').split('\n')
  return Object.fromEntries(
    lines
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
}

export function valuesIn({ sections }: Unit, section: string, name: string): readonly string[] {
  return sections[section]?.[name] ?? []
}

export interface Credential {
  /** The name of its file in the folder of the unit's credentials. */
  readonly name: string
  readonly path: string
}

export function credentialsOf(unit: Unit): Credential[] {
  return valuesIn(unit, 'Service', 'LoadCredential').map((value) => {
    const [name = '', path = ''] = value.split(':')
    return { name, path }
  })
}

/**
 * The variables that the process gets. As in systemd, the environment file wins over what the unit sets.
 * @param instance what stands after the `@` of a template's name
 * @param credentials the folder of the unit's credentials
 */
export function environmentOf(unit: Unit, instance: string, credentials: string): Record<string, string> {
  const own = valuesIn(unit, 'Service', 'Environment').flatMap((line) => line.split(' '))
  const file = valuesIn(unit, 'Service', 'EnvironmentFile').length > 0 ? environmentFile() : {}
  const set = own.map((word): [string, string] => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)])
  return {
    ...Object.fromEntries(set.map(([name, value]) => [name, value.replaceAll('%i', instance).replaceAll('%d', credentials)])),
    ...file,
  }
}
