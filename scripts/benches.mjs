/**
 * The files of each bench in `bench/`, with their options.
 *
 * `json`: the file takes `--json FILE`, and writes one object of figures there. The document of `npm run bench` is all of these objects in one, so
 * the keys are the bench's own, such as `{ cpuRatio: { A: { redis: 0.2 } } }`. A name instead of `true` is the key under which they are put.
 * `smoke`: options with which it runs in some seconds, as a test does with every step that has them. `needs`: a program it cannot run without.
 * `aside`: only with `--only`, since all the others together take 12 minutes at most.
 *
 * @typedef {{ file: string, args?: string[], json?: true | string, smoke?: string[], needs?: 'redis-server' }} Step
 * @type {Record<string, { about: string, aside?: true, steps: Step[] }>}
 */
export const BENCHES = {
  hot: {
    about: 'what a poll costs: CPU, WAL, transactions and bytes, beside a ceiling, a naive way and a cron job',
    steps: [
      {
        file: 'hot.mjs',
        json: true,
        smoke: [
          '--rounds',
          '1',
          '--tasks',
          '20',
          '--people',
          '20',
          '--day-tasks',
          '20',
          '--apps',
          '20',
          '--open',
          '200',
          '--history',
          '100',
        ],
        needs: 'redis-server',
      },
    ],
  },
  calls: {
    about: 'how wide brackets are for so many calls, and months of calls; half an hour, or longer on a busy machine',
    aside: true,
    steps: [
      { file: 'calls/known-laws.mjs', smoke: ['--random', '1'] },
      { file: 'calls/today.mjs', json: 'today', smoke: ['--seeds', '1'] },
      { file: 'calls/learning.mjs', smoke: ['--seeds', '1', '--people', '5', '--worlds', 'tuning', '--only', 'cold'] },
      { file: 'calls/scheduling.mjs', smoke: ['--tasks', '50', '--no-limits'] },
      { file: 'calls/month.mjs', smoke: ['--seeds', '1', '--table', 'price', '--only', '60 tasks'] },
      // A test of its own runs it for a short time.
      { file: 'calls/compressed-month.mjs', args: ['--schedule', 'learned', '--scale', '2160'], json: 'compressedMonth' },
    ],
  },
  million: {
    about: 'reports over a million recipients; five minutes',
    aside: true,
    steps: [{ file: 'million.mjs', smoke: ['--tasks', '50', '--runs', '1', '--writes'] }],
  },
  'campaign-page': {
    about: 'the page of a campaign of 60,000 people',
    aside: true,
    steps: [{ file: 'campaign-page.mjs', smoke: ['--people', '200', '--rounds', '1'] }],
  },
  pages: { about: 'the pages of the dashboard', aside: true, steps: [{ file: 'pages.mjs', smoke: ['--tasks', '50', '--runs', '1'] }] },
  people: {
    about: 'names of people in reports',
    aside: true,
    steps: [{ file: 'people.mjs', smoke: ['--people', '200', '--departments', '10'] }],
  },
  'ten-thousand': {
    about: 'ten thousand tasks at once with one worker; ten minutes',
    aside: true,
    steps: [
      {
        file: 'ten-thousand.mjs',
        smoke: ['--tasks', '12', '--people', '2', '--scale', '8640', '--send-seconds', '1'],
        needs: 'redis-server',
      },
    ],
  },
  'track-many': {
    about: 'tracking many tasks in one call',
    aside: true,
    steps: [{ file: 'track-many.mjs', smoke: ['--tasks', '20', '--people', '2', '--senders', '2'] }],
  },
  xlsx: { about: 'the .xlsx file of a large campaign', aside: true, steps: [{ file: 'xlsx.mjs', smoke: ['--people', '100,200'] }] },
}
