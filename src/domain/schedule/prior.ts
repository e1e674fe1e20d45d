import type { Law } from './types.ts'

/**
 * When people read, before anything is known of them: office hours with a quarter of people who read around the clock, a median of about an hour of
 * attention, and wide spreads. No data on DingTalk's read times is public: the law is made from assumptions, which `bench/calls/prior.mjs` states,
 * and which it turns into these numbers.
 *
 * Plans from it have 1.04 to 1.6 times the bracket of the best plan where people work in offices, in the evening or in shifts, and up to 2.3 times
 * where they read within minutes: `bench/calls/learning.mjs`.
 */
export const PRIOR_LAW: Law = {
  attention: {
    work: [
      0.376, 0.216, 0.218, 0.184, 0.2, 0.175, 0.38, 0.878, 1.28, 1.64, 1.58, 1.59, 1.35, 1.35, 1.46, 1.47, 1.45, 1.46, 1.4, 1.26, 1.3, 1.28,
      0.92, 0.581,
    ],
    free: [
      0.373, 0.208, 0.209, 0.176, 0.182, 0.163, 0.187, 0.402, 0.416, 0.806, 0.801, 0.784, 0.836, 0.823, 0.781, 0.793, 0.785, 0.787, 0.856,
      0.834, 0.88, 0.864, 0.711, 0.453,
    ],
  },
  hazard: {
    edges: [
      0, 1, 1.403, 1.968, 2.76, 3.871, 5.43, 7.617, 10.68, 14.99, 21.02, 29.49, 41.36, 58.02, 81.39, 114.2, 160.1, 224.6, 315.1, 442, 619.9,
      869.6, 1_220, 1_711, 2_400,
    ],
    values: [
      0, 0.01538, 0.02364, 0.03393, 0.0475, 0.065, 0.08684, 0.1135, 0.1455, 0.1841, 0.2282, 0.279, 0.3362, 0.4022, 0.4765, 0.56, 0.6541,
      0.7591, 0.8736, 0.9973, 1.127, 1.258, 1.389, 1.522, 1.537,
    ],
  },
}
