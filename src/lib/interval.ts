/** Work that is done again and again, never twice at once. */
export interface Interval {
  /** Does the work now, or once more right after the run that is under way. */
  runNow(): void
  /** Waits for the run that is under way. */
  stop(): Promise<void>
}

/**
 * A plain interval that needs no queue: `work`, then a pause of `everyMs`, then again. A failure is told and does not end it.
 * @param everyMs pause between two runs, in milliseconds
 */
export function startInterval(everyMs: number, work: () => Promise<unknown>, onError: (error: unknown) => void): Interval {
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
    if (!stopped) schedule(isRunAgain ? 0 : everyMs)
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
