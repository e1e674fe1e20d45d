import { z } from 'zod'
import { hostsOf } from '../../dingtalk/hosts.ts'
import { beginningOf, kindOf, show } from '../../domain/quote.ts'
import { AGENT_ID, baseUrl, MONTHLY_CALL_BUDGET, type NumberRule, REGION, type Rule } from './rules.ts'
import type { AppConfig, QueueConfig } from './types.ts'
import { type Checked, check } from './variables.ts'

/** What an app is, however it is written: in DINGTALK_APPS_FILE or by a program that calls `createWorker`. */

/** What an app takes from its surroundings where it does not say it. */
export type AppDefaults = Pick<AppConfig, 'oapiUrl' | 'apiUrl' | 'callsPerSecond' | 'monthlyCallBudget'>

/** How values are written. The rules are the same. */
export interface Spelling {
  text<T>(rule: Rule<T>): z.ZodType<T>
  number(rule: NumberRule): z.ZodType<number>
  id(rule: Rule<string>): z.ZodType<string>
}

/** In JSON a number may be text, and a text a number. */
export const IN_FILE: Spelling = {
  text: (rule) => field(rule, (value) => textIn(rule, value) ?? digitsIn(rule, value) ?? wrongType('a text', rule, value)),
  number: (rule) => field(rule, (value) => textIn(rule, value) ?? numberIn(rule, value) ?? wrongType('a number', rule, value)),
  id: (rule) => field(rule, (value) => textIn(rule, value) ?? digitsIn(rule, value) ?? wrongType('a text', rule, value)),
}

/** In a program a value has the type that it is declared with. An id may be a number, as it may be in a request to track. */
export const IN_CODE: Spelling = {
  text: (rule) => field(rule, (value) => textIn(rule, value) ?? wrongType('a text', rule, value)),
  number: (rule) => field(rule, (value) => numberIn(rule, value) ?? wrongType('a number', rule, value)),
  id: (rule) => field(rule, (value) => textIn(rule, value) ?? digitsIn(rule, value) ?? wrongType('a text of digits', rule, value)),
}

/** Everything of an app but its name, its credentials and its rate, which the two spell differently. */
export function appFields(spelling: Spelling, privateHosts: readonly string[]) {
  return {
    agentId: spelling.id(AGENT_ID).nullish(),
    region: spelling.text(REGION).optional(),
    oapiUrl: spelling.text(baseUrl(privateHosts)).optional(),
    apiUrl: spelling.text(baseUrl(privateHosts)).optional(),
    monthlyCallBudget: spelling.number(MONTHLY_CALL_BUDGET).nullish(),
  }
}

export interface AppEntry {
  readonly name: string
  readonly agentId?: string | null | undefined
  readonly region?: 'intl' | 'cn' | undefined
  readonly oapiUrl?: string | undefined
  readonly apiUrl?: string | undefined
  readonly callsPerSecond?: number | undefined
  readonly monthlyCallBudget?: number | null | undefined
}

/** The app with its defaults. A region of its own goes before the hosts of its surroundings. */
export function completeApp(entry: AppEntry, defaults: AppDefaults): Omit<AppConfig, 'credentials'> {
  const hosts = entry.region === undefined ? defaults : hostsOf(entry.region)
  return {
    name: entry.name,
    agentId: entry.agentId ?? null,
    oapiUrl: entry.oapiUrl ?? hosts.oapiUrl,
    apiUrl: entry.apiUrl ?? hosts.apiUrl,
    callsPerSecond: entry.callsPerSecond ?? defaults.callsPerSecond,
    monthlyCallBudget: entry.monthlyCallBudget === undefined ? defaults.monthlyCallBudget : entry.monthlyCallBudget,
  }
}

export function repeatedNames(apps: ReadonlyArray<{ readonly name: string }>): Set<string> {
  const names = apps.map((app) => app.name)
  return new Set(names.filter((name, i) => names.indexOf(name) !== i))
}

export function nameTwice(name: string, because = ''): string {
  return `the name "${name}" is there twice${because}. Give each app a name of its own.`
}

export function queueConfig(url: string, name: string, prefix: string): QueueConfig {
  return { url, backend: url.startsWith('redis') ? 'redis' : 'postgres', name, prefix }
}

/** A sentence for each thing that is wrong, with its path. @param root what the whole is called */
export function faultsOf(error: z.ZodError, root: string): string[] {
  return error.issues.map((issue) => `${pathOf(issue.path) || root} ${sentenceOf(issue)}`)
}

/** `apps[2].appSecret`. */
function pathOf(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '')
}

function sentenceOf(issue: z.core.$ZodIssue): string {
  return `${issue.message}${/[.!]$/.test(issue.message) ? '' : '.'}`
}

/** An object with these fields and no others. */
export function exactly<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject(shape, { error: (issue) => objectFault(issue, Object.keys(shape)) })
}

function objectFault(issue: z.core.$ZodRawIssue, fields: readonly string[]): string {
  if (issue.code === 'unrecognized_keys')
    return `has unknown fields: ${beginningOf(issue.keys.map(oneLine).join(', '), 200)}. Accepted: ${fields.join(', ')}.`
  return `must be an object, not ${kindOf(issue.input)}. Accepted: an object with ${fields.join(', ')}.`
}

/** A field's name may be any text. */
function oneLine(name: string): string {
  return name.replace(/\p{Cc}/gu, '\uFFFD')
}

/** @param what the items are, in the plural */
export function listOf<T>(item: z.ZodType<T>, what: string): z.ZodArray<z.ZodType<T>> {
  return z.array(item, { error: (issue) => `must be a list of ${what}, not ${kindOf(issue.input)}.` })
}

function field<T>(rule: Rule<unknown>, accept: (value: unknown) => Checked<T>): z.ZodType<T> {
  return z.unknown().transform((value, context) => {
    const result: Checked<T> = value === undefined ? { fault: `is missing. Accepted: ${rule.accepted}.` } : accept(value)
    if ('value' in result) return result.value
    context.addIssue(result.fault)
    return z.NEVER
  })
}

function textIn<T>(rule: Rule<T>, value: unknown): Checked<T> | null {
  return typeof value === 'string' ? check(rule, value) : null
}

function numberIn(rule: NumberRule, value: unknown): Checked<number> | null {
  if (typeof value !== 'number') return null
  const accepted = rule.parseNumber(value)
  return accepted === undefined ? { fault: `${show(value)} is not accepted. Accepted: ${rule.accepted}.` } : { value: accepted }
}

/** A number that stands for a text. One above 2^53 - 1 has lost digits before it came here. */
function digitsIn<T>(rule: Rule<T>, value: unknown): Checked<T> | null {
  if (typeof value !== 'number' && typeof value !== 'bigint') return null
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    return { fault: `is a number whose digits may be wrong already. Give it as a text. Accepted: ${rule.accepted}.` }
  }
  return check(rule, String(value))
}

function wrongType(type: string, rule: Rule<unknown>, value: unknown): { readonly fault: string } {
  return { fault: `must be ${type}, not ${rule.secret === true ? kindOf(value) : given(value)}. Accepted: ${rule.accepted}.` }
}

/** A value that is no secret. What is in an object is not shown: there may be one. */
export function given(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint' ? show(value) : kindOf(value)
}
