import { parseApp } from '../../../intake/track-request.ts'
import { resumeApp } from '../../../polling/task-commands.ts'
import type { AppUsage, CampaignRates, Page as Paged, PairStatus, Pause, TaskAtRisk, TaskRates } from '../../../report/rates.ts'
import { budgetBar, legend, stateBar } from '../components/bar.ts'
import { compareBox, compareButton } from '../components/campaign-picker.ts'
import { delayReason, endReason, problemLines, problemOfTask, resumeButton } from '../components/causes.ts'
import { emptyState } from '../components/empty.ts'
import { type Html, html } from '../components/html.ts'
import { personSearch } from '../components/person.ts'
import { taskTable } from '../components/task-table.ts'
import { campaignLink, pager, taskLink, withQuery } from '../links.ts'
import { ACTIVE_REFRESH_SECONDS, type Content, IDLE_REFRESH_SECONDS, type Page, type PageRequest } from '../page.ts'

const CAMPAIGNS = 10
const TASKS = 20
/** Where more tasks are at the same risk, they have a common cause, and the first few show it. */
const TASKS_AT_RISK = 3
/** What a whole organisation has on the standard edition. Source: DingTalk's price list of 2025-11. */
const STANDARD_CALLS = 5_000

interface Overview {
  readonly apps: readonly AppUsage[]
  readonly attention: readonly TaskAtRisk[]
  readonly campaigns: Paged<CampaignRates>
  /** Null while campaigns are searched by name. */
  readonly tasks: Paged<TaskRates> | null
  readonly search: string
  readonly budgets: ReadonlyMap<string, number>
  readonly cursors: { readonly campaigns: string | null; readonly tasks: string | null }
}

export async function overviewPage({ page, options, query }: PageRequest): Promise<Content> {
  const overview = await load(options.rates, query, options.budgets)
  const { attention, campaigns, tasks } = overview
  const open = [
    ...campaigns.items.map(({ openTasks }) => openTasks > 0),
    ...(tasks?.items ?? []).map(({ status }) => status === 'tracking'),
  ]
  return {
    title: page.messages.overview.title,
    body: isEmpty(overview) ? emptyState(page) : filled(page, overview),
    refreshSeconds: open.some(Boolean) || attention.length > 0 || isEmpty(overview) ? ACTIVE_REFRESH_SECONDS : IDLE_REFRESH_SECONDS,
  }
}

/** Lifts all pauses of an app, and polls its delayed tasks at once. Resolves with the page to show then. */
export async function resumeAppAction({ options: { rates, tracking }, params }: PageRequest): Promise<string> {
  await resumeApp(rates, tracking.resuming, parseApp(params['app']))
  return '/'
}

async function load(rates: PageRequest['options']['rates'], query: URLSearchParams, budgets: Overview['budgets']): Promise<Overview> {
  const search = (query.get('q') ?? '').trim()
  const isId = /^\d+$/.test(search)
  const cursors = { campaigns: query.get('campaigns'), tasks: query.get('tasks') }
  const [apps, attention, campaigns, tasks] = await Promise.all([
    rates.apps(),
    rates.attention(),
    rates.campaigns({ limit: CAMPAIGNS, search: search === '' ? undefined : search, cursor: cursors.campaigns ?? undefined }),
    search === '' || isId ? rates.tasks({ limit: TASKS, taskId: isId ? search : undefined, cursor: cursors.tasks ?? undefined }) : null,
  ])
  return { apps, attention, campaigns, tasks, search, budgets, cursors }
}

function isEmpty({ apps, campaigns, tasks, search, cursors }: Overview): boolean {
  const isUnfiltered = search === '' && cursors.campaigns === null && cursors.tasks === null
  return isUnfiltered && campaigns.items.length === 0 && tasks?.items.length === 0 && apps.every(({ pauseKind }) => pauseKind === null)
}

