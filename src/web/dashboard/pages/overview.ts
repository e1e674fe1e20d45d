import type { CallForecast } from '../../../domain/schedule/call-forecast.ts'
import { parseApp } from '../../../intake/track-request.ts'
import { resumeApp } from '../../../polling/task-commands.ts'
import type { AppUsage, CampaignRates, Page as Paged, PairStatus, Pause, Person, TaskAtRisk, TaskRates } from '../../../report/rates.ts'
import { askHint } from '../components/actions.ts'
import { sharedTime } from '../components/as-of.ts'
import { legend, stateBar } from '../components/bar.ts'
import { budgetAlert, callsSection } from '../components/calls.ts'
import { compareBox, compareButton } from '../components/campaign-picker.ts'
import { delayReason, endReason, problemLines, problemOfTask, resumeButton } from '../components/causes.ts'
import { emptyState } from '../components/empty.ts'
import { type Html, html } from '../components/html.ts'
import { taskTable } from '../components/task-table.ts'
import { campaignLink, pager, taskLink, withQuery } from '../links.ts'
import { ACTIVE_REFRESH_SECONDS, type Content, IDLE_REFRESH_SECONDS, type Page, type PageRequest } from '../page.ts'
import { isEverything, type Period, parsePeriod } from '../period.ts'
import { findBeside, foundBeside } from './people.ts'

const CAMPAIGNS = 10
const TASKS = 20
/** Where more tasks are at the same risk, they have a common cause, and the first few show it. */
const TASKS_AT_RISK = 3

interface Overview {
  readonly apps: readonly AppUsage[]
  readonly attention: readonly TaskAtRisk[]
  readonly campaigns: Paged<CampaignRates>
  /** Null while campaigns are searched by name. */
  readonly tasks: Paged<TaskRates> | null
  /** Whose name or user id was searched for. */
  readonly people: Paged<Person>
  readonly search: string
  readonly period: Period
  /** By app; one that has no budget is not in it. */
  readonly forecasts: ReadonlyMap<string, CallForecast>
  readonly cursors: { readonly campaigns: string | null; readonly tasks: string | null }
}

export async function overviewPage({ page, options, query }: PageRequest): Promise<Content> {
  const overview = await load(page, options, query)
  const { attention, campaigns, tasks } = overview
  const open = [
    ...campaigns.items.map(({ openTasks }) => openTasks > 0),
    ...(tasks?.items ?? []).map(({ status }) => status === 'tracking'),
  ]
  return {
    title: page.messages.overview.title,
    body: isEmpty(overview) ? emptyState(page) : filled({ ...page, severalApps: overview.apps.length > 1 }, overview),
    refreshSeconds: open.some(Boolean) || attention.length > 0 || isEmpty(overview) ? ACTIVE_REFRESH_SECONDS : IDLE_REFRESH_SECONDS,
  }
}

/** Lifts all pauses of an app, and polls its delayed tasks at once. Resolves with the page to show then. */
export async function resumeAppAction({ options: { rates, tracking }, params }: PageRequest): Promise<string> {
  await resumeApp(rates, tracking.resuming, parseApp(params['app']))
  return '/'
}

async function load(
  page: Page,
  { rates, forecastCalls }: Pick<PageRequest['options'], 'rates' | 'forecastCalls'>,
  query: URLSearchParams,
): Promise<Overview> {
  const search = (query.get('q') ?? '').trim()
  const isId = /^\d+$/.test(search)
  const period = parsePeriod(query)
  const { since, until } = period
  const cursors = { campaigns: query.get('campaigns'), tasks: query.get('tasks') }
  const [apps, forecasts, attention, campaigns, tasks] = await Promise.all([
    rates.apps(),
    forecastCalls(),
    rates.attention(),
    rates.campaigns({ limit: CAMPAIGNS, search: search === '' ? undefined : search, since, until, cursor: cursors.campaigns ?? undefined }),
    search === '' || isId
      ? rates.tasks({ limit: TASKS, taskId: isId ? search : undefined, since, until, cursor: cursors.tasks ?? undefined })
      : null,
  ])
  const isAlone = campaigns.items.length === 0 && (tasks?.items ?? []).length === 0
  const people = search === '' ? { items: [], nextCursor: null } : await findBeside(rates, page, search, isAlone)
  const forecastOf = new Map(forecasts.map((forecast) => [forecast.app, forecast]))
  return { apps, attention, campaigns, tasks, people, search, period, forecasts: forecastOf, cursors }
}

