/** Where the polls of a plan come from. */
export const PLACED_BY = ['learned', 'prior', 'law', 'growing', 'custom', 'assumed_send_time', 'not_admitted'] as const

export type PlacedBy = (typeof PLACED_BY)[number]

/** Why the polls of a task are where they are: stored beside its plan when it is scheduled. */
export interface PlanDetail {
  /**
   * `learned`: a law learned from the app's own tasks; `prior`: the law that is assumed before there are any; `law`: one that was given; `growing`:
   * gaps that grow; `custom`: a function of the program; `assumed_send_time`: early, late and even polls, since the window may end early;
   * `not_admitted`: the monthly call budget had no call left for the final poll.
   */
  readonly placedBy: PlacedBy
  /** The recipients that the plan is for. Where the sender named none, as many as the app's tasks have in the median. */
  readonly people: number
  /** The version of the law; null where no learned law was used. */
  readonly law: number | null
  /** What a call cost when the task was scheduled: minutes of the mean bracket times the root of the recipients. Null: no monthly budget. */
  readonly price: number | null
  /** Calls that are expected, early end included. Null: not computed. */
  readonly expectedCalls: number | null
  /** The expected mean bracket of those who read, in milliseconds of the 24-hour window. Null: not computed. */
  readonly widthMs: number | null
}
