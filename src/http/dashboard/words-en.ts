import type { StateKind, TaskStatus } from '../../core/delivery.ts'
import type { PollOutcome } from '../../core/look-plan.ts'
import type { RiskKind } from '../../core/rates.ts'
import { type Html, html } from './html.ts'

const people = (count: number): string => (count === 1 ? 'person' : 'people')

const share = (percent: number): string => (percent === 50 ? 'half' : `${percent}%`)

const outcomes: Readonly<Record<PollOutcome, string>> = {
  observed: 'Good look',
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
  read: 'DingTalk listed them as read. Once read is read for ever.',
  unread: 'Delivered, and listed as unread by the last good look that listed them.',
  pending: 'DingTalk has listed them nowhere: neither delivered nor unread.',
  forbidden: 'DingTalk withheld the message because of one of its limits.',
  failed: 'DingTalk could not deliver it.',
  invalid: 'DingTalk knows no such user id, or the person cannot see the app.',
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
    name: 'its next look is overdue',
    meaning: 'No worker makes it. Start a worker, or see why the running one does not get to it.',
  },
  hindered: { name: 'its last look did not succeed', meaning: 'It will be tried again by itself.' },
  stopped: { name: 'stopped', meaning: 'DingTalk cannot answer for it, so no more looks are made.' },
  never_observed: {
    name: 'nothing is known',
    meaning: 'The 24 hours passed without one good look, and DingTalk has forgotten the answer.',
  },
  blind: { name: 'the end is not known', meaning: 'The last good look was long before the deadline. Reads after it are missing.' },
}

