import type { Page } from '../page.ts'
import { type Html, html } from './html.ts'

const EXAMPLE = { taskId: '256271667526', userId: '036632523163121146', campaign: 'payroll-11' }

const TYPESCRIPT = `import { createTracker } from 'dingtalk-delivery-tracker'

const tracker = createTracker({ databaseUrl: process.env.DATABASE_URL })
await tracker.track({
  taskId: '${EXAMPLE.taskId}',
  userIds: ['${EXAMPLE.userId}'],
  campaign: '${EXAMPLE.campaign}',
  sentAt: new Date(),
})
await tracker.close()`

const QUEUE = `await queue.add('track', {
  taskId: '${EXAMPLE.taskId}',
  userIds: ['${EXAMPLE.userId}'],
  campaign: '${EXAMPLE.campaign}',
  sentAt: Date.now(),
})`

const SQL = `SELECT track_delivery(
  task_id => '${EXAMPLE.taskId}',
  user_ids => ARRAY['${EXAMPLE.userId}'],
  campaign => '${EXAMPLE.campaign}',
  sent_at => now());`

const SHELL = `npx dingtalk-delivery track ${EXAMPLE.taskId} \\
  --user ${EXAMPLE.userId} \\
  --campaign ${EXAMPLE.campaign} \\
  --sent-at "$(date +%s000)"`

/** Nothing is tracked yet: a sentence for those who send, and code to copy for those who connect the sending program. */
export function emptyState({ messages }: Page): Html {
  const words = messages.plots.empty
  const example = (title: string, text: string, code: string): Html =>
    html`<li><div class="heading"><h3>${title}</h3><button type="button" class="copy" data-done="${messages.copied}">${messages.copy}</button></div>
<p>${text}</p><pre tabindex="0" role="group" aria-label="${title}"><code>${code}</code></pre></li>`
  return html`<h1>${words.title}</h1>
<p class="lead">${words.lead}</p>
<ul class="share"><li><a href="/#developers"><code class="address">${words.link}</code></a> <button type="button" class="copy" data-done="${messages.copied}">${messages.copy}</button></li></ul>
<div id="developers" class="developers"><h2>${words.developers}</h2>
<p>${messages.empty.lead}</p>
<ol class="ways">
${example(messages.empty.typescript, messages.empty.typescriptText, TYPESCRIPT)}
${example(messages.empty.queue, messages.empty.queueText, QUEUE)}
${example(messages.empty.sql, messages.empty.sqlText, SQL)}
${example(messages.empty.shell, messages.empty.shellText, SHELL)}
</ol></div>
<p class="quiet">${messages.empty.waiting}</p>`
}
