/** Counts what happens, for Prometheus. Methods never throw. */
export interface Metrics {
  /** One recorded look. `lagMs`: its start minus when it was due; null when it was not due at a time. */
  look(event: { readonly app: string; readonly outcome: string; readonly lagMs: number | null; readonly good: boolean }): void
  /** People who were seen as read for the first time. */
  recipientsRead(app: string, people: number): void
  /** One HTTP call. `code`: the effective code of the answer, `0` for success. */
  apiCall(event: { readonly app: string; readonly endpoint: string; readonly code: string; readonly seconds: number }): void
  tokenRefresh(app: string): void
  /** What the reconciler did, by kind (`added`, `replaced`, `moved`, `ended`, …). */
  reconciled(actions: Readonly<Record<string, number>>): void
  /** Asked at each scrape. A failure leaves those gauges out of the answer and counts nothing else out. */
  onCollect(read: () => Promise<Gauges>): void
  /** The page that Prometheus reads. */
  text(): Promise<string>
}

/** Values that are read when somebody asks. */
export interface Gauges {
  readonly tasks: ReadonlyArray<{ readonly app: string; readonly status: string; readonly count: number }>
  readonly overdue: number
  /** Apps with a monthly budget only. */
  readonly budgets: ReadonlyArray<{ readonly app: string; readonly remaining: number }>
}
