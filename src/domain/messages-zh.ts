import { both, type Fields, isUnanswered, type Messages, permissionIn, say, type Text, when } from './message-parts.ts'
import { CERTIFICATE_CODES, PROXY_CODES } from './problems.ts'

const AGAIN = '系统会自动再次查询。'
const RESUME = '然后用 npx dingtalk-delivery resume 立即查询，或等待下一次探测。'

const PROXY_CHECK = '请检查 HTTPS_PROXY（或 HTTP_PROXY）以及代理是否在运行；NO_PROXY 中的主机不经过代理。'
/** By the code of what happened. */
const PROXY_REMEDIES: Readonly<Record<string, string>> = {
  [PROXY_CODES.login]: '请在 HTTPS_PROXY（或 HTTP_PROXY）中给出代理的用户名和密码：http://用户名:密码@主机:端口，特殊字符按 URL 转义。',
  [PROXY_CODES.refused]: '请让代理管理员允许对钉钉域名 443 端口的 CONNECT；如果可以直接访问，请把这些域名写入 NO_PROXY。',
  [PROXY_CODES.unknownCa]: '代理的证书由贵公司自己的证书颁发机构签发：请把 NODE_EXTRA_CA_CERTS 设为该机构证书（PEM）的文件路径。',
}

const problems = {
  no_result: {
    title: () => say`钉钉的回答中没有结果。`,
    remedy: () => say`无需处理：钉钉可能仍在发送。${AGAIN}`,
  },
  unknown_code: {
    title: (problem) => say`钉钉返回了未知的错误码${when(problem.text('said'), (said) => say`：${said}`)}。`,
    remedy: () => say`请在钉钉文档中查询该错误码，或凭请求编号联系钉钉支持。${AGAIN}`,
  },
  parameters: {
    title: (problem) => say`钉钉拒绝了任务 ID 或 agent id${formatAgentId(problem)}。`,
    remedy: () =>
      say`请核对任务 ID 与 agent id 是否对应，以及任务是否由此应用发送。请用正确的 agent id 重新追踪该任务，或修改 DINGTALK_AGENT_ID 并重启 worker；${RESUME}`,
  },
  call_timeout: {
    title: () => say`钉钉对这个任务返回“调用超时”。`,
    remedy: () => say`钉钉每个任务最多报告 100 名收件人。如果超过此数，请按 100 人一批发送，并把各任务 ID 归入同一次群发。${AGAIN}`,
  },
  agent_id: {
    title: (problem) => say`钉钉不接受此应用使用 agent id${formatAgentId(problem)}。`,
    remedy: (problem) =>
      say`请核对 agent id${formatAgentId(problem)}（DINGTALK_AGENT_ID、DINGTALK_APPS_FILE 中的 agentId，或追踪任务时提供的 agentId）是否属于发送该消息的应用。请用正确的 agent id 重新追踪该任务，或修改配置并重启 worker；${RESUME}`,
  },
  no_agent_id: {
    title: () => say`任务和应用都没有 agent id，因此没有发起调用。`,
    remedy: () => say`请设置 DINGTALK_AGENT_ID（或 DINGTALK_APPS_FILE 中的 agentId）并重启 worker，或带上 agentId 重新追踪该任务。`,
  },
  token_refused: {
    title: () => say`钉钉拒绝了新取得的访问令牌。`,
    remedy: (problem) =>
      say`请核对 app key、app secret、DINGTALK_REGION 与域名是否对应，或更换 DINGTALK_ACCESS_TOKEN；然后重启 worker。${regionHint(problem)}`,
  },
  credentials: {
    title: () => say`钉钉拒绝了应用的凭证。`,
    remedy: (problem) =>
      say`请在开发者后台核对此 worker 的 app key 与 app secret（DINGTALK_APP_KEY、DINGTALK_APP_SECRET，或 DINGTALK_APPS_FILE）；然后重启 worker。${regionHint(problem)}`,
  },
  third_party: {
    title: () => say`钉钉拒绝了第三方应用。`,
    remedy: (problem) => say`请检查 suite key、suite secret、suite ticket，以及企业是否仍在授权该应用。${regionHint(problem)}`,
  },
  ip_not_allowed: {
    title: (problem) => say`钉钉不允许来自${problem.text('ip') === null ? '此 worker 的地址' : ` ${problem.text('ip')} `}的调用。`,
    remedy: (problem) =>
      say`请在开发者后台把${problem.text('ip') === null ? '此 worker 所在网络的出口 IP' : ` ${problem.text('ip')} `}加入应用的 IP 白名单；${RESUME}`,
  },
  private_address: {
    title: () => say`钉钉的域名指向内网地址，因此没有发送任何内容。`,
    remedy: () =>
      say`请检查域名服务器以及 DINGTALK_OAPI_URL、DINGTALK_API_URL。如果它是您自己的网关，请把其名称写入 DINGTALK_PRIVATE_HOSTS；然后重启 worker。`,
  },
  proxy: {
    title: () => say`出口代理无法连通钉钉，因此没有发送任何内容。`,
    remedy: (problem) => say`${PROXY_REMEDIES[problem.text('said') ?? ''] ?? PROXY_CHECK}修改后请重启 worker。${AGAIN}`,
  },
  certificate: {
    title: () => say`钉钉域名的证书不被信任，因此没有发送任何内容。`,
    remedy: (problem) =>
      problem.text('said') === CERTIFICATE_CODES.invalid
        ? say`请检查本机时钟，以及代替钉钉应答的是什么：检查 TLS 的代理，或 DINGTALK_OAPI_URL、DINGTALK_API_URL 所指的主机。${AGAIN}`
        : say`检查 TLS 的代理或网关使用了贵公司自己的证书颁发机构：请把 NODE_EXTRA_CA_CERTS 设为该机构证书（PEM）的文件路径，然后重启 worker。${AGAIN}`,
  },
  unknown_app: {
    title: () => say`某个 worker 不认识这个应用，因此没有发起调用。`,
    remedy: () => say`请把该应用加入每个 worker 的 DINGTALK_APPS_FILE 并重启，或在已有的应用下追踪该任务。`,
  },
  permission: {
    title: (problem) => say`应用缺少权限 ${permissionIn(problem)}。`,
    remedy: (problem) => say`请在开发者后台为应用开通权限 ${permissionIn(problem)}；${RESUME}`,
  },
  wrong_path: {
    title: () => say`所配置的地址不提供 getsendresult。`,
    remedy: (problem) =>
      say`请检查 DINGTALK_OAPI_URL 与 DINGTALK_REGION：它们决定 getsendresult 的域名。然后重启 worker。${regionHint(problem)}`,
  },
  rate_limit: {
    title: () => say`钉钉要求降低调用频率。`,
    remedy: () => say`无需处理，会自动恢复。若经常发生，请调低 MAX_CALLS_PER_SECOND。`,
  },
  quota: {
    title: () => say`企业本月的调用次数已用完。`,
    remedy: () =>
      say`请向钉钉购买调用次数，然后运行 npx dingtalk-delivery resume --app NAME；或等到下个月。系统每小时用一次调用自动探测。减少每个任务的查询次数（POLLS_PER_TASK）可以节省调用。`,
  },
  outage: {
    title: (problem) => (isUnanswered(problem) ? say`无法连接钉钉。` : say`钉钉或途中的设备没有给出可用的回答。`),
    remedy: (problem) =>
      isUnanswered(problem)
        ? say`请检查 worker 能否连接钉钉的域名：域名服务器、防火墙、HTTPS_PROXY。${AGAIN}`
        : say`如果是钉钉发生故障，无需处理。若持续不断，请检查是什么在代替钉钉回答，例如代理。${AGAIN}`,
  },
} satisfies Messages['problems']

