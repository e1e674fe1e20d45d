import type { StateKind, TaskStatus } from '../../../domain/delivery.ts'
import type { PollOutcome } from '../../../domain/problems.ts'
import type { RiskKind } from '../../../report/rates.ts'
import { type Html, html } from '../components/html.ts'
import { callsEn } from './calls.ts'
import { directoryEn } from './directory.ts'
import { fileEn } from './file.ts'
import { plotsEn } from './plots.ts'
import { printEn } from './print.ts'
import { rightsEn } from './rights.ts'
import { scheduleEn } from './schedule.ts'

const people = (count: number): string => (count === 1 ? 'person' : 'people')

const share = (percent: number): string => (percent === 50 ? 'half' : `${percent}%`)
const shareAtStart = (percent: number): string => (percent === 50 ? 'Half' : `${percent}%`)

const outcomes: Readonly<Record<PollOutcome, string>> = {
  observed: 'Successful poll',
  empty: 'DingTalk answered without any lists',
  throttled: 'Refused: too many calls',
  quota: 'Refused: the monthly quota is used up',
  configuration: 'Refused: the app is not set up right',
  task: 'Refused for this task',
  call_timeout: 'DingTalk answered “call timeout”',
  transient: 'No usable answer',
}

const states: Readonly<Record<StateKind, string>> = {
  read: 'Read',
  unread: 'Unread',
  pending: 'Pending',
  forbidden: 'Forbidden',
  failed: 'Failed',
  invalid: 'Invalid',
}

const stateMeaning: Readonly<Record<StateKind, string>> = {
  read: 'DingTalk listed them as read. This state is final.',
  unread: 'Delivered, and listed as unread by the last successful poll that listed them.',
  pending: 'DingTalk has listed them nowhere: neither delivered nor unread.',
  forbidden: 'DingTalk withheld the message because of one of its limits.',
  failed: 'DingTalk could not deliver it.',
  invalid: 'The user id does not exist, or the person cannot see the app.',
}

const statuses: Readonly<Record<TaskStatus, string>> = {
  tracking: 'Tracking',
  complete: 'Complete',
  expired: 'Expired',
  stopped: 'Stopped',
  cancelled: 'Cancelled',
}

const risks: Readonly<Record<RiskKind, { readonly name: string; readonly meaning: string }>> = {
  overdue: {
    name: 'its next poll is overdue',
    meaning: 'No worker makes it. Start a worker, or check the running one with “npx dingtalk-delivery doctor”.',
  },
  delayed: { name: 'its polls are delayed', meaning: 'The next poll is made automatically.' },
  stopped: { name: 'stopped', meaning: 'DingTalk refused every poll until the deadline.' },
  never_observed: {
    name: 'no data',
    meaning: 'The 24 hours passed without a successful poll. DingTalk does not answer later polls.',
  },
  blind: { name: 'no data for the end', meaning: 'The last successful poll was long before the deadline. Reads after it are missing.' },
}

