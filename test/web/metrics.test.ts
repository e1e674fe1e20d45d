import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import type { Gauges } from '../../src/ops/metrics/gauges.ts'
import { createMetrics } from '../../src/ops/metrics.ts'
import { aForecast } from '../support/call-forecast.ts'

const NOTHING: Gauges = {
  ...{ tasks: [], overdue: 0, blind: { open: 0, ended: 0 }, calls: [], apps: [], problems: [], laws: [], pausedScopes: [] },
}

test('what happened is on the page under the names of the contract', async () => {
  const metrics = createMetrics()
  metrics.poll({ app: 'hr', outcome: 'observed', lagMs: 250, good: true })
  metrics.poll({ app: 'hr', outcome: 'transient', lagMs: null, good: false })
  metrics.recipientsRead('hr', 3)
  metrics.apiCall({ app: 'hr', endpoint: 'getsendresult', code: '0', seconds: 0.2 })
  metrics.tokenRefresh('hr', true)
  metrics.tokenRefresh('hr', false)
  metrics.httpRequest({ route: '/v1/tasks/:taskId', method: 'GET', status: 404, seconds: 0.02 })
  metrics.reconciled({ added: 2, moved: 0 })
  metrics.onCollect(async () => ({
    tasks: [{ app: 'hr', status: 'tracking', count: 7 }],
    overdue: 1,
    blind: { open: 2, ended: 3 },
    calls: [aForecast()],
    apps: [{ app: 'hr', callsUsed: 1_000, pauseKind: 'configuration' }],
    problems: [{ app: 'hr', problem: 'agent_id', count: 5 }],
    laws: [{ app: 'hr', tasks: 60, ageSeconds: 900 }],
    pausedScopes: [{ app: 'hr', pairs: 2, workers: 1 }],
  }))
  const lines = (await metrics.text()).split('\n')
  for (const line of [
    'dingtalk_delivery_polls_total{app="hr",outcome="observed"} 1',
    'dingtalk_delivery_polls_total{app="hr",outcome="transient"} 1',
    'dingtalk_delivery_poll_lag_seconds_sum 0.25',
    'dingtalk_delivery_poll_lag_seconds_count 1',
    'dingtalk_delivery_recipients_read_total{app="hr"} 3',
    'dingtalk_delivery_api_calls_total{app="hr",endpoint="getsendresult",code="0"} 1',
    'dingtalk_delivery_api_call_seconds_count 1',
    'dingtalk_delivery_token_refreshes_total{app="hr"} 1',
    'dingtalk_delivery_reconcile_actions_total{kind="added"} 2',
    'dingtalk_delivery_tasks{app="hr",status="tracking"} 7',
    'dingtalk_delivery_tasks_overdue 1',
    'dingtalk_delivery_call_budget_remaining{app="hr"} 3000',
    'dingtalk_delivery_call_budget_reserved{app="hr"} 4',
    'dingtalk_delivery_call_budget_committed{app="hr"} 40',
    'dingtalk_delivery_call_budget_lasts_seconds{app="hr"} +Inf',
    'dingtalk_delivery_tasks_admittable{app="hr"} 2724',
    'dingtalk_delivery_tasks_expected{app="hr"} 60',
    'dingtalk_delivery_tasks_not_admitted{app="hr"} 0',
    'dingtalk_delivery_token_failures_total{app="hr"} 1',
    'dingtalk_delivery_http_requests_total{route="/v1/tasks/:taskId",method="GET",status="404"} 1',
    'dingtalk_delivery_http_request_seconds_count{route="/v1/tasks/:taskId",method="GET"} 1',
    'dingtalk_delivery_api_calls_used{app="hr"} 1000',
    'dingtalk_delivery_app_paused{app="hr",kind="configuration"} 1',
    'dingtalk_delivery_app_paused{app="hr",kind="quota"} 0',
    'dingtalk_delivery_app_paused{app="hr",kind="outage"} 0',
    'dingtalk_delivery_tasks_with_problem{app="hr",problem="agent_id"} 5',
    'dingtalk_delivery_law_tasks{app="hr"} 60',
    'dingtalk_delivery_law_age_seconds{app="hr"} 900',
    'dingtalk_delivery_paused_scopes{app="hr",scope="pair"} 2',
    'dingtalk_delivery_paused_scopes{app="hr",scope="worker"} 1',
  ]) {
    expect(lines).toContain(line)
  }
  expect(lines.some((line) => /^dingtalk_delivery_last_good_poll_timestamp_seconds 1\d{9}/.test(line))).toBe(true)
  expect(lines.some((line) => line.startsWith('process_cpu_seconds_total'))).toBe(true)
})