const ends = {
  all_read: () => say`所有收件人均已读。`,
  all_accounted_for: (end) =>
    say`所有能够送达的人均已读${when(both(end.number('read'), end.number('unreachable')), ([read, not]) => say`：已读 ${read} 人，未送达 ${not} 人`)}。`,
  cancelled: () => say`已按要求结束追踪。`,
  window_over: () => say`24 小时已过。未读者的状态以最后一次成功的查询为准。`,
  window_closed_early: (end) =>
    say`钉钉${when(end.time('refusedSince'), (at) => say`自 ${at} 起`)}不再回答这个任务，早于此处的截止时间：它的 24 小时已过。${when(both(end.time('sentAfter'), end.time('sentBefore')), ([after, before]) => say`因此消息发送于 ${after} 之后、${before} 或之前。`)}未读者的状态以最后一次成功的查询为准。`,
  blind_before_deadline: (end) =>
    say`从最后一次成功的查询${when(end.time('lastObservedAt'), (at) => say`（${at}）`)}到截止之间的情况不明。${reason(end)}`,
  never_observed: (end) => say`截止前没有一次查询成功。${reason(end)}`,
  sent_too_long_ago: () => say`开始追踪时消息已发送超过 24 小时，钉钉不再回答，因此没有发起调用。`,
  probably_too_many_recipients: () =>
    say`收件人很可能超过 100 人：钉钉直到截止都返回“调用超时”。钉钉每个任务最多报告 100 人。请按 100 人一批发送，并把各任务 ID 归入同一次群发。`,
} satisfies Messages['ends']

