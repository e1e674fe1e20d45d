import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RateReader } from '../../src/report/rates.ts'
import { shareReads } from '../../src/web/shared-reads.ts'
import { lookAt } from '../store/support/polls.ts'
import { deferred } from '../support/deferred.ts'
import { until } from '../support/wait.ts'
import { ask } from './support/ask.ts'
import { aServer, openServer, type Served } from './support/server.ts'
import { CAMPAIGN, fillWorld, TASK } from './support/world.ts'

const NAME = encodeURIComponent(CAMPAIGN)
const PAGE = { headers: { accept: 'text/html', 'accept-language': 'en' } }
const SECOND = 1_000

/** Counts what is asked of a reader. Every answer costs what `cost` says, on a clock that only this moves. */
function counted(rates: RateReader, cost: (method: string) => number = () => 0) {
  const calls: string[] = []
  let nowMs = 0
  const reader = new Proxy(rates, {
    get:
      (target, method) =>
      async (...args: readonly unknown[]) => {
        calls.push(String(method))
        const answer: unknown = await Reflect.apply(Reflect.get(target, method), target, args)
        nowMs += cost(String(method))
        return answer
      },
  })
  return {
    reader,
    clock: () => nowMs,
    pass: (ms: number): void => {
      nowMs += ms
    },
    /** How often this was asked since the last time, or everything together. */
    taken: (method?: string): number => {
      const all = calls.splice(0)
      return all.filter((each) => method === undefined || each === method).length
    },
  }
}

