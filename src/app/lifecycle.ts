import { TimeoutError, withTimeout } from '../lib/timeout.ts'
import type { Logger } from '../ops/logger.ts'

// Considered: close-with-grace and http-terminator. They close one thing, without an order, and without names of what did not close.

/** What was opened, in order, with how it is closed. */
export interface Closers {
  /** Registers what was just opened. While closing is under way (a signal came during the start) it is closed at once. */
  add(name: string, close: () => unknown): void
  /**
   * Closes in reverse, within `graceMs` altogether. A second call waits for the first.
   * @returns the names of what failed or did not close in time
   */
  close(graceMs: number): Promise<readonly string[]>
  /** True from the first `close` on. */
  isClosing(): boolean
}

interface Opened {
  readonly name: string
  readonly close: () => unknown
}

/** When one thing hangs, each of the others still gets this long, or its share of a short grace. */
const RESERVED_MS = 1_000

export function createClosers(log: Pick<Logger, 'warn' | 'debug'>): Closers {
  const opened: Opened[] = []
  let closing: { readonly deadline: number; readonly done: Promise<readonly string[]> } | null = null

  async function closeOne({ name, close }: Opened, ms: number): Promise<string[]> {
    const late = new TimeoutError(`${name} did not close in time`)
    try {
      await withTimeout(ms, Promise.resolve().then(close), () => late)
      log.debug({ name }, 'closed')
      return []
    } catch (err) {
      if (err === late) log.warn({ name, waitedMs: Math.round(ms) }, 'did not close in time')
      else log.warn({ name, err }, 'closing failed')
      return [name]
    }
  }

  async function closeAll(deadline: number, graceMs: number): Promise<readonly string[]> {
    const open: string[] = []
    const reservedMs = Math.min(RESERVED_MS, graceMs / (opened.length + 1))
    for (let next = opened.pop(); next !== undefined; next = opened.pop()) {
      open.push(...(await closeOne(next, deadline - performance.now() - opened.length * reservedMs)))
    }
    return open
  }

  return {
    add(name, close) {
      if (closing === null) opened.push({ name, close })
      else void closeOne({ name, close }, Math.max(RESERVED_MS, closing.deadline - performance.now()))
    },
    close(graceMs) {
      if (closing === null) {
        const deadline = performance.now() + graceMs
        closing = { deadline, done: closeAll(deadline, graceMs) }
      }
      return closing.done
    },
    isClosing: () => closing !== null,
  }
}

/** The part of `process` that a lifecycle uses. */
export interface HostProcess {
  on(event: string, listener: (value: unknown) => void): unknown
  off(event: string, listener: (value: unknown) => void): unknown
  exit(code: number): unknown
}

export interface UntilSignal {
  readonly closers: Closers
  readonly graceMs: number
  readonly log: Pick<Logger, 'fatal'>
  readonly onSignal?: (signal: string) => void
  /** Default: this process. */
  readonly host?: HostProcess
}

/** Exit codes as a shell reports a death by signal. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const
const CRASHES = ['uncaughtException', 'unhandledRejection'] as const
/** After the grace the process exits, even if closing hangs. */
const HARD_STOP_MS = 1_000

/**
 * Resolves with the exit code after a signal or a crash, when everything is closed.
 * First SIGTERM or SIGINT: closes, 0. A second one: exits at once. An uncaught error: is logged once, closes, 1.
 * Call it before anything is opened, so that a signal during the start closes what is open by then.
 */
export function runUntilSignal({ closers, graceMs, log, onSignal, host = process }: UntilSignal): Promise<number> {
  return new Promise((resolve) => {
    let stopping = false

    function stop(code: number): void {
      stopping = true
      // Not unref'd: it must fire even when nothing else keeps the process alive.
      const hardStop = setTimeout(() => host.exit(1), graceMs + HARD_STOP_MS)
      void closers.close(graceMs).then(() => {
        clearTimeout(hardStop)
        resolve(code)
      })
    }

    for (const [signal, hardCode] of Object.entries(SIGNALS)) {
      host.on(signal, () => {
        if (stopping) return void host.exit(hardCode)
        onSignal?.(signal)
        stop(0)
      })
    }
    for (const crash of CRASHES) {
      host.on(crash, (err) => {
        if (stopping) return
        log.fatal({ err }, crash)
        stop(1)
      })
    }
  })
}