function isEmpty({ apps, campaigns, tasks, search, period, cursors }: Overview): boolean {
  const isUnfiltered = search === '' && isEverything(period) && cursors.campaigns === null && cursors.tasks === null
  return isUnfiltered && campaigns.items.length === 0 && tasks?.items.length === 0 && apps.every(({ pauseKind }) => pauseKind === null)
}

/** What readers come for is first; what administrators need is below, and a line above says that it is there. */
function filled(page: Page, overview: Overview): Html {
  const { messages } = page
  const alerts = listAlerts(page, overview)
  return html`<h1>${messages.overview.title}</h1>
${filterForm(page, overview)}
${alerts.shown.length > 0 && html`<p class="notice">${messages.plots.overview.notice(alerts.shown.length + alerts.more.length)}${messages.gap}<a href="#attention">${messages.plots.overview.noticeLink}</a></p>`}
${foundBeside(page, overview.search, overview.people)}
${lists(page, overview)}
${attentionSection(page, alerts)}
${callsSection(page, overview.apps, overview.forecasts)}`
}

/** A list without what was searched for is not shown while another one has it. */
function lists(page: Page, overview: Overview): Html {
  const { campaigns, tasks, people, search } = overview
  const hasTasks = tasks !== null && tasks.items.length > 0
  const isCampaign = search === '' || campaigns.items.length > 0 || (!hasTasks && people.items.length === 0)
  const isTask = search === '' || hasTasks || (tasks !== null && isCampaign)
  return html`${isCampaign && campaignsSection(page, overview)}${isTask && tasksSection(page, overview)}`
}

/** A form without a script: the address has what was chosen, so it can be sent to others. */
function filterForm({ messages }: Page, { search, period }: Overview): Html {
  const words = messages.plots.overview
  const day = (name: 'from' | 'to', label: string): Html =>
    html`<label for="sent-${name}">${label}</label><input id="sent-${name}" type="date" name="${name}" value="${period[name]}">`
  return html`<form class="search filter" method="get" action="/" role="search">
<span class="field"><label for="search">${words.searchLabel}</label><input id="search" type="search" name="q" value="${search}" autocomplete="off" maxlength="200"></span>
<span class="field">${day('from', words.sentFrom)}${day('to', words.sentTo)}</span>
<input type="hidden" name="zone" value="${period.zone}" class="zone"><button type="submit">${messages.search}</button>
${(search !== '' || !isEverything(period)) && html`<a href="/">${messages.showAll}</a>`}
</form>`
}

/** Of many tasks at one risk the first few stand for all. */
interface Alerts {
  readonly shown: readonly Html[]
  readonly more: readonly Html[]
}

function listAlerts(page: Page, { apps, attention, forecasts }: Overview): Alerts {
  const isOneOfFew = ({ risk }: TaskAtRisk, i: number): boolean =>
    attention.slice(0, i).filter((before) => before.risk === risk).length < TASKS_AT_RISK
  const shown = [
    ...apps.flatMap((app) => [pausedApp(page, app), ...pausedPairs(page, app), ...workerProblems(page, app)]),
    ...apps.map((app) => budgetAlert(page, app, forecasts.get(app.app), nameIfSeveral(page, app.app))),
    ...attention.filter(isOneOfFew).map((task) => taskAtRisk(page, task)),
  ].filter((alert) => alert !== null)
  return { shown, more: attention.filter((task, i) => !isOneOfFew(task, i)).map((task) => taskAtRisk(page, task)) }
}

