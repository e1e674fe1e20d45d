import { TrackerError } from '../domain/errors.ts'

/** Where a server is to be reached, and the variables that say so. */
export interface Place {
  /** What listens there, for messages: `health`, `HTTP`. */
  readonly what: string
  readonly host: string
  readonly port: number
  readonly variable: 'PORT' | 'HEALTH_PORT'
}

/** A person can open it in a browser: an address that stands for all addresses becomes this machine's. */
export function urlOf(host: string, port: number): string {
  if (host === '0.0.0.0' || host === '::') return `http://localhost:${port}`
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Why a server does not listen, and what to change. */
export function cannotListen({ what, host, port, variable }: Place, error: unknown): TrackerError {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : null
  const why = code === 'EADDRINUSE' ? 'is taken by another process' : `cannot be bound (${String(code ?? error)})`
  const message = `The ${what} address ${host}:${port} ${why}. Set ${variable} (0 takes any free port) or HOST.`
  return new TrackerError('INVALID_CONFIG', message, { cause: error })
}