describe('every question', () => {
  let served: Served
  let close: () => Promise<void>
  beforeAll(async () => {
    ;({ served, close } = await openServer({}))
    await fillWorld(served.store)
  })
  afterAll(() => close())

  const task = { taskId: TASK }
  const at = new Date()
  const questions: ReadonlyArray<readonly [string, (rates: RateReader) => Promise<unknown>]> = [
    ['task', (rates) => rates.task(task)],
    ['task with its app', (rates) => rates.task({ ...task, app: 'default' })],
    ['tasks', (rates) => rates.tasks({})],
    ['tasks of an app', (rates) => rates.tasks({ app: 'default' })],
    ['tasks of a campaign', (rates) => rates.tasks({ campaign: CAMPAIGN })],
    ['tasks of an id', (rates) => rates.tasks({ taskId: TASK })],
    ['tasks of a status', (rates) => rates.tasks({ status: 'tracking' })],
    ['tasks since', (rates) => rates.tasks({ since: at })],
    ['tasks until', (rates) => rates.tasks({ until: at })],
    ['one task', (rates) => rates.tasks({ limit: 1 })],
    ['campaign', (rates) => rates.campaign({ campaign: CAMPAIGN })],
    ['campaigns', (rates) => rates.campaigns({})],
    ['campaigns of a name', (rates) => rates.campaigns({ campaign: CAMPAIGN })],
    ['campaigns searched', (rates) => rates.campaigns({ search: CAMPAIGN })],
    ['recipients', (rates) => rates.recipients(task, {})],
    ['recipients in a state', (rates) => rates.recipients(task, { state: 'read' })],
    ['recipients searched', (rates) => rates.recipients(task, { search: 'read' })],
    ['people', (rates) => rates.campaignRecipients({ campaign: CAMPAIGN }, {})],
    ['people in a state', (rates) => rates.campaignRecipients({ campaign: CAMPAIGN }, { state: 'read' })],
    ['a page of people', (rates) => rates.campaignRecipients({ campaign: CAMPAIGN }, { limit: 2 })],
    ['curve', (rates) => rates.curve(task)],
    ['curve of a campaign', (rates) => rates.campaignCurve({ campaign: CAMPAIGN })],
    ['time to read of a task', (rates) => rates.timeToRead(task)],
    ['time to read of a campaign', (rates) => rates.timeToRead({ campaign: CAMPAIGN })],
    ['time to read of all', (rates) => rates.timeToRead({})],
    ['time to read of an app', (rates) => rates.timeToRead({ app: 'default' })],
    ['time to read since', (rates) => rates.timeToRead({ since: at })],
    ['times of a task', (rates) => rates.readTimes(task)],
    ['times of a campaign', (rates) => rates.readTimes({ campaign: CAMPAIGN })],
    ['state details of a task', (rates) => rates.stateDetails(task)],
    ['state details of a campaign', (rates) => rates.stateDetails({ campaign: CAMPAIGN })],
    ['state at', (rates) => rates.stateAt(task, at)],
    ['state at another time', (rates) => rates.stateAt(task, new Date(0))],
    ['polls', (rates) => rates.polls(task)],
    ['explain', (rates) => rates.explain(task, 'ann')],
    ['explain another', (rates) => rates.explain(task, 'ben')],
    ['apps', (rates) => rates.apps()],
    ['attention', (rates) => rates.attention()],
  ]

  test('is answered as the reader itself does, once for all who ask at the same time, and never with another one’s answer', async () => {
    const { reader, clock, taken } = counted(served.options.rates)
    const reads = shareReads(reader, clock)
    const twice = [...questions, ...questions]
    const answers = await Promise.all(twice.map(([, question]) => question(reads.forRequest(true).rates)))
    expect(taken()).toBe(questions.length)
    for (const [i, [name, question]] of twice.entries()) expect([name, answers[i]]).toEqual([name, await question(served.options.rates)])
  })

  test('and is costly: only what names nobody, and what no figure is, is kept', async () => {
    const { reader, clock, taken } = counted(served.options.rates, () => 4 * SECOND)
    const kept: string[] = []
    for (const [name, question] of questions) {
      const reads = shareReads(reader, clock)
      await question(reads.forRequest(true).rates)
      taken()
      await question(reads.forRequest(true).rates)
      if (taken() === 0) kept.push(name)
    }
    expect(kept).toEqual([
      'curve of a campaign',
      'time to read of a task',
      'time to read of a campaign',
      'time to read of all',
      'time to read of an app',
      'times of a task',
      'times of a campaign',
    ])
  })

  test('about a campaign of 20,000 people is kept for fifty times what it cost, also where it is cheap; its figures and people are not', async () => {
    const row = await served.options.rates.campaign({ campaign: CAMPAIGN })
    const askAll = async (targeted: number) => {
      const { reader, clock, pass, taken } = counted(served.options.rates, () => 100)
      const reads = shareReads(reader, clock)
      const of = { ...row, targeted }
      const read = async (): Promise<number> => {
        const { rates, freshness } = reads.forRequest(true)
        await rates.campaign(of)
        await rates.campaignRecipients(of, {})
        await rates.campaignCurve(of)
        await rates.readTimes(of)
        await rates.stateDetails(of)
        await rates.campaignDepartments(of)
        return freshness().reuseMs
      }
      const first = [await read(), taken()]
      const second = [await read(), taken()]
      pass(10 * SECOND)
      return [first, second, [await read(), taken()]]
    }
    expect(await askAll(19_999)).toEqual([
      [0, 6],
      [0, 6],
      [0, 6],
    ])
    expect(await askAll(20_000)).toEqual([
      [5 * SECOND, 6],
      [5 * SECOND, 2],
      [5 * SECOND, 6],
    ])
  })
})

