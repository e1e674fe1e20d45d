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

/** All checks of one process. `ok`: every check is ok; a warning does not change it. */
export interface HealthReport {
  readonly ok: boolean
  readonly checks: readonly Finding[]
}

/** What a check found. A remedy makes it a warning. */
export type Found = Pick<Finding, 'detail' | 'remedy'>

export function findingOf(name: string, { detail, remedy }: Found): Finding {
  return remedy === undefined ? { name, ok: true, detail } : { name, ok: true, warning: true, detail, remedy }
}
