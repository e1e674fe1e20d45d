import type { View } from '../view.ts'
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

/** Nothing is tracked yet: how to begin, with code to copy. */
export function emptyState({ words }: View): Html {
  const door = (title: string, text: string, code: string): Html =>
    html`<li><div class="heading"><h2>${title}</h2><button type="button" class="copy" data-done="${words.copied}">${words.copy}</button></div>
<p>${text}</p><pre tabindex="0" role="group" aria-label="${title}"><code>${code}</code></pre></li>`
  return html`<h1>${words.empty.title}</h1>
<p class="lead">${words.empty.lead}</p>
<ol class="ways">
${door(words.empty.typescript, words.empty.typescriptText, TYPESCRIPT)}
${door(words.empty.queue, words.empty.queueText, QUEUE)}
${door(words.empty.sql, words.empty.sqlText, SQL)}
${door(words.empty.shell, words.empty.shellText, SHELL)}
</ol>
<p class="quiet">${words.empty.waiting}</p>`
}
