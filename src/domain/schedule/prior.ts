import type { Law } from './types.ts'

/**
 * When people read, before anything is known of them: office hours with a quarter of people who read around the clock, a median of about an hour of
 * attention, and wide spreads. No data on DingTalk's read times is public: the law is made from assumptions, which `bench/calls/prior.mjs` states,
 * and which it turns into these numbers.
 *
 * On simulated populations, plans from it have 1.0 to 1.6 times the bracket of the best plan where people read in office hours, in the evening or in
 * shifts, and up to 2.4 times where they are less alike: within minutes, in breaks only, or from five in the morning (`bench/calls/learning.mjs`).
 */
export const PRIOR_LAW: Law = {
  attention: {
    work: [
      0.364, 0.178, 0.22, 0.149, 0.204, 0.145, 0.34, 0.801, 1.23, 1.67, 1.59, 1.67, 1.33, 1.39, 1.46, 1.54, 1.44, 1.53, 1.4, 1.29, 1.3,
      1.29, 0.907, 0.54,
    ],
    free: [
      0.372, 0.174, 0.215, 0.144, 0.173, 0.131, 0.189, 0.342, 0.383, 0.738, 0.771, 0.75, 0.805, 0.791, 0.767, 0.764, 0.767, 0.755, 0.839,
      0.795, 0.864, 0.831, 0.702, 0.421,
    ],
  },
  hazard: {
    edges: [
      0, 1, 1.403, 1.968, 2.76, 3.871, 5.43, 7.617, 10.68, 14.99, 21.02, 29.49, 41.36, 58.02, 81.39, 114.2, 160.1, 224.6, 315.1, 442, 619.9,
      869.6, 1_220, 1_711, 2_400,
    ],
    values: [
      0, 0.02646, 0.03592, 0.04816, 0.06327, 0.08182, 0.1041, 0.1305, 0.1614, 0.1983, 0.2391, 0.2864, 0.3392, 0.4004, 0.4693, 0.5473,
      0.6364, 0.7371, 0.8466, 0.9664, 1.093, 1.223, 1.353, 1.486, 1.501,
    ],
  },
}
