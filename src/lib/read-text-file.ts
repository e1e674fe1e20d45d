import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'

/** Reads a file as text. Errors have a `code`: one of Node's, such as ENOENT, or one of {@link FileError}. */
export type ReadTextFile = (path: string, maxBytes: number) => string

/** What Node's own codes do not say. */
export class FileError extends Error {
  override readonly name = 'FileError'
  readonly code: 'EISDIR' | 'NOT_A_FILE' | 'TOO_LARGE' | 'NOT_TEXT'

  constructor(code: FileError['code']) {
    super(code)
    this.code = code
  }
}

/**
 * A regular file, or a link to one, as UTF-8. A pipe is not read: it may never end.
 * @throws {FileError}, or an error of Node's with its code
 */
export const readTextFile: ReadTextFile = (path, maxBytes) => {
  const stat = statSync(path)
  if (stat.isDirectory()) throw new FileError('EISDIR')
  if (!stat.isFile()) throw new FileError('NOT_A_FILE')
  const file = openSync(path, 'r')
  try {
    if (fstatSync(file).size > maxBytes) throw new FileError('TOO_LARGE')
    const bytes = Buffer.alloc(maxBytes + 1)
    let length = 0
    // Files of /proc have a size of 0, so the end is where nothing more comes.
    for (let more = -1; more !== 0 && length <= maxBytes; length += more) more = readSync(file, bytes, length, bytes.length - length, null)
    if (length > maxBytes) throw new FileError('TOO_LARGE')
    return decode(bytes.subarray(0, length))
  } finally {
    closeSync(file)
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new FileError('NOT_TEXT')
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  ENOTDIR: 'a part of the path is no directory',
  EACCES: 'this user may not read it',
  EPERM: 'this user may not read it',
  ELOOP: 'its links lead in a circle',
  EISDIR: 'it is a directory',
  NOT_A_FILE: 'it is a pipe or a device',
  TOO_LARGE: 'it is too large',
  NOT_TEXT: 'it is not UTF-8 text',
}

/** Why a file cannot be read, without what is in it. */
export function fileFault(error: unknown): string {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  if (typeof code !== 'string') return 'error'
  const reason = REASONS[code]
  return reason === undefined ? code : `${code}: ${reason}`
}