const delays = {
  call_rate: () => say`查询正在排队：已达到 MAX_CALLS_PER_SECOND。`,
  call_budget: (delay) =>
    say`${when(delay.text('month'), (month) => say`${month} 的 `)}MONTHLY_CALL_BUDGET${when(delay.number('budget'), (budget) => say`（${budget} 次）`)}已没有可用的调用${when(both(delay.number('used'), delay.number('reserved')), ([calls, reserved]) => say`：已用 ${calls} 次，为最后一次查询预留 ${reserved} 次`)}。请调高预算并重启 worker，或等到下个月。`,
  paused: (delay) => say`已暂停。${delay.problem() ?? '原因没有记录。'}${when(delay.time('until'), (at) => say`下一次探测时间：${at}。`)}`,
  calls_used_up: (delay) =>
    say`这个任务的调用${when(delay.number('calls'), (calls) => say`（${calls} 次）`)}已用完，只留下最后一次查询的调用。`,
  write_refused: () => say`数据库拒绝写入查询的结果。该任务稍后会再次查询。`,
  earlier_version: () => say`由早期版本推迟。`,
} satisfies Messages['delays']

export const zh: Messages = {
  problems,
  ends,
  refused: (problem) => say`钉钉直到截止都拒绝查询。${problem}`,
  delays,
  notAdmitted:
    '安排查询时，MONTHLY_CALL_BUDGET 已没有可用于最后一次查询的调用，因此没有为它预留，也不做普通查询。若截止前还有剩余调用，会查询一次；若下个月先开始，则在下个月查询。要立即处理：调高预算、重启 worker，然后恢复该任务，查询会重新安排。',
  scopes: {
    answer: '仅这一次回答',
    task: '这个任务',
    pair: '该应用中使用此 agent id 的所有任务',
    worker: '一个 worker',
    app: '整个应用',
    dingtalk: '整个钉钉',
  },
  answered: '钉钉返回：',
  happened: '发生的情况：',
  unknown: (code) => `${code}（更新版本的代码）`,
  gap: '',
}

function formatAgentId(problem: Fields): Text {
  return when(problem.text('agentId'), (agentId) => say` ${agentId} `)
}

function reason(end: Fields): Text {
  return when(end.because(), (because) => say`原因：${because}`)
}

/** For refusals that the hosts of the other region would give. */
function regionHint(problem: Fields): Text {
  return when(
    problem.text('assumedRegion'),
    (region) =>
      say`未设置区域（DINGTALK_REGION，或应用的 region），因此假定为 ${region}：应用的开发者后台在 dingtalk.com 时请设为 cn，在 dingtalk.io 时请设为 intl。`,
  )
}
