import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { describePromtool, promtool } from '../support/promtool.ts'
import { fullPage, readPage, unknownIn } from './support/exposed.ts'

const ROOT = join(import.meta.dirname, '../..')
const PROMETHEUS = join(ROOT, 'deploy/prometheus')
const CASES = join(import.meta.dirname, 'alerts')

const Text = z.string().min(10)
const Rule = z.strictObject({
  alert: z.string().regex(/^DingTalkDelivery[A-Z][A-Za-z]+$/),
  expr: Text,
  for: z
    .string()
    .regex(/^\d+m$/)
    .optional(),
  labels: z.strictObject({ severity: z.enum(['warning', 'critical']) }),
  annotations: z.strictObject({ summary: Text, description: Text.min(60), runbook: Text }),
})
const rules = z
  .strictObject({ groups: z.array(z.strictObject({ name: z.string(), rules: z.array(Rule) })) })
  .parse(parse(readFileSync(join(PROMETHEUS, 'alerts.yml'), 'utf8')))
  .groups.flatMap((group) => group.rules)
const names = rules.map(({ alert }) => alert)

const Case = z.object({ alertname: z.string(), exp_alerts: z.array(z.unknown()) })
const CaseFile = z.object({ tests: z.array(z.object({ name: z.string(), alert_rule_test: z.array(Case) })) })
const casesOf = (alert: string) => CaseFile.parse(parse(readFileSync(join(CASES, `${alert}.yml`), 'utf8'))).tests

const exposed = readPage(await fullPage())

test('each alert has one name and one file of cases', () => {
  expect(new Set(names).size).toBe(names.length)
  expect(readdirSync(CASES).sort()).toEqual(names.map((name) => `${name}.yml`).sort())
})

describe.each(rules)('$alert', ({ alert, expr, annotations }) => {
  test('looks at metrics, labels and values that the code has', () => {
    expect(unknownIn(expr, exposed)).toEqual([])
  })

  test('has a case in which it fires, and another in which it is silent from beginning to end', () => {
    const fires = casesOf(alert).map((each) => each.alert_rule_test.map(({ alertname, exp_alerts }) => [alertname, exp_alerts.length > 0]))
    expect(new Set(fires.flat().map(([name]) => name))).toEqual(new Set([alert]))
    expect(fires.some((each) => each.some(([, does]) => does))).toBe(true)
    expect(fires.some((each) => each.every(([, does]) => does === false))).toBe(true)
  })

  test('leads to its part of the runbook', () => {
    const page = readFileSync(join(ROOT, 'docs/monitoring.md'), 'utf8')
    expect(annotations.runbook).toBe(`docs/monitoring.md#${alert.toLowerCase()}`)
    expect(page).toMatch(new RegExp(`^### ${alert}$`, 'm'))
  })
})

describePromtool("the rules, by Prometheus' own checker", () => {
  test('the configuration and the rules are valid', () => {
    expect(promtool(['check', 'config', 'prometheus.yml'], { cwd: PROMETHEUS })).toMatchObject({ status: 0 })
    const { status, output } = promtool(['check', 'rules', 'alerts.yml'], { cwd: PROMETHEUS })
    expect([status, output]).toEqual([0, expect.stringContaining(`${rules.length} rules found`)])
  })

  test.each(names)('%s fires when it must and only then', (alert) => {
    expect(promtool(['test', 'rules', `${alert}.yml`], { cwd: CASES })).toMatchObject({
      status: 0,
      output: expect.stringContaining('SUCCESS'),
    })
  })

  test('a rule that does not fire would be found', () => {
    const { status, output } = promtool(['test', 'rules', 'never-fires.yml'], { cwd: join(import.meta.dirname, 'support') })
    expect([status, output]).toEqual([1, expect.stringContaining('FAILED')])
  })
})
