/**
 * Populations that read at different hours. They are made up: no figures of DingTalk's are public. Of the readers of a message that is sent at 10:00
 * on a work day, `office` has 64 % after an hour, 88 % after six and 95 % after 24; `slow` has 32 %, 63 % and 81 %.
 *
 * The weight of an hour is the attention that one of its minutes gives; the `parts` say how much of it a person needs.
 */
export const PRESETS = {
  /** Desks: from nine to seven, a little in the evening and at weekends, next to nothing at night. */
  office: {
    work: hours([6, 0.01], [1, 0.1], [1, 0.3], [1, 0.6], [3, 1], [2, 0.8], [4, 1], [1, 0.8], [3, 0.3], [2, 0.2]),
    free: hours([7, 0.015], [2, 0.2], [13, 0.33], [2, 0.2]),
    parts: desk(0.57, 5, 175),
  },
  /** The hours of `office`, but seven of ten need half a day of attention. */
  slow: {
    work: hours([6, 0.01], [1, 0.1], [1, 0.3], [1, 0.6], [3, 1], [2, 0.8], [4, 1], [1, 0.8], [3, 0.3], [2, 0.2]),
    free: hours([7, 0.015], [2, 0.2], [13, 0.33], [2, 0.2]),
    parts: desk(0.29, 8, 360),
  },
  /** People on their feet during the day, such as in shops and schools: they read at lunch and after work. */
  evening: {
    work: hours([6, 0.02], [2, 0.4], [4, 0.1], [1, 0.9], [4, 0.1], [1, 0.5], [4, 1.2], [1, 0.6], [1, 0.2]),
    free: hours([7, 0.02], [2, 0.2], [9, 0.4], [4, 0.7], [1, 0.5], [1, 0.2]),
    parts: desk(0.5, 8, 150),
  },
  /** Three shifts, seven days a week: they read when the shift changes, and at night too. */
  shifts: {
    work: hours([5, 0.3], [2, 1.5], [6, 0.3], [2, 1.5], [6, 0.3], [2, 1.5], [1, 0.3]),
    free: hours([5, 0.3], [2, 1.5], [6, 0.3], [2, 1.5], [6, 0.3], [2, 1.5], [1, 0.3]),
    parts: desk(0.5, 10, 180),
  },
  /** Every hour is like every other. */
  flat: { work: hours([24, 1]), free: hours([24, 1]), parts: desk(0.57, 5, 175) },
} as const
export type PresetName = keyof typeof PRESETS

/** The weights of a day, from runs of equal hours. */
function hours(...runs: ReadonlyArray<readonly [count: number, weight: number]>): number[] {
  return runs.flatMap(([count, weight]) => Array<number>(count).fill(weight))
}

/** Some read at once, the others when they have time. */
function desk(share: number, soonMinutes: number, laterMinutes: number) {
  return [
    { share, medianMinutes: soonMinutes, spread: 1 },
    { share: 1 - share, medianMinutes: laterMinutes, spread: 1 },
  ]
}
