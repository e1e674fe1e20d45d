/** Why a task needs attention. */
export const RISKS = [
  /** The next poll is late by more than a minute of the 24-hour window: no worker makes it. */
  'overdue',
  /** Its last poll failed, or the next one is later than planned: see `problemCode` and `delayCode`. */
  'delayed',
  /** DingTalk refused every poll until the deadline. */
  'stopped',
  /** The 24 hours passed without one successful poll. */
  'never_observed',
  /** The last successful poll was more than an hour of the 24-hour window before the deadline. */
  'blind',
] as const
export type RiskKind = (typeof RISKS)[number]
