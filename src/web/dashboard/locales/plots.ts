import { type Html, html } from '../components/html.ts'

/** Texts of the read curve, of times, of the overview's filter, and of what can be done about a task. */
export const plotsEn = {
  relative: { justNow: 'just now', soon: 'in a moment' },
  curve: {
    sent: 'sent',
    unknown: 'not known: after the last poll',
    atSend: 'At the send: 0 had read',
    at: (when: string, read: string, delivered: string, rate: string): string =>
      `${when} after the send: ${read} of ${delivered} known to have read (${rate})`,
    later: (read: string, delivered: string): string =>
      `Since the last successful poll: at least ${read} of ${delivered}; later reads are not known`,
    hint: 'Point at the curve or touch it, or use the keys ← and →.',
    readout: 'Values of the read curve',
  },
  asOf: {
    unread: (time: Html): Html => html`Unread as of ${time}; later reads are not known.`,
    unreadShort: (time: Html): Html => html`Unread as of ${time}.`,
    pending: (time: Html): Html => html`As of ${time}.`,
    pendingShort: (time: Html): Html => html`Pending as of ${time}.`,
    others: 'Where another time holds, it stands in the row.',
    figures: (time: Html, distance: Html): Html => html`All figures as of ${time} (${distance}).`,
  },
  story: {
    run: (polls: string, state: string): string => `${polls} polls, still: ${state}`,
    failed: (polls: string): string => `${polls} of them failed`,
    until: (from: Html, to: Html): Html => html`${from} to ${to}`,
  },
  overview: {
    notice: (problems: number): string =>
      problems === 1
        ? 'There is a problem, so some figures may come later.'
        : `There are ${problems} problems, so some figures may come later.`,
    noticeLink: 'What is wrong',
    sentFrom: 'Sent from',
    sentTo: 'to',
    searchLabel: 'Campaign, task id, name or user id',
    noneInPeriod: 'Nothing was sent in this time.',
  },
  actions: {
    title: 'What can be done',
    agentId: 'Correct the agent id of this task',
    agentIdLabel: 'Agent id',
    agentIdSubmit: 'Save and poll now',
    agentIdForAll:
      'Where it is wrong for all tasks, correct DINGTALK_AGENT_ID (or agentId in DINGTALK_APPS_FILE), and restart the workers.',
    over: 'The 24 hours are over, so this task can no longer be polled. So that the next one is not lost as well:',
    ask: 'You may only read here. Send the address of this page to an administrator of this tracker (a sign-in with the role “write”).',
  },
  empty: {
    title: 'Nothing is tracked yet',
    lead: 'Ask your developers to connect the program that sends your notices to this tracker, and send them this link:',
    link: 'the address of this page',
    developers: 'For developers',
  },
  timeToRead: {
    footnote: '* An estimate over tasks that were polled at different times, by Turnbull’s method; so is the mark in a bar.',
  },
}

export const plotsZh: typeof plotsEn = {
  relative: { justNow: '刚刚', soon: '即将' },
  curve: {
    sent: '发送',
    unknown: '情况不明：最近一次查询之后',
    atSend: '发送时：0 人已读',
    at: (when, read, delivered, rate) => `发送后 ${when}：送达 ${delivered} 人，已知 ${read} 人已读（${rate}）`,
    later: (read, delivered) => `最近一次有效查询之后：送达 ${delivered} 人，至少 ${read} 人已读；此后的情况不明`,
    hint: '将鼠标移到曲线上、触摸曲线，或使用 ← → 键，可查看各时刻的数值。',
    readout: '已读走势的数值',
  },
  asOf: {
    unread: (time) => html`截至 ${time} 未读；此后的情况不明。`,
    unreadShort: (time) => html`未读截至 ${time}。`,
    pending: (time) => html`截至 ${time}。`,
    pendingShort: (time) => html`待确认截至 ${time}。`,
    others: '时间不同的，见各行。',
    figures: (time, distance) => html`以下数据截至 ${time}（${distance}）。`,
  },
  story: {
    run: (polls, state) => `${polls} 次查询，仍为${state}`,
    failed: (polls) => `其中 ${polls} 次失败`,
    until: (from, to) => html`${from} 至 ${to}`,
  },
  overview: {
    notice: (problems) => (problems === 1 ? '有 1 个问题，部分数据可能更新较晚。' : `有 ${problems} 个问题，部分数据可能更新较晚。`),
    noticeLink: '查看问题',
    sentFrom: '发送日期',
    sentTo: '至',
    searchLabel: '群发名称、任务 ID、姓名或 userid',
    noneInPeriod: '这段时间内没有发送。',
  },
  actions: {
    title: '可以这样处理',
    agentId: '更正此任务的 agent id',
    agentIdLabel: 'agent id',
    agentIdSubmit: '保存并立即查询',
    agentIdForAll: '如果所有任务的 agent id 都不正确，请修改 DINGTALK_AGENT_ID（或 DINGTALK_APPS_FILE 中的 agentId），然后重启 worker。',
    over: '24 小时已过，此任务无法再查询。为避免下一个任务也出现同样的情况：',
    ask: '您只有查看权限。请把本页的地址发给本系统的管理员（以 write 角色登录）处理。',
  },
  empty: {
    title: '还没有群发记录',
    lead: '请联系开发人员，把发送通知的程序接入本系统，并把这个链接发给他们：',
    link: '本页的地址',
    developers: '开发人员请看这里',
  },
  timeToRead: {
    footnote: '* 对查询时间不同的任务合并所作的估计（Turnbull 方法）；条中的竖线也是如此。',
  },
}