export const en = {
  product: 'Delivery tracker',
  skip: 'Skip to the content',
  language: 'Language',
  theme: 'Colours',
  themes: { auto: 'Auto', light: 'Light', dark: 'Dark' },
  trail: 'Where you are',
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
  away: (since: string): string => `No new figures: the server or its database does not answer. What you see was known ${since}.`,
  serverZone: (zone: string): string => `Times in the server’s zone, ${zone}`,
  yourZone: (zone: string): string => `Times in your zone, ${zone}`,
  asOf: (time: Html): Html => html`as of ${time}`,
  asOfAgo: (time: Html, distance: Html): Html => html`as of ${time} (${distance})`,
  sentAt: (time: Html): Html => html`sent ${time}`,
  nothingKnown: 'nothing known yet',
  nobodyKnown: 'Nobody known yet',
  peopleWord: people,
  range: (least: string, most: string): string => `${least} to ${most}`,
  atLeast: (least: string): string => `at least ${least}`,
  outOf: (part: string, whole: string): string => `${part} of ${whole}`,
  goodOf: (good: string, all: string): string => `${all} made, ${good} of them good`,
  readRate: 'Read rate',
  ofDeliveredHaveRead: (read: string, delivered: string): string => `${read} of ${delivered} delivered have read`,
  ofTargetedHaveRead: (read: string, targeted: string, rate: string): string => `${read} of ${targeted} targeted have read: ${rate}`,
  whoHasNotRead: (unread: string): string => `Who has not read: ${unread}`,
  delivered: 'Delivered',
  open: (openTasks: number, tasks: number): string => (tasks === 1 ? 'Open' : `Open: ${openTasks} of ${tasks} tasks`),
  ended: (tasks: number): string => (tasks === 1 ? 'Ended' : `Ended: ${tasks} tasks`),
  said: (text: Html): Html => html`DingTalk said: ${text}`,
  hindered: (why: Html): Html => html`The last look was put off: ${why}`,
  taskTitle: (taskId: string): string => `Task ${taskId}`,
  recipientsNamed: 'named by the sender',
  recipientsListed: 'whom DingTalk lists',
  statesTitle: 'Who got it',
  states,
  stateMeaning,
  statuses,
  statusMeaning: {
    tracking: 'Looks are being made until everybody is accounted for, or the 24 hours are over.',
    complete: 'Everybody is accounted for.',
    expired: 'The 24 hours in which DingTalk answers are over.',
    stopped: 'DingTalk cannot answer for this task.',
    cancelled: 'The sender gave it up.',
  } satisfies Readonly<Record<TaskStatus, string>>,
  parts: { read: 'Read', unread: 'Unread', pending: 'Pending', 'not-sent': 'Not sent' },
  facts: {
    sent: 'Sent',
    deadline: 'Deadline',
    next: 'Next look',
    looks: 'Looks',
    app: 'App',
    recipients: 'Recipients',
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
    look: 'Look',
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
    searchLabel: 'Campaign or task id',
    noCampaigns: 'No task has a campaign yet. Give one when you track a task, and its people are counted together here.',
    notFound: (search: string): string => `Nothing found for “${search}”.`,
  },
  attention: {
    title: 'Needs attention',
    nothing: 'Nothing: all looks are on plan.',
    more: (tasks: string): string => `More tasks: ${tasks}`,
    paused: (app: string, why: string): string => `App ${app} is paused: ${why}`,
    task: (task: Html, risk: string): Html => html`${task}: ${risk}`,
    budget: (app: string): string => `App ${app} has used most of its calls`,
    again: (time: Html, distance: Html): Html => html`Tried again ${distance}, at ${time}; nothing needs to be restarted.`,
    deadline: (time: Html, distance: Html): Html => html`deadline ${time}, ${distance}`,
  },
  risks,
  pauses: {
    configuration: { name: 'it is not set up right', remedy: '' },
    throttled: {
      name: 'DingTalk wants fewer calls',
      remedy: 'Nothing to do: it goes on by itself. If it happens often, lower MAX_CALLS_PER_SECOND.',
    },
    quota: {
      name: 'the month’s calls are used up',
      remedy: 'Ask DingTalk for more calls, or wait for the next month. Fewer looks a task (POLLS_PER_TASK) cost fewer calls.',
    },
  },
  remedies: {
    permission: 'Grant the app the permission qyapi_base (basic permission to call enterprise APIs) in the developer console.',
    address: 'Add the server’s outgoing IP address to the app’s IP allow-list in the developer console.',
    credentials: 'Check the app key and app secret (DINGTALK_APP_KEY, DINGTALK_APP_SECRET), and that region and hosts belong to them.',
    agent: 'Check the agent id (DINGTALK_AGENT_ID, or the one given with the task) against the app that sent the message.',
    suite: 'Check the third-party app: suite key, suite secret, suite ticket, and that the organisation still authorises it.',
    path: 'Check DINGTALK_OAPI_URL and DINGTALK_REGION: this address does not serve getsendresult.',
    other: 'See what DingTalk said, and check the app’s settings.',
  },
  endReasons: {
    all_read: 'Every recipient has read.',
    all_accounted_for: 'Everybody who could be reached has read.',
    sent_too_long_ago: 'Tracking began after the 24 hours in which DingTalk answers; no call was made.',
    never_observed: 'No look brought a result before the deadline.',
    window_over: 'Who is unread is unread as of the last good look.',
    blind_before_deadline: 'Nothing is known about the time after the last good look.',
    refused: 'DingTalk refused the parameters: check that task id and agent id belong together and that this app sent the task.',
    probably_too_many_recipients:
      'Probably more than 100 recipients, the most that DingTalk reports on. Send in batches of 100 under one campaign.',
  },
  calls: {
    title: 'Calls to DingTalk',
    used: (month: string): string => `calls in ${month}.`,
    usedOf: (used: string, budget: string, month: string): string => `${used} of ${budget} calls used in ${month}.`,
    left: (left: string): string => `${left} left.`,
    noBudget: (standard: string): string => `No budget is set; the standard edition has ${standard} a month for the whole organisation.`,
    openTasks: (count: number): string => (count === 1 ? '1 open task' : `${count} open tasks`),
  },
  curve: {
    title: 'Read over time',
    nothingYet: 'No good look yet, so nothing is known.',
    known: 'known to have read',
    band: 'may have read: between two looks nobody can tell',
    delivered: 'delivered',
    summary: (read: string, delivered: string, rate: string): string => `${read} of ${delivered} delivered are known to have read: ${rate}`,
  },
  timeToRead: {
    title: 'Time to read',
    of: (count: string, time: Html): Html => html`Of ${count} delivered people, as of ${time}.`,
    between: (percent: number, after: string, before: string, likely: string): string =>
      `Until ${share(percent)} had read it took between ${after} and ${before}${likely}.`,
    about: (percent: number, at: string): string => `Until ${share(percent)} had read it took about ${at}.`,
    atMost: (percent: number, before: string, likely: string): string =>
      `Until ${share(percent)} had read it took ${before} at most${likely}.`,
    notReached: (percent: number, after: string): string =>
      `After ${after} fewer than ${share(percent)} had read; what came later is not known.`,
    likely: (value: string): string => `, most likely ${value}`,
    within: 'Share who had read',
    after: 'Within',
    method: {
      looks: 'Straight from the looks. DingTalk gives no read time, so every figure is a bracket.',
      turnbull:
        'DingTalk gives no read time, so every figure is a bracket. Most likely, and the mark in a bar: the Turnbull estimate over tasks with different looks.',
    },
  },
  timeline: {
    title: 'Looks',
    good: 'good look',
    failed: 'failed look',
    planned: 'planned look',
    last: 'guaranteed last look',
    stretched: 'The first hours are drawn wider: that is when people read, and when most looks are made.',
    summary: (good: number, failed: number, planned: number): string =>
      `Time line from the send to the deadline: ${good} good looks, ${failed} failed, ${planned} planned`,
    saw: (no: number, when: string, read: string, delivered: string): string =>
      `Look ${no}, ${when} after the send: ${read} of ${delivered} had read`,
    failedWith: (no: number, when: string, outcome: string, code: string): string =>
      `Look ${no}, ${when} after the send: ${outcome} (${code})`,
    plannedAt: (when: string, last: boolean): string => `${last ? 'Last look, planned' : 'Planned'} ${when} after the send`,
  },
  outcomes,
  people: {
    title: 'People',
    csv: 'Download CSV',
    byState: 'People by state',
    all: 'All',
    searchLabel: 'Find a user id',
    nobody: 'Nobody.',
    namesRemoved: (time: Html): Html => html`The names were removed on ${time}: the task ended long ago. The figures stay.`,
    namesRemovedInSome: (time: Html): Html => html`Names in tasks that ended long ago were removed, last on ${time}. The figures stay.`,
    meaning: {
      ...stateMeaning,
      unread: 'Unread as of the time in each row; what happened since is not known.',
      all: 'Everybody known, each once.',
    },
    readBetween: (after: Html, before: Html): Html => html`read between ${after} and ${before}`,
    readBefore: (before: Html): Html => html`read by ${before}; no look saw it unread`,
    unreadAsOf: (time: Html): Html => html`unread as of ${time}`,
    pendingAsOf: (time: Html): Html => html`DingTalk has listed them nowhere, as of ${time}`,
    neverAsked: 'no good look yet',
    inTasks: (count: number): string => `in ${count} tasks`,
  },
  forbidden: {
    title: 'Forbidden, and why',
    code: 'Code',
    limit: (count: number): string => `limit ${count}`,
    reasons: {
      daily_limit: {
        name: 'Daily limit reached',
        meaning: 'The person had as many work notifications today as DingTalk lets through.',
        remedy: 'Send again tomorrow, or reach these people another way.',
      },
      duplicate_content: {
        name: 'Same content again',
        meaning: 'DingTalk drops a text that the person already got today.',
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
        remedy: 'Look the code up in DingTalk’s documentation, or ask their support.',
      },
    },
  },
  explain: {
    title: 'Every look, and what was known after it',
    named: 'The sender named this person.',
    listed: 'The sender did not name this person; DingTalk listed them.',
    look: (no: number): string => `Look ${no}`,
    change: 'New',
    failed: (outcome: Html, state: string): Html => html`${outcome}. It tells nothing; still known: ${state}.`,
    said: {
      read: 'Had read.',
      unread: 'Was delivered, and had not read.',
      pending: 'Was in none of the lists.',
      forbidden: 'Was withheld by one of DingTalk’s limits.',
      failed: 'Could not be delivered.',
      invalid: 'Was an invalid user id.',
    } satisfies Readonly<Record<StateKind, string>>,
  },
  empty: {
    title: 'Track your first task',
    lead: 'After each send, hand over the task id that DingTalk returned. Looks begin within seconds, and this page fills by itself.',
    typescript: 'TypeScript or JavaScript',
    typescriptText: 'Committed to the database before it returns.',
    queue: 'Any BullMQ client',
    queueText: 'A job named track in the queue dingtalk-delivery, in any language that BullMQ speaks.',
    sql: 'SQL',
    sqlText: 'Inside your own transaction: rolled back, and there is nothing to track.',
    shell: 'A shell',
    shellText: 'To try it with a task that was sent in the last 24 hours.',
    waiting: 'This page looks again by itself.',
  },
  login: {
    title: 'Sign in',
    text: 'This dashboard is protected by the API token of the server.',
    label: 'API token',
    submit: 'Sign in',
    logout: 'Sign out',
    wrong: 'This is not the token. It is the server’s API_TOKEN.',
    tooMany: 'This is not the token, and there were too many wrong attempts in the last minute. The right token signs you in at once.',
  },
  problems: {
    home: 'To the overview',
    notFound: {
      title: 'Not here',
      text: 'There is no such page, task, campaign or person. A name may be misspelt, or its data no longer kept.',
    },
    severalApps: { title: 'Several apps have it', text: 'The same name is used by more than one app. Which one do you mean?' },
    badRequest: { title: 'That address is not right', text: 'Something in the address is not what it must be.' },
    unavailable: { title: 'The database does not answer', text: 'Nothing is lost: the figures come back with it. Try again in a moment.' },
    outdated: {
      title: 'The database needs an update',
      text: 'It was made by another version. Run “dingtalk-delivery migrate”, then load this page again.',
    },
    conflict: { title: 'That is not possible', text: 'What it is about is in another state than this needs.' },
    notPermitted: {
      title: 'The server lacks a right in the database',
      text: 'Nothing is lost. The log of the server says which right; “deploy/postgres/roles.sql” gives it.',
    },
    failed: { title: 'Something went wrong here', text: 'The log of the server says what. Try again in a moment.' },
  },
}

/** Every text of the pages. English is the shape: a text that another language lacks is a type error. */
export type Words = typeof en
