import { MINUTE_MS } from '../../../domain/delivery.ts'
import { InvalidInputError } from '../../../domain/errors.ts'
import { quote } from '../../../domain/quote.ts'
import { momentAt, parseLocalMs } from '../../../domain/schedule/local-time.ts'
import { parseTime } from '../../../intake/track-request.ts'
import { compareWithGrowing, type GrowingComparison } from '../../../report/growing-comparison.ts'
import {
  MAX_TASK_POLLS,
  MAX_TASK_RECIPIENTS,
  type ScheduleReader,
  type ScheduleReport,
  type ScheduleRequest,
} from '../../../report/schedule.ts'
import { rangeBar } from '../components/bar.ts'
import { type Html, html } from '../components/html.ts'
import { formatCalls, planFacts } from '../components/plan.ts'
import { lawSection } from '../components/read-law.ts'
import { schedulePlot } from '../components/schedule-plot.ts'
import { breadcrumbs, withQuery } from '../links.ts'
import type { Content, Page, PageRequest } from '../page.ts'
import { parseAppParameter } from '../request.ts'

type Clock = ScheduleReader['clock']

/** The poll plan that a message would get, and why: the law of an app, the plan, and what growing gaps would give. */
export async function schedulePage({ page, options, query }: PageRequest): Promise<Content> {
  const { schedules } = options
  const { clock } = schedules
  const asked = parseRequest(query, clock)
  const apps = await schedules.apps()
  if (asked.app === undefined && apps.length > 1) return appChoice(page, apps, query)
  const report = await schedules.schedule(asked)
  const growing = report.placedBy === 'growing' ? null : compareWithGrowing(report)
  const words = page.messages.schedule
  return {
    title: words.title,
    body: html`${breadcrumbs(page)}
<h1>${words.title}</h1>
<p class="lead">${words.lead}</p>
${planForm(page, { asked, apps, report, clock, isAsked: query.size > 0 })}
${planSection(page, report, { asked, growing, clock })}
${growing !== null && growingSection(page, report, growing)}
${lawSection(page, report.law)}`,
    refreshSeconds: null,
  }
}

function appChoice(page: Page, apps: readonly string[], query: URLSearchParams): Content {
  const { title, lead, chooseApp: choose } = page.messages.schedule
  const link = (app: string): string => withQuery('/schedule', { ...Object.fromEntries(query), app })
  return {
    title,
    body: html`${breadcrumbs(page)}
<h1>${title}</h1>
<p class="lead">${lead}</p>
<section aria-label="${page.messages.schedule.form.app}"><p>${choose}</p><ul class="choices">${apps.map((app) => html`<li><a class="button" href="${link(app)}">${app}</a></li>`)}</ul></section>`,
    refreshSeconds: null,
  }
}

/** @throws {InvalidInputError} which names the field, the value and what is accepted */
function parseRequest(query: URLSearchParams, clock: Clock): ScheduleRequest {
  const polls = parseCount('polls', query, MAX_TASK_POLLS)
  const widthMinutes = parseCount('targetWidthMinutes', query, MAX_WIDTH_MINUTES)
  if (polls !== undefined && widthMinutes !== undefined)
    throw new InvalidInputError(
      'polls',
      `polls (${polls}) and targetWidthMinutes (${widthMinutes}) exclude each other: the width decides about the number of polls. Leave one out.`,
    )
  return {
    app: parseAppParameter(query),
    sentAt: parseSentAt(query.get('sentAt') ?? '', clock),
    recipients: parseCount('recipients', query, MAX_TASK_RECIPIENTS),
    polls,
    targetWidthMs: widthMinutes === undefined ? undefined : widthMinutes * MINUTE_MS,
  }
}

/** As `TARGET_WIDTH`. */
const MAX_WIDTH_MINUTES = 720

function parseCount(field: string, query: URLSearchParams, max: number): number | undefined {
  const text = (query.get(field) ?? '').trim()
  if (text === '') return undefined
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (value >= 1 && value <= max) return value
  throw new InvalidInputError(field, `${field} must be a whole number from 1 to ${max}, not ${quote(text)}. Leave it out for the default.`)
}

/** No message is older. */
const FIRST_YEAR = 2015
const LAST_YEAR = 2100

/** A time of the organisation's clock, as the form sends it, or ISO 8601 with a time zone, as links have it. */
function parseSentAt(text: string, clock: Clock): Date | undefined {
  if (text === '') return undefined
  const at = parseTime(text) ?? parseLocalTime(text, clock)
  const year = at?.getUTCFullYear() ?? 0
  if (at !== null && year >= FIRST_YEAR && year <= LAST_YEAR) return at
  throw new InvalidInputError(
    'sentAt',
    `sentAt must be a time of the years ${FIRST_YEAR} to ${LAST_YEAR} by the organisation's clock (${clock.timeZone}) such as 2026-12-01T16:30, or ISO 8601 with a time zone, not ${quote(text)}.`,
  )
}

function parseLocalTime(text: string, clock: Clock): Date | null {
  const [, minutes = ''] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d)(?::\d\d)?$/.exec(text) ?? []
  const localMs = parseLocalMs(minutes)
  return localMs === null ? null : momentAt(localMs, clock)
}

/** `2026-12-01T16:30`. */
function localText(localMs: number): string {
  return new Date(localMs).toISOString().slice(0, 16)
}

interface PlanForm {
  readonly asked: ScheduleRequest
  readonly apps: readonly string[]
  readonly report: ScheduleReport
  readonly clock: Clock
  /** The address has what was chosen. */
  readonly isAsked: boolean
}

