/** What a process says about itself. `ok` is true when every check is. */
export interface HealthReport {
  readonly ok: boolean
  readonly checks: readonly HealthCheck[]
}

export interface HealthCheck {
  readonly name: string
  readonly ok: boolean
  /** What is wrong, or what is there: never a secret, never a URL with a query. */
  readonly detail?: string
}
