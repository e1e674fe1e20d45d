import { quote } from '../../domain/quote.ts'
import { fileFault, type ReadTextFile } from '../../lib/read-text-file.ts'
import { VARIABLES, variableName } from './variables.ts'

/** Where the values of variables come from: the environment, or for secrets a file that it names. */

export type Environment = Readonly<Record<string, string | undefined>>

/** The variables that are set, by their property in `Settings`. */
export type Values = Readonly<Record<string, string | undefined>>

export interface Given {
  readonly values: Values
  /** The files that secrets came from, by property. */
  readonly files: Values
  /** Variables whose file cannot be used, by property: they are given, and have no value. */
  readonly unreadable: ReadonlySet<string>
  readonly faults: readonly string[]
}

/** Of a file with one secret. */
const MAX_SECRET_BYTES = 65_536

/** Other programs read these in lower case too, and then first. */
const ALSO_IN_LOWER_CASE: ReadonlySet<string> = new Set(['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY'])

/** An empty list is a value of its own: it is not the default. */
const MAY_BE_EMPTY: ReadonlySet<string> = new Set(['REPORT_AGES'])

/** The names under which the environment may have a variable, in the order in which they count. */
export function spellings(name: string): string[] {
  const isSecret = VARIABLES.some((variable) => variable.name === name && variable.secret)
  return [...(ALSO_IN_LOWER_CASE.has(name) ? [name.toLowerCase()] : []), name, ...(isSecret ? [fileVariable(name)] : [])]
}

/** `API_TOKEN_FILE` for `API_TOKEN`. */
export function fileVariable(name: string): string {
  return `${name}_FILE`
}

export function readGiven(env: Environment, readFile: ReadTextFile): Given {
  const values: Record<string, string | undefined> = {}
  const files: Record<string, string | undefined> = {}
  const unreadable = new Set<string>()
  const faults: string[] = []
  // An empty value is how docker-compose and CI systems spell "not set".
  const read = (name: string): string | undefined => {
    const text = env[name]?.trim()
    return text === '' && !MAY_BE_EMPTY.has(name) ? undefined : text
  }
  for (const { name, key, secret } of VARIABLES) {
    const names = spellings(name).filter((each) => !secret || each !== fileVariable(name))
    values[key] = names.map(read).find((value) => value !== undefined)
    const path = secret ? read(fileVariable(name)) : undefined
    if (path === undefined) continue
    const fromFile = values[key] === undefined ? readSecretFile(path, readFile) : { fault: `is set beside ${name}. Give one of them.` }
    if ('fault' in fromFile) {
      faults.push(`${fileVariable(name)}: ${fromFile.fault}`)
      unreadable.add(key)
    } else {
      values[key] = fromFile.value
      files[key] = path
    }
  }
  return { values, files, unreadable, faults }
}

/**
 * The one line of a file, as Docker and Kubernetes mount secrets.
 * @returns the fault without anything that is in the file
 */
export function readSecretFile(path: string, readFile: ReadTextFile): { readonly value: string } | { readonly fault: string } {
  if (/\p{Cc}/u.test(path))
    return { fault: `${quote(path)} is not accepted. Accepted: the path of a file with the secret as its only line.` }
  let text: string
  try {
    text = readFile(path, MAX_SECRET_BYTES).trim()
  } catch (error) {
    const remedy = `Give the path of a file of at most ${MAX_SECRET_BYTES} bytes that this user may read, with the secret as its only line.`
    return { fault: `${quote(path)} cannot be read (${fileFault(error)}). ${remedy}` }
  }
  if (text === '') return { fault: `${quote(path)} is empty. Give the path of a file with the secret as its only line.` }
  if (/\p{Cc}/u.test(text))
    return { fault: `${quote(path)} has several lines, or control characters. Give the path of a file with the secret as its only line.` }
  return { value: text }
}

/** How a fault names a variable: with the file, where its value came from one. */
export function describeSource({ files }: Pick<Given, 'files'>, key: string): string {
  const path = files[key]
  return path === undefined ? `${variableName(key)}:` : `${fileVariable(variableName(key))}: in ${quote(path)},`
}