describe('the page of a campaign', () => {
  test('that six readers open at once is computed once', async () => {
    let opened = 0
    const allAreHere = deferred()
    let count: ReturnType<typeof counted> | undefined
    const { url, store } = await aServer({
      reading: (rates) => {
        // The number of apps is kept with the time at which it was read, which asks for the time once more.
        count = counted({
          ...rates,
          campaign: async (ref) => (await allAreHere.promise, rates.campaign(ref)),
          apps: async () => (await allAreHere.promise, rates.apps()),
        })
        return count.reader
      },
      // Asked once for each page, before the page asks for anything else.
      now: () => {
        opened += 1
        return new Date()
      },
    })
    await fillWorld(store)
    const pages = Array.from({ length: 6 }, () => ask(url, `/campaigns/${NAME}`, PAGE))
    await until(() => opened === 6, { what: 'all six have asked' })
    allAreHere.resolve()
    for (const { status, text } of await Promise.all(pages)) expect([status, text.includes('ben')]).toEqual([200, true])
    expect(count?.taken()).toBe(
      ['apps', 'campaign', 'campaignDepartments', 'campaignCurve', 'readTimes', 'stateDetails', 'tasks', 'campaignRecipients'].length,
    )
  })

  /** The people's brackets cost 4 s; all else costs nothing. */
  async function aCostlyServer() {
    let count: ReturnType<typeof counted> | undefined
    const served = await aServer({
      reading: (rates) => {
        count = counted(rates, (method) => (method === 'readTimes' ? 4 * SECOND : 0))
        return count.reader
      },
      monotonicMs: () => count?.clock() ?? 0,
    })
    if (count === undefined) throw new Error('no reader was made')
    await fillWorld(served.store)
    return { ...served, ...count }
  }
  const bodyOf = (text: string): string => /<body[^>]*>/.exec(text)?.[0] ?? ''

  test('that took 4 s is asked for again after 20 s, by its script and without it, and says that it is 4 s old', async () => {
    const { url } = await aCostlyServer()
    const { text } = await ask(url, `/campaigns/${NAME}`, PAGE)
    expect(bodyOf(text)).toBe('<body data-refresh="20" data-age="4">')
    expect(text).toContain('<noscript><meta http-equiv="refresh" content="60"></noscript>')
  })

  test('costs the next readers nothing for 20 s; the figures in its head are as new as ever', async () => {
    const { url, store, pass, taken } = await aCostlyServer()
    const path = `/campaigns/${NAME}`
    await ask(url, path, PAGE)
    taken()
    pass(19 * SECOND)
    const later = await ask(url, path, PAGE)
    expect(bodyOf(later.text)).toBe('<body data-refresh="20" data-age="23">')
    expect(later.text).toContain('1 of 2 delivered have read')
    await lookAt(store, { app: 'default', taskId: TASK }, { read: ['ann', 'ben'] }, 30)
    expect((await ask(url, path, PAGE)).text).toContain('2 of 2 delivered have read')
    expect(taken('readTimes')).toBe(0)
    // Too old to be fresh: it is given once more, and a newer one is computed for the next.
    pass(SECOND)
    // Which may be done before the page is: it took 4 s.
    expect(bodyOf((await ask(url, path, PAGE)).text)).toMatch(/data-age="(24|28)"/)
    await until(async () => bodyOf((await ask(url, path, PAGE)).text).includes('data-age="4"'), { what: 'the newer figures are there' })
    expect(taken('readTimes')).toBe(1)
  })

  test('and the API say the same, and the API how old it is', async () => {
    const { url, pass, taken } = await aCostlyServer()
    await ask(url, `/campaigns/${NAME}`, PAGE)
    pass(5 * SECOND)
    for (const query of ['', '?app=default']) {
      const curve = await ask(url, `/v1/campaigns/${NAME}/curve${query}`)
      const time = await ask(url, `/v1/campaigns/${NAME}/time-to-read${query}`)
      expect([curve.status, curve.headers.get('age'), time.headers.get('age')]).toEqual([200, '9', '9'])
      expect([curve.body.bounds.length > 0, time.body.people]).toEqual([true, 2])
    }
    expect(taken('readTimes')).toBe(1)
    expect((await ask(url, '/v1/campaigns/nowhere/curve')).status).toBe(404)
  })

  test('that is cheap is asked for every 5 s, and holds nothing older than the request', async () => {
    const { url, store } = await aServer({ monotonicMs: () => 0 })
    await fillWorld(store)
    const { text } = await ask(url, `/campaigns/${NAME}`, PAGE)
    expect(bodyOf(text)).toBe('<body data-refresh="5" data-age="0">')
  })
})