function filled(page: Page, overview: Overview): Html {
  const { messages } = page
  return html`<div class="heading spread"><h1>${messages.overview.title}</h1>
<form class="search" method="get" action="/" role="search">
<label for="search">${messages.overview.searchLabel}</label>
<input id="search" type="search" name="q" value="${overview.search}" autocomplete="off" maxlength="200"><button type="submit">${messages.search}</button>
${overview.search !== '' && html`<a href="/">${messages.showAll}</a>`}
</form></div>
${personSearch(page)}
${attentionSection(page, overview)}
${campaignsSection(page, overview)}
${callsSection(page, overview)}
${tasksSection(page, overview)}`
}

function attentionSection(page: Page, { apps, attention, budgets }: Overview): Html {
  const { messages, format } = page
  const isOneOfFew = ({ risk }: TaskAtRisk, i: number): boolean =>
    attention.slice(0, i).filter((before) => before.risk === risk).length < TASKS_AT_RISK
  const alerts = [
    ...apps.flatMap((app) => [pausedApp(page, app), ...pausedPairs(page, app), ...workerProblems(page, app)]),
    ...apps.map((app) => budgetAlmostSpent(page, app, budgets.get(app.app))),
    ...attention.filter(isOneOfFew).map((task) => taskAtRisk(page, task)),
  ].filter((alert) => alert !== null)
  const more = attention.filter((task, i) => !isOneOfFew(task, i)).map((task) => taskAtRisk(page, task))
  return html`<section id="attention" aria-labelledby="attention-title" class="${alerts.length === 0 ? 'calm' : 'attention'}">
<h2 id="attention-title">${messages.attention.title}</h2>
${alerts.length === 0 ? html`<p>${messages.attention.nothing}</p>` : html`<ul class="alerts">${alerts}</ul>`}
${more.length > 0 && html`<details id="more-attention"><summary>${messages.attention.more(format.number(more.length))}</summary><ul class="alerts">${more}</ul></details>`}
</section>`
}

/** A share of the budget from which the page warns. */
const ALMOST_SPENT = 0.9

function budgetAlmostSpent(
  { messages, format }: Page,
  { app, callsUsed, month, pauseKind }: AppUsage,
  budget: number | undefined,
): Html | null {
  if (budget === undefined || callsUsed < budget * ALMOST_SPENT || pauseKind === 'quota') return null
  return html`<li data-key="budget ${app}"><h3>${messages.attention.budget(app)}</h3>
<p>${messages.calls.usedOf(format.number(callsUsed), format.number(budget), format.month(month))}${messages.gap}${messages.attention.budgetRemedy}</p></li>`
}

function pausedApp(page: Page, usage: AppUsage): Html | null {
  const { app } = usage
  return pauseAlert(page, { key: `app ${app}`, title: page.messages.attention.paused(app), app }, usage)
}

function pausedPairs(page: Page, { app, pairs }: AppUsage): Array<Html | null> {
  const titled = ({ agentId }: PairStatus) => ({
    key: `pair ${app} ${agentId}`,
    title: page.messages.attention.pairPaused(app, agentId),
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
    }) => html`<li data-key="worker ${workerId} ${app}"><h3>${messages.attention.worker(app)}</h3>
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
<p class="quiet sentence">${renderObservedAt(page, task.lastObservedAt)} · ${messages.attention.deadline(format.time(task.deadlineAt), format.distance(task.deadlineAt, now))}${task.campaign !== null && html` · <span class="name">${task.campaign}</span>`} · ${task.app}</p></li>`
}

function callsSection(page: Page, { apps, budgets }: Overview): Html | null {
  if (apps.length === 0) return null
  const { messages } = page
  return html`<section id="calls" aria-labelledby="calls-title"><h2 id="calls-title">${messages.calls.title}</h2>
<ul class="cards">${apps.map((app) => appCalls(page, app, budgets.get(app.app)))}</ul></section>`
}