function attentionSection(page: Page, { shown, more }: Alerts): Html {
  const { messages, format } = page
  return html`<section id="attention" aria-labelledby="attention-title" class="${shown.length === 0 ? 'calm' : 'attention'}">
<h2 id="attention-title">${messages.attention.title}</h2>
${shown.length === 0 ? html`<p>${messages.attention.nothing}</p>` : html`${!page.canWrite && askHint(page)}<ul class="alerts">${shown}</ul>`}
${more.length > 0 && html`<details id="more-attention"><summary>${messages.attention.more(format.number(more.length))}</summary><ul class="alerts">${more}</ul></details>`}
</section>`
}

/** The name of an app where there are others. */
function nameIfSeveral({ severalApps }: Page, app: string): string | null {
  return severalApps ? app : null
}

function pausedApp(page: Page, usage: AppUsage): Html | null {
  const { app } = usage
  return pauseAlert(page, { key: `app ${app}`, title: page.messages.attention.paused(nameIfSeveral(page, app)), app }, usage)
}

function pausedPairs(page: Page, { app, pairs }: AppUsage): Array<Html | null> {
  const titled = ({ agentId }: PairStatus) => ({
    key: `pair ${app} ${agentId}`,
    title: page.messages.attention.pairPaused(nameIfSeveral(page, app), agentId),
    app,
  })
  return pairs.map((pair) => pauseAlert(page, titled(pair), pair))
}

function pauseAlert(
  page: Page,
  { key, title, app }: { readonly key: string; readonly title: string; readonly app: string },
  { pauseCode, pauseDetail, pauseSince, pausedUntil }: Pause,
): Html | null {
  if (pauseCode === null) return null
  return html`<li data-key="${key}"><h3>${title}</h3>
${problemLines(page, { code: pauseCode, detail: pauseDetail }, pauseSince)}
${pausedUntil !== null && html`<p class="quiet">${nextProbe(page, pausedUntil)}</p>`}
${resumeButton(page, appPath(app), null)}</li>`
}

function nextProbe({ messages, format, now }: Page, dueAt: Date): Html | string {
  return dueAt > now ? messages.attention.again(format.time(dueAt), format.distance(dueAt, now)) : messages.attention.againWithNext
}

function workerProblems(page: Page, { app, workerProblems: problems }: AppUsage): Html[] {
  const { messages } = page
  return problems.map(
    ({
      workerId,
      problemCode,
      problemDetail,
      problemSince,
    }) => html`<li data-key="worker ${workerId} ${app}"><h3>${messages.attention.worker(nameIfSeveral(page, app))}</h3>
${problemLines(page, { code: problemCode, detail: problemDetail }, problemSince)}<p class="quiet">${messages.attention.workerId} <code>${workerId}</code></p></li>`,
  )
}

function appPath(app: string): string {
  return `/apps/${encodeURIComponent(app)}`
}

function taskAtRisk(page: Page, task: TaskAtRisk): Html {
  const { messages, format, now } = page
  const link = html`<a href="${taskLink(task)}">${messages.taskTitle(task.taskId)}</a>`
  const problem = task.status === 'tracking' ? problemOfTask(task) : null
  const delay = task.status === 'tracking' ? delayReason(page, task) : null
  return html`<li data-key="task ${task.app} ${task.taskId}"><h3>${messages.attention.task(link, messages.risks[task.risk].name)}</h3>
${problem === null ? html`<p>${endReason(page, task) ?? messages.risks[task.risk].meaning}</p>` : problemLines(page, problem, task.problemSince)}
${delay !== null && html`<p class="quiet">${messages.problem.delayed(delay)}</p>`}
<p class="quiet sentence">${renderObservedAt(page, task.lastObservedAt)} · ${messages.attention.deadline(format.time(task.deadlineAt), format.distance(task.deadlineAt, now))}${task.campaign !== null && html` · <span class="name">${task.campaign}</span>`}${page.severalApps && ` · ${task.app}`}</p></li>`
}

