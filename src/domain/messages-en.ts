import { both, type Fields, isUnanswered, type Messages, permissionIn, say, type Text, when } from './message-parts.ts'
import { CERTIFICATE_CODES, PROXY_CODES } from './problems.ts'

const AGAIN = 'It is polled again automatically.'
const RESUME = 'then poll at once with "npx dingtalk-delivery resume", or wait for the next probe.'

const PROXY_CHECK = 'Check HTTPS_PROXY (or HTTP_PROXY) and that the proxy runs; hosts in NO_PROXY are reached without it.'
/** By the code of what happened. */
const PROXY_REMEDIES: Readonly<Record<string, string>> = {
  [PROXY_CODES.login]:
    'Give the user name and password of the proxy in HTTPS_PROXY (or HTTP_PROXY): http://USER:PASSWORD@HOST:PORT, each escaped as in a URL.',
  [PROXY_CODES.refused]:
    "Ask the proxy's administrator to allow CONNECT to DingTalk's hosts at port 443, or name them in NO_PROXY where they can be reached directly.",
  [PROXY_CODES.unknownCa]:
    "The proxy's certificate is of your company's own authority: set NODE_EXTRA_CA_CERTS to the file with that authority's certificate (PEM).",
}

const problems = {
  no_result: {
    title: () => say`DingTalk answered without any result.`,
    remedy: () => say`Nothing to do: DingTalk may still be sending the message. ${AGAIN}`,
  },
  unknown_code: {
    title: (problem) => say`DingTalk answered with an unknown code${when(problem.text('said'), (said) => say`: ${said}`)}.`,
    remedy: () => say`Look up the code in DingTalk's documentation, or ask their support with the request id. ${AGAIN}`,
  },
  parameters: {
    title: (problem) => say`DingTalk refuses task id or agent id${formatAgentId(problem)}.`,
    remedy: () =>
      say`Check that task id and agent id belong together and that this app sent the task. Track the task again with the right agent id, or repair DINGTALK_AGENT_ID and restart the workers; ${RESUME}`,
  },
  call_timeout: {
    title: () => say`DingTalk answers "Call timeout" for this task.`,
    remedy: () =>
      say`DingTalk reports on at most 100 recipients a task. If it has more, send in batches of 100 and track each task id under one campaign. ${AGAIN}`,
  },
  agent_id: {
    title: (problem) => say`DingTalk does not accept the agent id${formatAgentId(problem)} with this app.`,
    remedy: (problem) =>
      say`Check the agent id${formatAgentId(problem)} (DINGTALK_AGENT_ID, "agentId" in DINGTALK_APPS_FILE, or agentId of the task) against the app that sent the message. Track the task again with the right one, or repair the configuration and restart the workers; ${RESUME}`,
  },
  no_agent_id: {
    title: () => say`Neither the task nor the app has an agent id, so no call was made.`,
    remedy: () =>
      say`Set DINGTALK_AGENT_ID (or "agentId" in DINGTALK_APPS_FILE) and restart the workers, or track the task again with its agentId.`,
  },
  token_refused: {
    title: () => say`DingTalk refuses a fresh access token.`,
    remedy: (problem) =>
      say`Check that app key, app secret, DINGTALK_REGION and the hosts belong together, or replace DINGTALK_ACCESS_TOKEN; restart the worker.${regionHint(problem)}`,
  },
  credentials: {
    title: () => say`DingTalk refuses the credentials of the app.`,
    remedy: (problem) =>
      say`Check the app key and app secret (DINGTALK_APP_KEY, DINGTALK_APP_SECRET, or DINGTALK_APPS_FILE) of this worker against the developer console; restart the worker.${regionHint(problem)}`,
  },
  third_party: {
    title: () => say`DingTalk refuses the third-party app.`,
    remedy: (problem) =>
      say`Check suite key, suite secret and suite ticket, and that the organisation still authorises the app.${regionHint(problem)}`,
  },
  ip_not_allowed: {
    title: (problem) => say`DingTalk does not allow calls from ${problem.text('ip') ?? "this worker's address"}.`,
    remedy: (problem) =>
      say`Add ${problem.text('ip') ?? "the outgoing IP address of this worker's network"} to the app's IP allow-list in the developer console; ${RESUME}`,
  },
  private_address: {
    title: () => say`The name of DingTalk's host leads into a private network, so nothing was sent.`,
    remedy: () =>
      say`Check the name server and DINGTALK_OAPI_URL, DINGTALK_API_URL. If it is a gateway of your own, set DINGTALK_PRIVATE_HOSTS to its name; restart the worker.`,
  },
  proxy: {
    title: () => say`The outgoing proxy gives no way to DingTalk, so nothing was sent.`,
    remedy: (problem) => say`${PROXY_REMEDIES[problem.text('said') ?? ''] ?? PROXY_CHECK} Restart the worker after a change. ${AGAIN}`,
  },
  certificate: {
    title: () => say`The certificate of DingTalk's host is not accepted, so nothing was sent.`,
    remedy: (problem) =>
      problem.text('said') === CERTIFICATE_CODES.invalid
        ? say`Check the clock of this machine, and what answers in place of DingTalk: a proxy that inspects TLS, or the host of DINGTALK_OAPI_URL, DINGTALK_API_URL. ${AGAIN}`
        : say`A proxy or gateway that inspects TLS has a certificate of your company's own authority: set NODE_EXTRA_CA_CERTS to the file with that authority's certificate (PEM) and restart the worker. ${AGAIN}`,
  },
  unknown_app: {
    title: () => say`A worker has no configuration for this app, so it made no call.`,
    remedy: () => say`Add the app to DINGTALK_APPS_FILE of every worker and restart them, or track the task under a configured app.`,
  },
  permission: {
    title: (problem) => say`The app lacks the permission ${permissionIn(problem)}.`,
    remedy: (problem) => say`Grant the app the permission ${permissionIn(problem)} in the developer console; ${RESUME}`,
  },
  wrong_path: {
    title: () => say`The configured address does not serve getsendresult.`,
    remedy: (problem) =>
      say`Check DINGTALK_OAPI_URL and DINGTALK_REGION: they name the host of getsendresult. Restart the workers.${regionHint(problem)}`,
  },
  rate_limit: {
    title: () => say`DingTalk limits the rate of calls.`,
    remedy: () => say`Nothing to do: polling continues automatically. If it happens often, lower MAX_CALLS_PER_SECOND.`,
  },
  quota: {
    title: () => say`The organisation's monthly quota of calls is used up.`,
    remedy: () =>
      say`Buy calls from DingTalk, then run "npx dingtalk-delivery resume --app NAME"; or wait for the next month. One call an hour checks automatically. Fewer polls a task (POLLS_PER_TASK) cost fewer calls.`,
  },
  outage: {
    title: (problem) =>
      isUnanswered(problem) ? say`DingTalk could not be reached.` : say`DingTalk, or something on the way to it, gives no usable answer.`,
    remedy: (problem) =>
      isUnanswered(problem)
        ? say`Check that DingTalk's host can be reached from the worker: name server, firewall, HTTPS_PROXY. ${AGAIN}`
        : say`Nothing to do if DingTalk is out of order. If it lasts, check what answers in its place, such as a proxy. ${AGAIN}`,
  },
} satisfies Messages['problems']

