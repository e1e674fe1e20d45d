/** The result of one check. */
export interface Finding {
  readonly name: string
  /** False: the work cannot be done without it. */
  readonly ok: boolean
  /** The work goes on, but an operator should act. */
  readonly warning?: true
  /** What is wrong, or what is there: never a secret, never a URL with a query. */
  readonly detail: string
  /** What to do where it is not ok, or a warning. */
  readonly remedy?: string
}

/** What a check found. A remedy makes it a warning. */
export type Found = Pick<Finding, 'detail' | 'remedy'>

export function toFinding(name: string, { detail, remedy }: Found): Finding {
  return remedy === undefined ? { name, ok: true, detail } : { name, ok: true, warning: true, detail, remedy }
}

/** The health of a process. `ok` is true when every check is; a warning does not change it. */
export interface HealthReport {
  readonly ok: boolean
  readonly checks: readonly HealthCheck[]
}

export interface HealthCheck {
  readonly name: string
  readonly ok: boolean
  /** What is wrong, or the measured values: never a secret, never a URL with a query. */
  readonly detail?: string
  /** The work goes on, but an operator should act: `remedy` says how. Never together with a check that is not `ok`. */
  readonly warning?: boolean
  /** What to do where it is not `ok`, or a warning. */
  readonly remedy?: string
}