test('values that cannot be read are absent, not old and not zero', async () => {
  const metrics = createMetrics()
  let fails = false
  metrics.onCollect(async () => {
    if (fails) throw new Error('database is down')
    return { ...NOTHING, tasks: [{ app: 'hr', status: 'tracking', count: 7 }], overdue: 1 }
  })
  expect(await metrics.text()).toMatch(/^dingtalk_delivery_tasks_overdue 1$/m)
  fails = true
  const page = await metrics.text()
  expect(page).not.toMatch(/^dingtalk_delivery_tasks/m)
  expect(page).not.toMatch(/^dingtalk_delivery_last_good_poll/m)
})

/** The rules of `promtool check metrics`: help for each, `_total` for counters and only for them, no abbreviated units. */
test('every name keeps the conventions of Prometheus', async () => {
  const page = await createMetrics().text()
  const types = [...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => ({ name, type }))
  expect(types.length).toBeGreaterThan(20)
  for (const { name, type } of types) {
    expect(page).toMatch(new RegExp(`^# HELP ${name} \\S`, 'm'))
    expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter'])
    expect(name).toMatch(/^[a-z][a-z0-9_]*$/)
    expect(name).not.toMatch(/_(ms|milliseconds|minutes|kb|percent|count|sum|bucket)$/)
  }
})

test('a server that invents codes does not fill the memory', async () => {
  const metrics = createMetrics()
  for (let i = 0; i < 1_000; i++) metrics.apiCall({ app: 'hr', endpoint: 'getsendresult', code: `C${i}`, seconds: 0 })
  const series = (await metrics.text()).split('\n').filter((line) => line.startsWith('dingtalk_delivery_api_calls_total{'))
  expect(series).toHaveLength(201)
  expect(series.at(-1)).toBe('dingtalk_delivery_api_calls_total{app="hr",endpoint="getsendresult",code="other"} 800')
})

test('a caller that invents routes, methods and apps does not fill the memory', async () => {
  const metrics = createMetrics()
  for (let i = 0; i < 1_000; i++) {
    metrics.httpRequest({ route: `/r${i}`, method: `M${i}`, status: 1_000 + i, seconds: 0 })
    metrics.tokenRefresh(`app ${i}`, true)
  }
  const lines = (await metrics.text()).split('\n')
  expect(lines.filter((line) => line.startsWith('dingtalk_delivery_http_requests_total{'))).toHaveLength(101)
  expect(lines).toContain('dingtalk_delivery_http_requests_total{route="other",method="other",status="other"} 900')
  expect(lines).toContain('dingtalk_delivery_token_refreshes_total{app="other"} 1000')
})

test('what the database counts under too many names is added up, so that the sum stays right', async () => {
  const metrics = createMetrics()
  const tasks = Array.from({ length: 1_500 }, (_, i) => ({ app: `app-${i}`, status: 'tracking', count: 2 }))
  metrics.onCollect(async () => ({ ...NOTHING, tasks }))
  const lines = (await metrics.text()).split('\n').filter((line) => line.startsWith('dingtalk_delivery_tasks{'))
  expect(lines).toHaveLength(1_001)
  expect(lines.at(-1)).toBe('dingtalk_delivery_tasks{app="other",status="tracking"} 1000')
})

test('a database that hangs costs its gauges, not the page, and is not asked twice at once', async () => {
  const metrics = createMetrics({ timeoutMs: 20 })
  let asked = 0
  let answer: (gauges: typeof NOTHING) => void = () => undefined
  metrics.onCollect(() => {
    asked++
    return new Promise((resolve) => {
      answer = resolve
    })
  })
  metrics.onHealth(async () => [
    { name: 'database', ok: false },
    { name: 'queue', ok: true },
  ])
  metrics.tokenRefresh('hr', true)
  for (let scrape = 0; scrape < 2; scrape++) {
    const page = await metrics.text()
    expect(page).not.toMatch(/^dingtalk_delivery_tasks/m)
    expect(page).toContain('dingtalk_delivery_token_refreshes_total{app="hr"} 1\n')
    expect(page).toContain('dingtalk_delivery_health_check_ok{check="database"} 0\ndingtalk_delivery_health_check_ok{check="queue"} 1\n')
  }
  expect(asked).toBe(1)
  answer(NOTHING)
  expect(await metrics.text()).toMatch(/^dingtalk_delivery_tasks_overdue 0$/m)
})

test('the version that runs is on the page', async () => {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
  expect(await createMetrics().text()).toContain(`dingtalk_delivery_build_info{version="${version}"} 1\n`)
})
