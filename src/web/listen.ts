import { TrackerError } from '../domain/errors.ts'

interface Address {
  /** What listens there, for messages: `health`, `HTTP`. */
  readonly what: string
  readonly host: string
  readonly port: number
  /** The variable that sets the port. */
  readonly variable: 'PORT' | 'HEALTH_PORT'
}

/** A URL that opens in a browser: an address that stands for all addresses becomes `localhost`. */
export function formatUrl(host: string, port: number): string {
  if (host === '0.0.0.0' || host === '::') return `http://localhost:${port}`
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Why a server does not listen, and what to change. */
export function listenError({ what, host, port, variable }: Address, error: unknown): TrackerError {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : null
  const why = code === 'EADDRINUSE' ? 'is taken by another process' : `cannot be bound (${String(code ?? error)})`
  const message = `The ${what} address ${host}:${port} ${why}. Set ${variable} (0 takes any free port) or HOST.`
  return new TrackerError('INVALID_CONFIG', message, { cause: error })
}
