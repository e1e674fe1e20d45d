/**
 * The files of each bench in `bench/`, with their options.
 *
 * `json`: the file takes `--json FILE`, and writes one object of figures there. The document of `npm run bench` is all of these objects in one, so
 * the keys are the bench's own, such as `{ cpuRatio: { A: { redis: 0.2 } } }`. A name instead of `true` is the key under which they are put.
 * `sharesPostgres`: with the others that have it. The first one seeds two years of history, which takes a minute.
 * `beside`: it runs while the next step does, which seeds for as long. It counts, and uses a hundredth of a core.
 * `smoke`: options with which it runs in some seconds, as a test does with every step that has them. `needs`: a program it cannot run without.
 * `aside`: only with `--only`, since all the others together take about 12 minutes.
 *
 * @typedef {{ file: string, args?: string[], json?: true | string, sharesPostgres?: true, beside?: true, smoke?: string[], needs?: 'redis-server' }} Step
 * @type {Record<string, { about: string, aside?: true, steps: Step[] }>}
 */
export const BENCHES = {
  start: {
    about: 'the start of a command and of a worker, and a worker at rest',
    steps: [
      { file: 'start.mjs', args: ['--parts', 'start'], json: true, smoke: ['--parts', 'start', '--rounds', '1'], needs: 'redis-server' },
      {
        file: 'start.mjs',
        args: ['--parts', 'idle'],
        json: true,
        beside: true,
        smoke: ['--parts', 'idle', '--seconds', '1'],
        needs: 'redis-server',
      },
    ],
  },
  reading: {
    about: 'what people and scrapes read after two years of history',
    steps: [
      {
        file: 'reading.mjs',
        args: ['--keep'],
        json: true,
        sharesPostgres: true,
        smoke: ['--tasks', '100', '--runs', '1', '--seconds', '1', '--keep'],
      },
    ],
  },
  hot: {
    about: 'what a poll costs: CPU, WAL, transactions and bytes, beside a ceiling, a naive way and a cron job',
    steps: [
      {
        file: 'hot.mjs',
        json: true,
        sharesPostgres: true,
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
  enqueue: {
    about: 'tracking one task, many in one call, and with the SQL function',
    steps: [
      {
        file: 'enqueue.mjs',
        json: true,
        smoke: ['--tasks', '20', '--people', '2', '--calls', '5', '--rounds', '1'],
        needs: 'redis-server',
      },
    ],
  },
  lateness: {
    about: 'how late polls are with 100,000 open tasks, how a backlog drains, ten thousand tasks sent at once',
    steps: [
      {
        file: 'lateness.mjs',
        json: true,
        smoke: ['--live', '200', '--people', '2', '--calibrate', '40', '--seconds', '1', '--sent', '50', '--due', '40'],
        needs: 'redis-server',
      },
    ],
  },
  machines: {
    about: '1, 2 and 4 workers: polls, CPU, and the rate of an app',
    aside: true,
    steps: [
      {
        file: 'machines.mjs',
        json: true,
        smoke: ['--workers', '1,2', '--tasks', '40', '--people', '2', '--apps', '2', '--rounds', '1', '--cap', '20'],
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
  people: {
    about: 'names of 100,000 people imported, as CSV and as a workbook',
    aside: true,
    steps: [{ file: 'people.mjs', json: true, smoke: ['--people', '200', '--departments', '10'] }],
  },
}
