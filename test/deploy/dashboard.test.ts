import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { z } from 'zod'
import { describePromtool, promtool } from '../support/promtool.ts'
import { fullPage, readPage, unknownIn } from './support/exposed.ts'
import { readExpression } from './support/promql.ts'

const Source = z.strictObject({ type: z.string(), uid: z.string() })
const Target = z.object({ datasource: Source, expr: z.string(), legendFormat: z.string(), refId: z.string() })
const Position = z.strictObject({ x: z.int().min(0), y: z.int().min(0), w: z.int().min(1), h: z.int().min(1) })
/** What Grafana's own export has of every panel; a panel without it is imported broken, or not at all. */
const Panel = z.object({
  id: z.int(),
  type: z.enum(['stat', 'timeseries', 'bargauge', 'state-timeline', 'table']),
  title: z.string().min(2),
  description: z.string(),
  datasource: Source,
  gridPos: Position,
  fieldConfig: z.strictObject({ defaults: z.record(z.string(), z.unknown()), overrides: z.array(z.unknown()) }),
  options: z.record(z.string(), z.unknown()),
  targets: z.array(Target).min(1),
})
const Row = z.object({
  id: z.int(),
  type: z.literal('row'),
  title: z.string(),
  gridPos: Position,
  collapsed: z.literal(false),
  panels: z.tuple([]),
})
const Variable = z.object({
  name: z.string(),
  label: z.string(),
  type: z.enum(['datasource', 'query']),
  definition: z.string().optional(),
  datasource: Source.optional(),
  options: z.tuple([]),
})
const Dashboard = z.object({
  id: z.null(),
  uid: z.string().regex(/^[\w-]{1,40}$/),
  title: z.string(),
  schemaVersion: z.literal(39),
  version: z.int(),
  editable: z.literal(true),
  time: z.strictObject({ from: z.string(), to: z.string() }),
  refresh: z.string(),
  timezone: z.string(),
  tags: z.array(z.string()),
  panels: z.array(z.union([Row, Panel])),
  templating: z.strictObject({ list: z.array(Variable) }),
  annotations: z.strictObject({ list: z.array(z.object({ name: z.string(), datasource: Source, expr: z.string().optional() })) }),
})

const text = readFileSync(join(import.meta.dirname, '../../deploy/grafana/dashboard.json'), 'utf8')
const dashboard = Dashboard.parse(JSON.parse(text))
const panels = dashboard.panels.filter((panel) => panel.type !== 'row')
const exposed = readPage(await fullPage())

/** Grafana puts an interval and regular expressions in their places. */
const filledIn = (expr: string): string => expr.replaceAll('$__rate_interval', '5m').replaceAll(/\$(job|instance|app)\b/g, '.*')

const queries = panels.flatMap(({ title, targets }) =>
  targets.map(({ expr, legendFormat }) => ({ title, expr: filledIn(expr), legendFormat })),
)
const others = [
  ...dashboard.annotations.list.flatMap(({ name, expr }) => (expr === undefined ? [] : [{ title: name, expr: filledIn(expr) }])),
  ...dashboard.templating.list.flatMap(({ name, definition }) => {
    const [, expr = ''] = /^label_values\((.*), \w+\)$/.exec(definition ?? '') ?? []
    return expr === '' ? [] : [{ title: `variable ${name}`, expr: filledIn(expr) }]
  }),
]

describe('its queries', () => {
  test.each([...queries, ...others])('$title: $expr looks at what the code has', ({ expr }) => {
    expect(unknownIn(expr, exposed)).toEqual([])
  })

  test.each(queries.filter(({ legendFormat }) => legendFormat.includes('{{')))(
    '$title: $legendFormat names labels of the result',
    ({ expr, legendFormat }) => {
      const { grouping, aggregates, selectors } = readExpression(expr)
      const all = selectors.flatMap(({ metric }) => (exposed.series.get(metric) ?? []).flatMap((series) => Object.keys(series)))
      for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) expect(aggregates ? grouping : all).toContain(label)
    },
  )

  test('every metric of ours is on it, so that none is forgotten', () => {
    const shown = new Set([...queries, ...others].flatMap(({ expr }) => readExpression(expr).selectors.map(({ metric }) => metric)))
    const ours = exposed.metrics.filter(({ name }) => name.startsWith('dingtalk_delivery_'))
    expect(ours.length).toBeGreaterThan(15)
    expect(ours.filter(({ name }) => !shown.has(name) && !shown.has(`${name}_bucket`)).map(({ name }) => name)).toEqual([])
  })

  test('what the database says is not added up over the workers, which all say the same', () => {
    const ofDatabase =
      /(?<!(?:max|min)(?: by \([a-z, ]+\) )?\()dingtalk_delivery_(tasks|tasks_overdue|tasks_blind|call_budget_\w+|tasks_admittable|tasks_expected|tasks_not_admitted|api_calls_used|app_paused|tasks_with_problem|paused_scopes|law_tasks|law_age_seconds)\b/
    expect([...queries].filter(({ expr }) => ofDatabase.test(expr))).toEqual([])
  })
})

describe('its form', () => {
  test('it takes the data source that is chosen, and no other', () => {
    const chosen = { type: 'prometheus', uid: '${datasource}' }
    for (const panel of panels)
      for (const source of [panel.datasource, ...panel.targets.map((target) => target.datasource)]) expect(source).toEqual(chosen)
    expect(dashboard.templating.list.map(({ name, type }) => [name, type])).toEqual([
      ['datasource', 'datasource'],
      ['job', 'query'],
      ['instance', 'query'],
      ['app', 'query'],
    ])
    expect(dashboard.templating.list.slice(1).map(({ datasource }) => datasource)).toEqual([chosen, chosen, chosen])
  })

  test('every variable that is used is defined', () => {
    const defined = new Set([...dashboard.templating.list.map(({ name }) => name), '__rate_interval', '__all'])
    const used = new Set([...text.matchAll(/\$\{?(\w+)/g)].map(([, name]) => name))
    expect([...used].filter((name) => !defined.has(name ?? ''))).toEqual([])
  })

  test('panels have ids and queries letters of their own', () => {
    const ids = dashboard.panels.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const { targets } of panels) expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length)
  })

  test('no panel covers another, and all fit the 24 columns', () => {
    const taken = new Set<string>()
    for (const { title, gridPos } of dashboard.panels) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.has(`${x} ${y}`), `"${title}" lies on another panel`).toBe(false)
          taken.add(`${x} ${y}`)
        }
    }
  })
})

describePromtool("the dashboard's queries, by Prometheus' own parser", () => {
  test('all are valid', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dashboard-'))
    try {
      const rules = [...queries, ...others].map(({ expr }, i) => ({ record: `query:${i}`, expr }))
      await writeFile(join(folder, 'queries.yml'), stringify({ groups: [{ name: 'dashboard', rules }] }))
      const { status, output } = promtool(['check', 'rules', 'queries.yml'], { cwd: folder })
      expect([status, output]).toEqual([0, expect.stringContaining(`${rules.length} rules found`)])
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
