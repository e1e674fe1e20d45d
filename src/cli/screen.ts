/** The terminal behind stdout. */
export interface Screen {
  /** It can be drawn over. Otherwise frames follow each other. */
  readonly isLive: boolean
  /** Current columns; infinite where stdout is no terminal. */
  width(): number
  /** Current lines. */
  height(): number
  write(text: string): void
  /** Called after the size has changed, until the returned function is called. */
  onResize(listener: () => void): () => void
}

/** The part of a stream that commands use. */
export interface Output {
  readonly columns?: number | undefined
  readonly rows?: number | undefined
  readonly isTTY?: boolean | undefined
  write(text: string): unknown
  on?(event: 'resize', listener: () => void): unknown
  off?(event: 'resize', listener: () => void): unknown
}

export function createScreen(out: Output, isLive: boolean): Screen {
  return {
    isLive,
    width: () => widthOf(out),
    height: () => orEndless(out.rows),
    write: (text) => void out.write(text),
    onResize(listener) {
      out.on?.('resize', listener)
      return () => void out.off?.('resize', listener)
    },
  }
}

export function widthOf({ columns }: Pick<Output, 'columns'>): number {
  return orEndless(columns)
}

/** A terminal of unknown size reports 0. */
function orEndless(size: number | undefined): number {
  return size === undefined || size === 0 ? Number.POSITIVE_INFINITY : size
}