/** `resume` would change something. */
function isHeldBack({ pauseCode, pairs, workerProblems: problems, tasksWithProblem, tasksDelayed }: AppUsage): boolean {
  return pauseCode !== null || pairs.some((pair) => pair.pauseCode !== null) || problems.length + tasksWithProblem + tasksDelayed > 0
}

function appCalls(page: Page, usage: AppUsage, budget: number | undefined): Html {
  const { messages, format } = page
  const { app, callsUsed, month, openTasks, tasksWithProblem } = usage
  const [used, of] = [format.number(callsUsed), format.number(budget ?? STANDARD_CALLS)]
  return html`<li data-key="${app}"><h3>${app}</h3>
<p class="headline">${used}${budget !== undefined && html` <small>/ ${of}</small>`}</p>
${budgetBar(messages.calls.usedOf(used, of, format.month(month)), callsUsed, budget ?? STANDARD_CALLS)}
<p>${messages.calls.used(format.month(month))}${messages.gap}${budget === undefined ? messages.calls.noBudget(of) : messages.calls.left(format.number(Math.max(0, budget - callsUsed)))}</p>
<p class="quiet">${messages.calls.openTasks(openTasks)}${tasksWithProblem > 0 && html`${messages.gap}${messages.calls.withProblem(tasksWithProblem)}`}</p>
${isHeldBack(usage) && resumeButton(page, appPath(app), null)}</li>`
}

function campaignsSection(page: Page, overview: Overview): Html {
  const { messages } = page
  const { campaigns, search } = overview
  return html`<section id="campaigns" aria-labelledby="campaigns-title"><h2 id="campaigns-title">${messages.overview.campaigns}</h2>
${
  campaigns.items.length === 0
    ? html`<p class="empty">${search === '' ? messages.overview.noCampaigns : messages.overview.notFound(search)}</p>`
    : html`<ul class="campaigns">${campaigns.items.map((campaign) => campaignItem(page, campaign))}</ul>${compareButton(page, campaigns.items)}`
}
${pager(page, messages.overview.campaigns, buildPageLinks(overview, 'campaigns', campaigns.nextCursor))}</section>`
}

function campaignItem(page: Page, campaign: CampaignRates): Html {
  const { messages, format } = page
  return html`<li data-key="${campaign.app} ${campaign.campaign}">
<div class="heading"><h3 class="name">${compareBox(page, campaign)}<a href="${campaignLink(campaign)}">${campaign.campaign}</a></h3>${openBadge(page, campaign)}</div>
<p class="rate"><b>${format.percent(campaign.readRate)}</b> <span>${messages.ofDeliveredHaveRead(format.number(campaign.read), format.number(campaign.delivered))}</span></p>
${stateBar(page, campaign)}
<div class="heading">${legend(page, campaign, { path: campaignLink({ campaign: campaign.campaign }), app: campaign.app })}<p class="quiet">${messages.sentAt(format.time(campaign.lastSentAt))} · ${renderObservedAt(page, campaign.lastObservedAt)} · ${campaign.app}</p></div></li>`
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
  const { tasks, search } = overview
  if (tasks === null) return null
  return html`<section id="tasks" aria-labelledby="tasks-title"><h2 id="tasks-title">${messages.overview.tasks}</h2>
${tasks.items.length === 0 ? html`<p class="empty">${messages.overview.notFound(search)}</p>` : taskTable(page, tasks.items, 'tasks-title', true)}
${pager(page, messages.overview.tasks, buildPageLinks(overview, 'tasks', tasks.nextCursor))}</section>`
}

function buildPageLinks({ search, cursors }: Overview, list: 'campaigns' | 'tasks', next: string | null): Parameters<typeof pager>[2] {
  const linkTo = (cursor: string | null): string => `${withQuery('/', { q: search, ...cursors, [list]: cursor })}#${list}`
  return { first: cursors[list] === null ? null : linkTo(null), next: next === null ? null : linkTo(next) }
}
