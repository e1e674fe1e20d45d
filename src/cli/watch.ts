import { setTimeout as sleep } from 'node:timers/promises'
import { InvalidArgumentError, Option } from 'commander'
import { TrackerError } from '../domain/errors.ts'
import type { Context } from './context.ts'
import { parseNumber } from './options.ts'
import type { Display } from './rates.ts'
import type { Screen } from './screen.ts'
import { showTime } from './text/time.ts'
import { wrapTo } from './text/width.ts'

export interface Watched<Data> {
  load(): Promise<Data>
  render(data: Data, display: Display): string
  /** Nothing more will change. */
  isOver(data: Data): boolean
}

const DEFAULT_SECONDS = 2
/** After this time a note is shown that the database does not answer; the read goes on. */
const SILENCE_MS = 3_000

/** `--watch [seconds]`. */
export function watchOption(): Option {
  return new Option('--watch [seconds]', 'show it again every so many seconds, until Ctrl-C')
    .preset(String(DEFAULT_SECONDS))
    .argParser((text) => parseNumber(text, 0.2, 3_600, false))
}

/** @throws InvalidArgumentError, which is wrong usage */
export function refuseWatch(seconds: number | undefined, format: string): void {
  if (seconds === undefined) return
  throw new InvalidArgumentError(`--watch draws on a terminal: leave it out with ${format}, or run the command in a loop.`)
}

/**
 * Shows the data repeatedly until it is over or a signal stops the process. When the database goes away, a note is shown and the read is repeated;
 * a database that is away at the begin is an error, as without `--watch`.
 */
export async function watch<Data>(context: Context, seconds: number, watched: Watched<Data>): Promise<void> {
  const stop = stopOnSignal(context.process)
  const view = context.screen.isLive ? overwriting(context.screen) : inSequence(context)
  let known: Known<Data> | null = null
  const paint = (): void => {
    if (known !== null) view.show(renderFrame(known, seconds, watched, context))
  }
  const forget = context.screen.onResize(() => context.screen.isLive && paint())
  try {
    known = { data: await orStopped(watched.load(), stop.signal), at: context.now(), trouble: null }
    while (!watched.isOver(known.data)) {
      paint()
      await sleep(seconds * 1_000, undefined, { signal: stop.signal })
      known = await refreshed(known, watched, context, stop.signal, (silent) => {
        known = silent
        paint()
      })
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error
  } finally {
    forget()
    stop.dispose()
    if (known !== null) view.end(watched.render(known.data, readDisplay(context)), watched.isOver(known.data))
  }
}

interface Known<Data> {
  readonly data: Data
  readonly at: Date
  /** Why the data is not newer; null: it is. */
  readonly trouble: string | null
}

async function refreshed<Data>(
  known: Known<Data>,
  { load }: Watched<Data>,
  { now }: Context,
  signal: AbortSignal,
  onSilence: (known: Known<Data>) => void,
): Promise<Known<Data>> {
  const silence = setTimeout(() => onSilence({ ...known, trouble: 'The database does not answer.' }), SILENCE_MS)
  try {
    return { data: await orStopped(load(), signal), at: now(), trouble: null }
  } catch (error) {
    if (error instanceof TrackerError && error.retryable) return { ...known, trouble: error.message }
    throw error
  } finally {
    clearTimeout(silence)
  }
}

/** `work` may take as long as a network does not answer; a signal ends the wait at once. */
function orStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stopped = (): void => reject(new Error('stopped by a signal'))
    signal.addEventListener('abort', stopped, { once: true })
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stopped))
  })
}

function renderFrame<Data>({ data, at, trouble }: Known<Data>, seconds: number, watched: Watched<Data>, context: Context): string {
  const display = readDisplay(context)
  const { colors, width } = display
  const head =
    trouble === null
      ? [colors.dim(`${showTime(at)}, every ${seconds} s until Ctrl-C`)]
      : wrapTo(`${trouble} Trying again; the figures below are as of ${showTime(at)}.`, width).map((line) => colors.red(line))
  return [...head, '', watched.render(data, { ...display, height: context.screen.height() - head.length - 1 })].join('\n')
}

function readDisplay({ colors, screen }: Context): Display {
  return { colors, width: screen.width() }
}

interface View {
  show(frame: string): void
  /** @param isOver false: a signal ended it */
  end(last: string, isOver: boolean): void
}

/** One frame after another with an empty line between them, for pipes and logs. */
function inSequence({ print }: Context): View {
  let shown = 0
  const next = (frame: string): void => print(shown++ === 0 ? frame : `\n${frame}`)
  return {
    show: next,
    end: (last, isOver) => {
      if (isOver) next(last)
    },
  }
}

const ESC = '\u001B['
/** The alternate screen, without cursor, on which long lines are cut. */
const OPEN = `${ESC}?1049h${ESC}?25l${ESC}?7l`
const CLOSE = `${ESC}?7h${ESC}?25h${ESC}?1049l`
const HOME = `${ESC}H`
const CLEAR_LINE = `${ESC}K`
const CLEAR_BELOW = `${ESC}J`

/** Draws each frame over the one before, in one write, so that nothing flickers. The last one stays on the screen that was there before. */
function overwriting({ write, height }: Screen): View {
  let isOpen = false
  return {
    show(frame) {
      const lines = fitTo(frame.split('\n'), height())
      const below = lines.length < height() ? `\n${CLEAR_BELOW}` : ''
      write(`${isOpen ? '' : OPEN}${HOME}${lines.map((line) => `${CLEAR_LINE}${line}`).join('\n')}${below}`)
      isOpen = true
    },
    end: (last) => write(`${isOpen ? CLOSE : ''}${last}\n`),
  }
}

function fitTo(lines: readonly string[], height: number): readonly string[] {
  if (lines.length <= height) return lines
  const shown = Math.max(0, height - 1)
  return [...lines.slice(0, shown), `… ${lines.length - shown} more lines: make the window higher`]
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

function stopOnSignal(process: Context['process']): { readonly signal: AbortSignal; dispose(): void } {
  const controller = new AbortController()
  const stop = (): void => controller.abort()
  for (const signal of SIGNALS) process.on(signal, stop)
  return {
    signal: controller.signal,
    dispose: () => {
      for (const signal of SIGNALS) process.off(signal, stop)
    },
  }
}