function campaignsSection(page: Page, overview: Overview): Html {
  const { messages } = page
  const { campaigns } = overview
  const common = sharedTime(campaigns.items.map(({ lastObservedAt }) => lastObservedAt))
  return html`<section id="campaigns" aria-labelledby="campaigns-title"><h2 id="campaigns-title">${messages.overview.campaigns}</h2>
${
  campaigns.items.length === 0
    ? html`<p class="empty">${nothingIn(page, overview)}</p>`
    : html`${common !== null && html`<p class="quiet">${messages.plots.asOf.figures(page.format.time(common), page.format.distance(common, page.now))}</p>`}<ul class="campaigns">${campaigns.items.map((campaign) => campaignItem(page, campaign, { isTimed: common !== null, isOnly: campaigns.items.length === 1 }))}</ul>${compareButton(page, campaigns.items)}`
}
${pager(page, messages.overview.campaigns, buildPageLinks(overview, 'campaigns', campaigns.nextCursor))}</section>`
}

/** Why a list has nothing. */
function nothingIn({ messages }: Page, { search, period }: Overview): string {
  if (search !== '') return messages.overview.notFound(search)
  return isEverything(period) ? messages.overview.noCampaigns : messages.plots.overview.noneInPeriod
}

interface InList {
  /** The list says once as of when it is. */
  readonly isTimed: boolean
  /** There is no other to compare it with. */
  readonly isOnly: boolean
}

function campaignItem(page: Page, campaign: CampaignRates, { isTimed, isOnly }: InList): Html {
  const { messages, format } = page
  return html`<li data-key="${campaign.app} ${campaign.campaign}">
<div class="heading"><h3 class="name choosable">${!isOnly && compareBox(page, campaign)}<a href="${campaignLink(campaign)}">${campaign.campaign}</a></h3>${openBadge(page, campaign)}</div>
<p class="rate"><b>${format.percent(campaign.readRate)}</b> <span>${messages.ofDeliveredHaveRead(format.number(campaign.read), format.number(campaign.delivered))}</span></p>
${stateBar(page, campaign)}
<div class="heading">${legend(page, campaign, { path: campaignLink({ campaign: campaign.campaign }), app: campaign.app })}<p class="quiet">${messages.sentAt(format.time(campaign.lastSentAt))} ${!isTimed && html` · ${renderObservedAt(page, campaign.lastObservedAt)}`}${page.severalApps && ` · ${campaign.app}`}</p></div></li>`
}

export function openBadge({ messages }: Page, { tasks, openTasks }: CampaignRates): Html {
  return openTasks > 0
    ? html`<span class="badge tracking">${messages.open(openTasks, tasks)}</span>`
    : html`<span class="badge ended">${messages.ended(tasks)}</span>`
}

export function renderObservedAt({ messages, format, now }: Page, at: Date | null): Html | string {
  return at === null ? messages.nothingKnown : messages.asOfAgo(format.time(at), format.distance(at, now))
}

function tasksSection(page: Page, overview: Overview): Html | null {
  const { messages } = page
  const { tasks } = overview
  if (tasks === null) return null
  return html`<section id="tasks" aria-labelledby="tasks-title"><h2 id="tasks-title">${messages.overview.tasks}</h2>
${tasks.items.length === 0 ? html`<p class="empty">${nothingIn(page, overview)}</p>` : taskTable(page, tasks.items, 'tasks-title', true)}
${pager(page, messages.overview.tasks, buildPageLinks(overview, 'tasks', tasks.nextCursor))}</section>`
}

function buildPageLinks(
  { search, period: { from, to, zone }, cursors }: Overview,
  list: 'campaigns' | 'tasks',
  next: string | null,
): Parameters<typeof pager>[2] {
  const linkTo = (cursor: string | null): string =>
    `${withQuery('/', { q: search, from, to, zone: from === '' && to === '' ? null : zone, ...cursors, [list]: cursor })}#${list}`
  return { first: cursors[list] === null ? null : linkTo(null), next: next === null ? null : linkTo(next) }
}
