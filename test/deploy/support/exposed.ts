import type { TaskStatus } from '../../../src/domain/delivery.ts'
import { type PollOutcome, PROBLEM_CODES } from '../../../src/domain/problems.ts'
import { createMetrics } from '../../../src/ops/metrics.ts'
import type { Restored } from '../../../src/polling/ports.ts'
import { aForecast } from '../../support/call-forecast.ts'
import { CHECKS } from '../../support/checks.ts'
import { type Expression, readExpression, type Selector } from './promql.ts'

/** Each value once; TypeScript misses the one that is forgotten. */
const OUTCOMES: Readonly<Record<PollOutcome, true>> = {
  observed: true,
  empty: true,
  throttled: true,
  quota: true,
  configuration: true,
  task: true,
  call_timeout: true,
  transient: true,
}
const STATUSES: Readonly<Record<TaskStatus, true>> = { tracking: true, complete: true, expired: true, stopped: true, cancelled: true }
const ACTIONS: Restored & { readonly ended: number } = { added: 1, replaced: 1, moved: 1, left: 1, ended: 1 }

/** The page of a process in which everything has happened once. */
export async function fullPage({ databaseIsAway = false } = {}): Promise<string> {
  const metrics = createMetrics()
  for (const outcome of Object.keys(OUTCOMES)) metrics.poll({ app: 'hr', outcome, lagMs: 5, good: outcome === 'observed' })
  for (const code of ['0', '90018']) metrics.apiCall({ app: 'hr', endpoint: 'getsendresult', code, seconds: 0.1 })
  metrics.recipientsRead('hr', 1)
  metrics.tokenRefresh('hr', true)
  metrics.tokenRefresh('hr', false)
  metrics.reconciled(ACTIONS)
  for (const kind of ['lost', 'found'] as const) metrics.lock(kind)
  metrics.trackConflict('hr')
  metrics.onRefusedJobs(async () => 0)
  metrics.onProcess(() => ({ clockDifferenceMs: 1, poolWaiting: 0 }))
  for (const [route, status] of [
    ['/v1/tasks/:taskId', 200],
    ['/v1/tasks', 400],
    ['/v1/tasks', 503],
    ['/readyz', 503],
  ] as const)
    metrics.httpRequest({ route, method: 'GET', status, seconds: 0.01 })
  metrics.onHealth(async () => CHECKS.map((name) => ({ name, ok: true })))
  if (databaseIsAway) return metrics.text()
  metrics.onCollect(async () => ({
    tasks: Object.keys(STATUSES).map((status) => ({ app: 'hr', status, count: 1 })),
    overdue: 0,
    blind: { open: 0, ended: 0 },
    calls: [aForecast()],
    apps: [{ app: 'hr', callsUsed: 1, pauseKind: null }],
    problems: PROBLEM_CODES.map((problem) => ({ app: 'hr', problem, count: 1 })),
    laws: [{ app: 'hr', tasks: 60, ageSeconds: 900 }],
    pausedScopes: [{ app: 'hr', pairs: 0, workers: 0 }],
  }))
  return metrics.text()
}

export interface Metric {
  readonly name: string
  readonly type: string
  readonly help: string
  /** Without the `le` of a histogram's buckets. */
  readonly labels: readonly string[]
}

type Series = Readonly<Record<string, string>>

export interface Exposed {
  readonly metrics: readonly Metric[]
  /** Series by the name that PromQL knows them by: a histogram has three. */
  readonly series: ReadonlyMap<string, readonly Series[]>
}

/** What Prometheus puts on every series of a target, and the one that it makes itself. */
const TARGET = { job: 'dingtalk-delivery', instance: '127.0.0.1:9090' }

export function readPage(page: string): Exposed {
  const series = new Map<string, Series[]>([['up', [TARGET]]])
  for (const [, name = '', labels = ''] of page.matchAll(/^([a-z]\w*)(?:\{(.*)\})? \S+$/gm)) {
    const own = Object.fromEntries([...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', value = '']) => [label, value]))
    series.set(name, [...(series.get(name) ?? []), { ...TARGET, ...own }])
  }
  const helps = new Map([...page.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name = '', help = '']) => [name, help]))
  const metrics = [...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => {
    const some = series.get(name) ?? series.get(`${name}_count`) ?? []
    const labels = Object.keys(some[0] ?? {}).filter((label) => !(label in TARGET))
    return { name, type, help: helps.get(name) ?? '', labels }
  })
  return { metrics, series }
}

/** What an expression names and the page does not have; empty where all is well. */
export function unknownIn(promql: string, { series }: Exposed): string[] {
  const expression = readExpression(promql)
  return [...expression.selectors.flatMap((selector) => unknownInSelector(selector, series)), ...unknownLabels(expression, series)]
}

function unknownInSelector({ metric, matchers }: Selector, series: Exposed['series']): string[] {
  const all = series.get(metric)
  if (all === undefined) return [`metric ${metric}`]
  const strange = matchers.filter(({ label }) => !all.some((each) => label in each))
  if (strange.length > 0) return strange.map(({ label }) => `label ${label} of ${metric}`)
  const selected = all.filter((each) => matchers.every((matcher) => matches(matcher, each)))
  return selected.length > 0
    ? []
    : [`a series that ${metric}{${matchers.map(({ label, op, value }) => label + op + value).join(',')}} selects`]
}

function unknownLabels({ grouping, selectors }: Expression, series: Exposed['series']): string[] {
  const known = new Set(selectors.flatMap(({ metric }) => (series.get(metric) ?? []).flatMap((each) => Object.keys(each))))
  return grouping.filter((label) => !known.has(label)).map((label) => `label ${label} to group by`)
}

function matches({ label, op, value }: Selector['matchers'][number], series: Series): boolean {
  const own = series[label] ?? ''
  const is = op.endsWith('~') ? new RegExp(`^(?:${value})$`).test(own) : own === value
  return op.startsWith('!') ? !is : is
}
