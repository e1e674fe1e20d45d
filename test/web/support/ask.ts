import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { assertNoLeak } from '../../support/canaries.ts'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly type: string
  readonly text: string
  /** Of a JSON answer. */
  // oxlint-disable-next-line typescript/no-explicit-any -- each test knows what it asks for
  readonly body: any
}

export async function ask(url: string, path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(`${url}${path}`, init)
  const got = await response.text()
  assertNoLeak(`the answer to ${path}`, `${JSON.stringify([...response.headers])}\n${got}`)
  const type = response.headers.get('content-type') ?? ''
  return {
    status: response.status,
    headers: response.headers,
    type,
    text: got,
    body: type.startsWith('application/json') && got !== '' ? JSON.parse(got) : undefined,
  }
}

export function post(body: unknown, headers: Record<string, string> = {}): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
  }
}

export async function aSocket(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

/** What `fetch` would never send. The answer is everything until the server ends the connection. */
export async function askRaw(port: number, request: string | Buffer): Promise<{ status: number; text: string }> {
  const socket = await aSocket(port)
  socket.write(request)
  const got = await text(socket)
  assertNoLeak('an answer', got)
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(got)?.[1]), text: got }
}

/** Status of each answer on one connection; what follows a refusal is none. */
export function statusesIn(answers: string): number[] {
  return [...answers.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status))
}

/** A request with these headers and nothing else. */
export function headersOnly(path: string, headers: Readonly<Record<string, string>>, method = 'GET'): string {
  const lines = Object.entries({ ...headers, connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
}