const ends = {
  all_read: () => say`Every recipient has read.`,
  all_accounted_for: (end) =>
    say`All recipients who could be reached have read${when(both(end.number('read'), end.number('unreachable')), ([read, not]) => say`: ${read} read, ${not} not reached`)}.`,
  cancelled: () => say`Tracking was ended on request.`,
  window_over: () => say`The 24 hours are over. Unread recipients are unread as of the last successful poll.`,
  window_closed_early: (end) =>
    say`DingTalk no longer answers for the task${when(end.time('refusedSince'), (at) => say` since ${at}`)}, before its deadline here: its 24 hours are over.${when(both(end.time('sentAfter'), end.time('sentBefore')), ([after, before]) => say` So the message was sent after ${after} and not later than ${before}.`)} Unread recipients are unread as of the last successful poll.`,
  blind_before_deadline: (end) =>
    say`Nothing is known about the time between the last successful poll${when(end.time('lastObservedAt'), (at) => say` (${at})`)} and the deadline.${reason(end)}`,
  never_observed: (end) => say`No poll succeeded before the deadline.${reason(end)}`,
  sent_too_long_ago: () =>
    say`The message was sent more than 24 hours before tracking began, so DingTalk no longer answers; no call was made.`,
  probably_too_many_recipients: () =>
    say`Probably more than 100 recipients: DingTalk answered "Call timeout" until the deadline. It reports on at most 100 a task. Send in batches of 100 and track each task id under one campaign.`,
} satisfies Messages['ends']

const delays = {
  call_rate: () => say`The poll waits for a call: MAX_CALLS_PER_SECOND is reached.`,
  call_budget: (delay) =>
    say`MONTHLY_CALL_BUDGET${when(delay.number('budget'), (budget) => say` (${budget} calls)`)} leaves no call for it${when(delay.text('month'), (month) => say` in ${month}`)}${when(both(delay.number('used'), delay.number('reserved')), ([calls, reserved]) => say`: ${calls} are used, ${reserved} are reserved for final polls`)}. Raise it and restart the workers, or wait for the next month.`,
  paused: (delay) =>
    say`Paused. ${delay.problem() ?? 'The reason is not stored.'}${when(delay.time('until'), (at) => say` The next probe is due at ${at}.`)}`,
  calls_used_up: (delay) =>
    say`The task has used its calls${when(delay.number('calls'), (calls) => say` (${calls})`)} except for those of its final poll.`,
  write_refused: () => say`The database refused the result of a poll. The task is polled again later.`,
  earlier_version: () => say`Delayed by an earlier version.`,
} satisfies Messages['delays']

export const en: Messages = {
  problems,
  ends,
  refused: (problem) => say`DingTalk refused every poll until the deadline. ${problem}`,
  delays,
  notAdmitted:
    'When its polls were planned, MONTHLY_CALL_BUDGET had no call left for its final poll, so none is reserved and it has no ordinary polls. It is polled before its deadline if a call is left then, and once in the next month if that begins first. To serve it now, raise the budget, restart the workers and resume the task: its polls are then planned again.',
  scopes: {
    answer: 'this one answer',
    task: 'this task',
    pair: 'all tasks of the app with this agent id',
    worker: 'one worker',
    app: 'the whole app',
    dingtalk: 'DingTalk as a whole',
  },
  answered: 'DingTalk answered: ',
  happened: 'What happened: ',
  unknown: (code) => `${code} (a code of a newer version)`,
  gap: ' ',
}

function formatAgentId(problem: Fields): Text {
  return when(problem.text('agentId'), (agentId) => say` ${agentId}`)
}

function reason(end: Fields): Text {
  return when(end.because(), (because) => say` Reason: ${because}`)
}

/** For refusals that the hosts of the other region would give. */
function regionHint(problem: Fields): Text {
  return when(
    problem.text('assumedRegion'),
    (region) =>
      say` No region is set (DINGTALK_REGION, or "region" of the app), so "${region}" was assumed: set "cn" where the developer console of the app is at dingtalk.com, "intl" where it is at dingtalk.io.`,
  )
}
