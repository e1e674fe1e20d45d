/** What the calls of an app's month are left for, as the database knows it at one moment. */
export interface CallOutlook {
  /** The month in which calls count now. */
  readonly month: { readonly startsAt: Date; readonly endsAt: Date }
  /** Calls of this month that are made or reserved for the near future. */
  readonly used: number
  /** Open tasks that were admitted and whose final poll falls in this month. */
  readonly finalPolls: number
  /** Open tasks that have a plan: how many, and some of them, evenly chosen. */
  readonly open: { readonly tasks: number; readonly sample: readonly OpenPlan[] }
  /** Tasks without a plan. */
  readonly waiting: number
  /** True: the app has tasks from before the history. Only where all of it was asked for. */
  readonly isOld: boolean
  /** Tasks by the hour of their send. Those that wait for a plan do not count. */
  readonly sent: ReadonlyArray<{ readonly hour: number; readonly tasks: number }>
  /** The latest tasks that have a plan, newest first. */
  readonly recent: readonly SentTask[]
}

/** An open task, as far as its calls are concerned. */
export interface OpenPlan {
  readonly sentAt: Date
  /** Recipients that have not read, at least 1. */
  readonly unread: number
  /** Null: an earlier version planned it. */
  readonly pollOffsetsMs: readonly number[] | null
}

export interface SentTask {
  readonly sentAt: Date
  /** Recipients, at least 1. */
  readonly people: number
}

/** Hours of a clock that may run faster than the real one. */
export interface Hours {
  /** The real moment at which hour 0 begins. */
  readonly originAt: Date
  /** Real milliseconds of one hour. */
  readonly lengthMs: number
}

/** What the price of a call is made from. */
export interface CallOutlooks {
  /**
   * In one statement.
   * @param budget calls a month
   * @param sinceHour sends are counted from this hour on; null: from 28 days before the month began
   */
  read(app: string, question: { readonly budget: number; readonly hours: Hours; readonly sinceHour: number | null }): Promise<CallOutlook>
  /** The latest tasks of an app that have a plan and recipients, newest first. */
  recentTasks(app: string): Promise<readonly SentTask[]>
}
