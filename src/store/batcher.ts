import { TrackerError } from '../domain/errors.ts'

export interface BatcherOptions<In, Out> {
  /** Handles many at once; results in the order of the items. */
  readonly run: (items: readonly In[]) => Promise<readonly Out[]>
  readonly maxItems: number
  /** Batches under way at once. */
  readonly parallel: number
  /** From the start of one batch to the next, in milliseconds. An item waits only where another batch started less than this before. */
  readonly gapMs: number
  /** Two items with one key never share a batch: the later one waits for the next. */
  readonly keyOf?: (item: In) => string
  /** After the failure of a batch: may one item have caused it, so that each is to be run alone? */
  readonly mayBePoisoned: (error: unknown) => boolean
}

/** One failing row fails its whole statement; a database that does not answer fails every row alike. */
export const mayBePoisoned = (error: unknown): boolean => !(error instanceof TrackerError)

interface Waiting<In, Out> {
  readonly item: In
  readonly resolve: (result: Out) => void
  readonly reject: (error: unknown) => void
}

/**
 * Runs in one call the items that arrive in one turn of the event loop, within `gapMs` of the batch before, or while `parallel` batches run.
 * The higher the load the larger the batches; a single item does not wait.
 */
export function createBatcher<In, Out>(options: BatcherOptions<In, Out>): (item: In) => Promise<Out> {
  let waiting: Waiting<In, Out>[] = []
  let running = 0
  let scheduled = false
  let startedAt = -Infinity

  const schedule = (): void => {
    if (scheduled || running >= options.parallel || waiting.length === 0) return
    scheduled = true
    const begin = (): void => {
      scheduled = false
      start()
    }
    const waitMs = startedAt + options.gapMs - performance.now()
    if (waitMs > 0) setTimeout(begin, waitMs)
    else setImmediate(begin)
  }
  const start = (): void => {
    const [batch, rest] = takeBatch(waiting, options)
    waiting = rest
    startedAt = performance.now()
    running++
    void runBatch(batch, options).finally(() => {
      running--
      schedule()
    })
    schedule()
  }
  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      schedule()
    })
}

function takeBatch<In, Out>(waiting: Waiting<In, Out>[], { maxItems, keyOf }: BatcherOptions<In, Out>) {
  if (keyOf === undefined) return [waiting.slice(0, maxItems), waiting.slice(maxItems)] as const
  const keys = new Set<string>()
  const batch: Waiting<In, Out>[] = []
  const rest: Waiting<In, Out>[] = []
  for (const one of waiting) {
    const key = keyOf(one.item)
    const fits = batch.length < maxItems && !keys.has(key)
    ;(fits ? batch : rest).push(one)
    keys.add(key)
  }
  return [batch, rest] as const
}

async function runBatch<In, Out>(batch: readonly Waiting<In, Out>[], options: BatcherOptions<In, Out>): Promise<void> {
  try {
    resolveAll(batch, await options.run(batch.map((one) => one.item)))
  } catch (error) {
    if (batch.length > 1 && options.mayBePoisoned(error)) {
      for (const one of batch) await runBatch([one], options)
    } else {
      for (const one of batch) one.reject(error)
    }
  }
}

function resolveAll<In, Out>(batch: readonly Waiting<In, Out>[], results: readonly Out[]): void {
  if (results.length !== batch.length) throw new Error(`a batch of ${batch.length} gave ${results.length} results`)
  for (const [i, result] of results.entries()) batch[i]?.resolve(result)
}
