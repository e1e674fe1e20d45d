/**
 * The files of each bench in `bench/`, with their options. One marked `json` writes its figures into a file.
 * @type {Record<string, { about: string, steps: Array<{ file: string, args?: string[], json?: true }> }>}
 */
export const BENCHES = {
  calls: {
    about: 'how wide brackets are for so many calls, and months of calls; half an hour, or longer on a busy machine',
    steps: [
      { file: 'calls/known-laws.mjs' },
      { file: 'calls/today.mjs', json: true },
      { file: 'calls/learning.mjs' },
      { file: 'calls/scheduling.mjs' },
      { file: 'calls/month.mjs' },
      { file: 'calls/compressed-month.mjs', args: ['--schedule', 'learned', '--scale', '2160'], json: true },
    ],
  },
  million: { about: 'reports over a million recipients', steps: [{ file: 'million.mjs' }] },
  reading: { about: 'what people and scrapes read after two years of history', steps: [{ file: 'reading.mjs', json: true }] },
  'campaign-page': { about: 'the page of a campaign of 60,000 people', steps: [{ file: 'campaign-page.mjs' }] },
  pages: { about: 'the pages of the dashboard', steps: [{ file: 'pages.mjs' }] },
  people: { about: 'names of people in reports', steps: [{ file: 'people.mjs' }] },
  start: { about: 'the start of a command and of a worker, and a worker at rest', steps: [{ file: 'start.mjs', json: true }] },
  enqueue: { about: 'tracking one task, many in one call, and with the SQL function', steps: [{ file: 'enqueue.mjs', json: true }] },
  lateness: {
    about: 'how late polls are with 100,000 open tasks, how a backlog drains, ten thousand tasks sent at once; three minutes',
    steps: [{ file: 'lateness.mjs', json: true }],
  },
  machines: { about: '1, 2 and 4 workers: polls, CPU, and the rate of an app', steps: [{ file: 'machines.mjs', json: true }] },
  xlsx: { about: 'the .xlsx file of a large campaign', steps: [{ file: 'xlsx.mjs' }] },
}
