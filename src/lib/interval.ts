/** Work that is repeated, and never runs twice at the same time. */
export interface Interval {
  /** Runs the work now, or once more right after the current run. */
  runNow(): void
  /** Waits for the current run. */
  stop(): Promise<void>
}

/**
 * Repeats `work` with a pause of `everyMs` after each run. A failure is passed to `onError` and does not end the interval. `setInterval` does not wait
 * for the work, and a repeatable job needs the queue.
 * @param everyMs pause between two runs, in milliseconds; a function decides after each run, and null waits for `runNow`
 */
export function startInterval(
  everyMs: number | (() => number) | null,
  work: () => Promise<unknown>,
  onError: (error: unknown) => void,
): Interval {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | null = null
  let isRunAgain = false
  let stopped = false

  async function run(): Promise<void> {
    try {
      await work()
    } catch (error) {
      onError(error)
    }
    running = null
    const pauseMs = isRunAgain ? 0 : typeof everyMs === 'function' ? everyMs() : everyMs
    if (!stopped && pauseMs !== null) schedule(pauseMs)
    isRunAgain = false
  }

  function schedule(ms: number): void {
    clearTimeout(timer)
    timer = setTimeout(() => {
      running = run()
    }, ms)
  }

  schedule(0)
  return {
    runNow() {
      if (stopped) return
      if (running === null) schedule(0)
      else isRunAgain = true
    },
    async stop() {
      stopped = true
      clearTimeout(timer)
      await running
    },
  }
}
