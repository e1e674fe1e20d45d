import { readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { libpqEnvironment } from './libpq-environment.ts'

/** What `pg` passes to a function that it asks for a password. */
export interface LogIn {
  readonly host?: string
  readonly port?: number
  readonly database?: string
  readonly user?: string
}

/**
 * The password of libpq's file, for an address without one. `pg` reads that file too, and warns that a later release will not.
 * @param path that the address names; else PGPASSFILE, else ~/.pgpass
 * @returns undefined where PGPASSWORD is set, which `pg` reads; else what `pg` calls when the server asks for a password, '' where none is found
 */
export function passwordFromFile(path: string | undefined): ((logIn?: LogIn) => string) | undefined {
  const env = libpqEnvironment()
  if (path === undefined && (env['PGPASSWORD'] ?? '') !== '') return undefined
  return (logIn = {}) => findPassword(readPrivate(path ?? (env['PGPASSFILE'] || join(homedir(), '.pgpass'))), logIn) ?? ''
}

const OTHERS_MAY_READ = 0o077

/** '' where there is no such file, or where others may read it, which libpq ignores as well. */
function readPrivate(file: string): string {
  try {
    const isExposed = process.platform !== 'win32' && (statSync(file).mode & OTHERS_MAY_READ) !== 0
    return isExposed ? '' : readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** The password of the first line that fits, `host:port:database:user:password`. Source: PostgreSQL's manual, 34.16. */
export function findPassword(text: string, { host = '', port = 5432, database = '', user = '' }: LogIn): string | undefined {
  const isLocal = host.startsWith('/')
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#')) continue
    const [ofHost, ofPort, ofDatabase, ofUser, password] = Array.from(line.matchAll(/(?:\\.|[^:\\])+/g), ([field]) =>
      field.replaceAll(/\\(.)/g, '$1'),
    )
    const fits = (given: string | undefined, wanted: string): boolean => given === '*' || given === wanted
    const isHost = fits(ofHost, host) || (isLocal && ofHost === 'localhost')
    if (password !== undefined && isHost && fits(ofPort, String(port)) && fits(ofDatabase, database) && fits(ofUser, user)) return password
  }
  return undefined
}