/** A form without a script: the address has what was chosen, so it can be sent to others. */
function planForm({ messages }: Page, { asked, apps, report, clock, isAsked }: PlanForm): Html {
  const words = messages.schedule.form
  const { app, polls, targetWidthMs } = asked
  const count = (name: string, label: string, value: number | undefined, max: number): Html =>
    html`<span class="field"><label for="plan-${name}">${label}</label><input id="plan-${name}" type="number" name="${name}" value="${value}" min="1" max="${max}" inputmode="numeric"></span>`
  const option = (name: string): Html => html`<option value="${name}"${name === (app ?? report.app) && html` selected`}>${name}</option>`
  return html`<section id="form" aria-labelledby="form-title"><h2 id="form-title">${words.title}</h2>
<form class="search plan-form" method="get" action="/schedule">
${apps.length > 1 && html`<span class="field"><label for="plan-app">${words.app}</label><select id="plan-app" name="app">${apps.map(option)}</select></span>`}
<span class="field"><label for="plan-sent">${words.sentAt(clock.timeZone)}</label><input id="plan-sent" type="datetime-local" name="sentAt" value="${localText(clock.localAt(report.sentAt))}" min="${FIRST_YEAR}-01-01T00:00" max="${LAST_YEAR}-12-31T00:00"></span>
${count('recipients', words.recipients, report.recipients, MAX_TASK_RECIPIENTS)}
${count('polls', words.polls, polls, MAX_TASK_POLLS)}
${count('targetWidthMinutes', words.width, targetWidthMs === undefined ? undefined : targetWidthMs / MINUTE_MS, MAX_WIDTH_MINUTES)}
<button type="submit" class="primary">${words.submit}</button>
${isAsked && html`<a href="${withQuery('/schedule', { app: apps.length > 1 ? report.app : null })}">${words.reset}</a>`}
</form><p class="quiet">${words.batches}</p></section>`
}

interface ShownPlan extends Pick<PlanForm, 'asked' | 'clock'> {
  /** Null: the plan itself has growing gaps. */
  readonly growing: GrowingComparison | null
}

function planSection(page: Page, report: ScheduleReport, { asked: { targetWidthMs }, growing, clock }: ShownPlan): Html {
  const { messages, format } = page
  const words = messages.schedule
  const { polls, widthMs, placedBy } = report
  return html`<section id="plan" aria-labelledby="plan-title"><h2 id="plan-title">${words.plan.title}</h2>
<p class="rate"><b>${format.duration(widthMs)}</b> <span>${words.width(format.duration(widthMs))}${messages.gap}${words.polls(format.number(polls.length), formatCalls(report))}</span></p>
${targetWidthMs !== undefined && widthMs > targetWidthMs && html`<p class="note">${words.notReached(format.duration(targetWidthMs), format.number(polls.length))}</p>`}
<p>${words.why[placedBy]}</p>
${schedulePlot(page, report, growing, clock.timeZone)}
${planFacts(page, report)}
<details id="plan-table"><summary>${words.plan.table}</summary>${pollTable(page, report)}</details></section>`
}

function pollTable({ messages, format }: Page, { polls }: ScheduleReport): Html {
  const { columns, schedule } = messages
  return html`<div class="table" role="group" aria-labelledby="plan-title" tabindex="0"><table>
<thead><tr><th scope="col" class="figure">${columns.poll}</th><th scope="col">${columns.at}</th><th scope="col" class="figure">${columns.sinceSend}</th>
<th scope="col" class="figure">${schedule.columns.gap}</th><th scope="col" class="figure">${schedule.columns.readShare}</th><th scope="col" class="figure">${schedule.columns.newShare}</th></tr></thead>
<tbody>${polls.map(
    (poll, i) =>
      html`<tr><td class="figure">${i + 1}</td><td>${format.time(poll.at)}${poll.isFinal && html` <span class="quiet">${schedule.columns.final}</span>`}</td><td class="figure">${format.duration(poll.offsetMs)}</td>
<td class="figure">${format.duration(poll.gapMs)}</td><td class="figure">${format.percent(poll.readShare)}</td><td class="figure">${format.percent(poll.newShare)}</td></tr>`,
  )}</tbody></table></div>`
}

/** A narrower mean is better by at least this share. */
const NOTICEABLE = 0.99

function growingSection({ messages, format }: Page, report: ScheduleReport, growing: GrowingComparison): Html {
  const words = messages.schedule.growing
  const { widthMs, longestGapMs, polls } = report
  const most = Math.max(widthMs, growing.widthMs)
  const row = (name: string, ms: number): Html => {
    const width = format.duration(ms)
    const share = ms / most
    return html`<tr><th scope="row">${name}</th><td>${rangeBar(words.label(width), { atLeast: share, atMost: share }, null)}</td><td class="figure">${width}</td></tr>`
  }
  const { pollsForSameWidth: needed } = growing
  return html`<section id="growing" aria-labelledby="growing-title"><h2 id="growing-title">${words.title}</h2>
<p>${words.lead(format.number(polls.length))}</p>
<table class="within"><thead class="unseen"><tr><th scope="col">${messages.schedule.plan.title}</th><th scope="col">${messages.columns.share}</th><th scope="col">${messages.schedule.facts.width}</th></tr></thead>
<tbody>${row(words.plan, widthMs)}${row(words.growing, growing.widthMs)}</tbody></table>
<p>${widthMs >= growing.widthMs * NOTICEABLE ? words.same : needed !== null && words.more(format.number(needed))}${messages.gap}${words.gap(format.duration(longestGapMs), format.duration(growing.longestGapMs))}</p></section>`
}