export const en = {
  plots: plotsEn,
  file: fileEn,
  print: printEn,
  schedule: scheduleEn,
  ...directoryEn,
  product: 'Delivery tracker',
  skip: 'Skip to the content',
  language: 'Language',
  theme: 'Colours',
  themes: { auto: 'Auto', light: 'Light', dark: 'Dark' },
  breadcrumbs: 'Where you are',
  search: 'Search',
  showAll: 'Show all',
  nextPage: 'Next page',
  firstPage: 'First page',
  asTable: 'The same as a table',
  copy: 'Copy',
  copied: 'Copied',
  now: 'now',
  /** Between two sentences. */
  gap: ' ',
  updated: (ago: string): string => `Updated ${ago}`,
  away: (since: string): string => `No new figures: the server or its database does not answer. These figures were loaded ${since}.`,
  serverZone: (zone: string): string => `Times in the server’s zone, ${zone}`,
  yourZone: (zone: string): string => `Times in your zone, ${zone}`,
  asOf: (time: Html): Html => html`as of ${time}`,
  asOfAgo: (time: Html, distance: Html): Html => html`as of ${time} (${distance})`,
  sentAt: (time: Html): Html => html`sent ${time}`,
  nothingKnown: 'no successful poll yet',
  noRecipients: 'No recipients yet',
  personNoun: people,
  range: (least: string, most: string): string => `${least} to ${most}`,
  atLeast: (least: string): string => `at least ${least}`,
  outOf: (part: string, whole: string): string => `${part} of ${whole}`,
  goodOf: (good: string, all: string): string => `${all} made, ${good} of them successful`,
  readRate: 'Read rate',
  ofDeliveredHaveRead: (read: string, delivered: string): string => `${read} of ${delivered} delivered have read`,
  ofTargetedHaveRead: (read: string, targeted: string, rate: string): string => `${read} of ${targeted} targeted have read: ${rate}`,
  whoHasNotRead: (unread: string): string => `Who has not read: ${unread}`,
  delivered: 'Delivered',
  open: (openTasks: number, tasks: number): string => (tasks === 1 ? 'Open' : `Open: ${openTasks} of ${tasks} tasks`),
  ended: (tasks: number): string => (tasks === 1 ? 'Ended' : `Ended: ${tasks} tasks`),
  taskTitle: (taskId: string): string => `Task ${taskId}`,
  sentAtAssumed: 'assumed: the time of the enqueue, since the send time was not given',
  problem: {
    title: 'Problem',
    badge: 'Problem',
    concerns: (scope: string): string => `concerns ${scope}`,
    since: (time: Html, distance: Html): Html => html`since ${time} (${distance})`,
    next: (time: Html, distance: Html): Html => html`next poll at ${time} (${distance})`,
    delayed: (why: Html): Html => html`The next poll is later than planned: ${why}`,
    resume: 'Poll now',
    budgetStays: 'Polling now does not lift MONTHLY_CALL_BUDGET.',
  },
  recipientsNamed: 'named by the sender',
  recipientsListed: 'listed by DingTalk',
  statesTitle: 'Delivery states',
  states,
  stateMeaning,
  statuses,
  statusMeaning: {
    tracking: 'Polls are made until the state of all recipients is final, or the 24 hours are over.',
    complete: 'The state of all recipients is final.',
    expired: 'The 24 hours in which DingTalk answers are over.',
    stopped: 'DingTalk refused every poll until the deadline.',
    cancelled: 'The sender cancelled it.',
  } satisfies Readonly<Record<TaskStatus, string>>,
  parts: { read: 'Read', unread: 'Unread', pending: 'Pending', 'not-sent': 'Not sent' },
  facts: {
    sent: 'Sent',
    deadline: 'Deadline',
    next: 'Next poll',
    polls: 'Polls',
    app: 'App',
    recipients: 'Recipients',
    unreadAsOf: 'Unread as of',
  },
  columns: {
    task: 'Task',
    campaign: 'Campaign',
    sent: 'Sent',
    status: 'Status',
    people: 'People',
    readOfDelivered: 'Read',
    readRate: 'Rate',
    asOf: 'As of',
    person: 'Person',
    state: 'State',
    known: 'What is known',
    bracket: 'When, from the send to the deadline',
    shareOfAll: 'Of all',
    share: 'Share',
    poll: 'Poll',
    at: 'At',
    sinceSend: 'Since the send',
    outcome: 'Outcome',
    changed: 'Changed',
    atLeast: 'Read, at least',
    atMost: 'Read, at most',
  },
  overview: {
    title: 'Overview',
    campaigns: 'Campaigns',
    tasks: 'Tasks',
    noCampaigns: 'No task has a campaign yet. Give one when you track a task: the people of a campaign are counted together here.',
    notFound: (search: string): string => `Nothing found for “${search}”.`,
  },
  attention: {
    title: 'Needs attention',
    nothing: 'All polls are on plan.',
    more: (tasks: string): string => `More tasks: ${tasks}`,
    /** Null: there is one app only, whose name says nothing. */
    paused: (app: string | null): string => (app === null ? 'The app is paused' : `App ${app} is paused`),
    pairPaused: (app: string | null, agentId: string): string =>
      app === null ? `Agent id ${agentId} is paused` : `App ${app} with agent id ${agentId} is paused`,
    worker: (app: string | null): string => `A worker cannot poll ${app === null ? 'the app' : `app ${app}`}; other workers may`,
    workerId: 'Worker',
    task: (task: Html, risk: string): Html => html`${task}: ${risk}`,
    /** The time of the probe is over, and each task of the scope has its own time. */
    againWithNext: 'The next poll is the probe. A success ends the pause.',
    again: (time: Html, distance: Html): Html => html`The next probe is due ${distance}, at ${time}. A success ends the pause.`,
    deadline: (time: Html, distance: Html): Html => html`deadline ${time}, ${distance}`,
  },
  risks,
  calls: {
    title: 'Calls to DingTalk',
    used: (month: string): string => `calls in ${month}.`,
    usedOf: (used: string, budget: string, month: string): string => `${used} of ${budget} calls used in ${month}.`,
    left: (left: string): string => `${left} left.`,
    noBudget: (standard: string): string => `No budget is set; the standard edition has ${standard} a month for the whole organisation.`,
    made: (count: number): string => (count === 1 ? '1 call' : `${count} calls`),
    withProblem: (count: number): string => `${count} of them with a problem.`,
    openTasks: (count: number): string => (count === 1 ? '1 open task.' : `${count} open tasks.`),
  },
  callForecast: callsEn,
  curve: {
    title: 'Read over time',
    nothingYet: 'No successful poll yet.',
    known: 'known to have read',
    bounds: 'may have read: a poll shows only that a read came before it',
    delivered: 'delivered',
    summary: (read: string, delivered: string, rate: string): string => `${read} of ${delivered} delivered are known to have read: ${rate}`,
  },
  timeToRead: {
    title: 'Time to read',
    of: (count: string, time: Html): Html => html`Of ${count} delivered people, as of ${time}.`,
    between: (percent: number, after: string, before: string, likely: string): string =>
      `${shareAtStart(percent)} had read within ${after} to ${before} of the send${likely}.`,
    about: (percent: number, at: string): string => `${shareAtStart(percent)} had read about ${at} after the send.`,
    atMost: (percent: number, before: string, likely: string): string =>
      `${shareAtStart(percent)} had read within ${before} of the send${likely}.`,
    notReached: (percent: number, after: string): string =>
      `${after} after the send, fewer than ${share(percent)} had read; later reads are not known.`,
    likely: (value: string): string => `, most likely ${value}*`,
    assumed: (tasks: number): string =>
      `The send time of ${tasks === 1 ? 'one task' : `${tasks} tasks`} was not given. The times of its people count from the enqueue, so from the send they are longer.`,
    within: 'Share who had read',
    after: 'Within',
    method: 'DingTalk does not say when a person read, so each figure is a range.',
  },
  timeline: {
    title: 'Polls',
    good: 'successful poll',
    failed: 'failed poll',
    planned: 'planned poll',
    last: 'guaranteed final poll',
    stretched: 'The first hours are drawn wider: most reads and most polls are in them.',
    summary: (good: number, failed: number, planned: number): string =>
      `Time line from the send to the deadline: ${good} successful polls, ${failed} failed, ${planned} planned`,
    saw: (no: number, when: string, read: string, delivered: string): string =>
      `Poll ${no}, ${when} after the send: ${read} of ${delivered} had read`,
    failedWith: (no: number, when: string, outcome: string, code: string): string =>
      `Poll ${no}, ${when} after the send: ${outcome} (${code})`,
    plannedAt: (when: string, last: boolean): string => `${last ? 'Final poll, planned' : 'Planned'} ${when} after the send`,
  },
  outcomes,
  people: {
    title: 'People',
    byState: 'People by state',
    all: 'All',
    searchLabel: 'Find a user id',
    none: 'No recipient.',
    namesRemoved: (time: Html): Html =>
      html`The user ids were replaced by pseudonyms on ${time}: the task ended long ago. The figures stay.`,
    namesRemovedInSome: (time: Html): Html =>
      html`User ids in tasks that ended long ago were replaced by pseudonyms, last on ${time}. The figures stay.`,
    meaning: {
      ...stateMeaning,
      unread: 'Unread as of the time in each row; later reads are not known.',
      all: 'All recipients, each once.',
    },
    readBetween: (after: Html, before: Html): Html => html`read between ${after} and ${before}`,
    readBefore: (before: Html): Html => html`read by ${before}; no poll listed it as unread`,
    unreadAsOf: (time: Html): Html => html`unread as of ${time}`,
    pendingAsOf: (time: Html): Html => html`DingTalk has listed them nowhere, as of ${time}`,
    neverAsked: 'no successful poll yet',
    inTasks: (count: number): string => `in ${count} tasks`,
  },
  forbidden: {
    title: 'Forbidden, and why',
    code: 'Code',
    limit: (count: number): string => `limit ${count}`,
    reasons: {
      daily_limit: {
        name: 'Daily limit reached',
        meaning: 'The person had as many work notifications today as DingTalk allows.',
        remedy: 'Send again tomorrow, or reach these people another way.',
      },
      duplicate_content: {
        name: 'Same content again',
        meaning: 'DingTalk drops a text that it sent to the same person today.',
        remedy: 'Change the wording: an identical reminder never arrives.',
      },
      app_rate_limit: {
        name: 'The app sent too fast',
        meaning: 'The app went over its rate of sends when it reached these people.',
        remedy: 'Send to them again, more slowly.',
      },
      organisation_rate_limit: {
        name: 'The organisation sent too fast',
        meaning: 'All apps together went over the organisation’s rate of sends.',
        remedy: 'Send to them again at a quieter time.',
      },
      other: {
        name: 'Another limit',
        meaning: 'DingTalk gave no reason, or one that its documentation does not name.',
        remedy: 'Search for the code in DingTalk’s documentation, or ask their support.',
      },
    },
  },
  explain: {
    title: 'Every poll, and the state after it',
    named: 'The sender named this person.',
    listed: 'The sender did not name this person; DingTalk listed them.',
    poll: (no: number): string => `Poll ${no}`,
    change: 'New',
    failed: (outcome: Html, state: string): Html => html`${outcome}. The state stays: ${state}.`,
    said: {
      read: 'Read.',
      unread: 'Delivered, and not read.',
      pending: 'In none of the lists.',
      forbidden: 'Withheld because of one of DingTalk’s limits.',
      failed: 'Not delivered.',
      invalid: 'An invalid user id.',
    } satisfies Readonly<Record<StateKind, string>>,
  },
  empty: {
    lead: 'After each send, enqueue the task id that DingTalk returned. Polls begin within seconds, and this page shows the results.',
    typescript: 'TypeScript or JavaScript',
    typescriptText: 'Committed to the database before it returns.',
    queue: 'Any BullMQ client',
    queueText: 'A job named track in the queue dingtalk-delivery, in any language that has a BullMQ client.',
    sql: 'SQL',
    sqlText: 'Inside your own transaction: after a rollback nothing is tracked.',
    shell: 'A shell',
    shellText: 'To try it with a task that was sent in the last 24 hours.',
    waiting: 'This page refreshes automatically.',
  },
  login: {
    title: 'Sign in',
    text: 'This dashboard is protected by an API token of the server.',
    label: 'API token',
    submit: 'Sign in',
    logout: 'Sign out',
    wrong: 'This is not the token. It is the server’s API_TOKEN; in a list, what follows the role and the name.',
    tooMany: 'This is not the token, and there were too many wrong attempts in the last minute. The right token signs you in at once.',
  },
  problems: {
    home: 'To the overview',
    /** Of an error, whose message is English in every language. */
    original: 'The message of the error',
    notFound: {
      title: 'Not found',
      text: 'There is no such page, task, campaign or person. The name may be misspelt, or its data deleted.',
    },
    severalApps: { title: 'Several apps have it', text: 'More than one app uses this name. Choose the app.' },
    taskEnded: { title: 'The task has ended', text: 'It can no longer be polled.' },
    ...rightsEn,
    readOnly: { title: 'You may only read', text: 'This changes something. Sign in with a token that has the role “write”.' },
    proxySignIn: {
      title: 'Open this dashboard through its proxy',
      text: 'A proxy signs readers in here, and this request has no valid sign-in. Use the address of the proxy, or ask its operator.',
    },
    badRequest: { title: 'Invalid address', text: 'A part of the address is invalid.' },
    unavailable: {
      title: 'The database does not answer',
      text: 'No data is lost. The figures return when the database answers. Try again in a moment.',
    },
    outdated: {
      title: 'The database needs an update',
      text: 'Its schema is of another version. Run “npx dingtalk-delivery migrate”, then load this page again.',
    },
    conflict: { title: 'Not possible now', text: 'The task or app is in another state than this action needs.' },
    notPermitted: {
      title: 'The server lacks a right in the database',
      text: 'No data is lost. The log of the server names the right; “deploy/postgres/roles.sql” grants it.',
    },
    failed: { title: 'The page failed', text: 'The log of the server has the error. Try again in a moment.' },
  },
}

/** Every text of the pages. A text that another language lacks is a type error. */
export type Messages = typeof en
