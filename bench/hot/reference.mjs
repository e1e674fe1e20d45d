/**
 * What the tracker is compared with, each in a process of its own:
 *
 * - ceiling: BullMQ's timer, the same HTTP call, the answer parsed, the timer set again. Nothing is stored.
 * - naive: the same, and a Prisma upsert for each recipient and poll, then the task.
 * - cron: no queue. One open task after another: its people are read, asked for, and those who changed are updated.
 *
 * The arguments are the kind, the URL of DingTalk, the database or '', the queue's URL and name, and the concurrency. `cron` polls all open tasks
 * once for each message that it gets.
 */
import { DelayedError } from 'bullmq'
import { Agent, request } from 'undici'
import { openWorker } from '../../dist/queue/connection.js'
import { openDatabase } from '../../dist/store/prisma.js'

const [, , kind, dingtalkUrl, databaseUrl, queueUrl, queueName, concurrency] = process.argv
const AGAIN_MS = 3_600_000
const dispatcher = new Agent({})
const database = databaseUrl === '' ? null : openDatabase(databaseUrl, { max: 3 })

/** Whom DingTalk lists, each with a state. */
async function callDingTalk(taskId) {
  const { body } = await request(`${dingtalkUrl}/topapi/message/corpconversation/getsendresult`, {
    dispatcher,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded;charset=utf-8' },
    body: new URLSearchParams({ access_token: 'token', agent_id: '836390886', task_id: taskId }).toString(),
  })
  const { send_result: result } = JSON.parse(await body.text())
  return [
    ...result.read_user_id_list.map((userId) => ({ userId, state: 'read' })),
    ...result.unread_user_id_list.map((userId) => ({ userId, state: 'unread' })),
  ]
}

async function upsertAll(taskId) {
  const listed = await callDingTalk(taskId)
  const { id } = await database.prisma.task.findFirstOrThrow({ where: { taskId } })
  const now = new Date()
  for (const { userId, state } of listed) {
    const firstReadAt = state === 'read' ? now : null
    await database.prisma.recipient.upsert({
      where: { taskPk_userId: { taskPk: id, userId } },
      create: { taskPk: id, userId, named: false, state, firstSeenAt: now, firstReadAt },
      update: { state, firstReadAt },
    })
  }
  await updateTask(id, listed, now)
}

async function pollAll() {
  for (const { id, taskId } of await database.prisma.task.findMany({ where: { status: 'tracking' }, orderBy: { id: 'asc' } })) {
    const recipients = await database.prisma.recipient.findMany({ where: { taskPk: id } })
    const known = new Map(recipients.map(({ userId, state }) => [userId, state]))
    const listed = await callDingTalk(taskId)
    const now = new Date()
    for (const { userId, state } of listed.filter((person) => known.get(person.userId) !== person.state)) {
      await database.prisma.recipient.update({
        where: { taskPk_userId: { taskPk: id, userId } },
        data: { state, firstReadAt: state === 'read' ? now : null },
      })
    }
    await updateTask(id, listed, now)
  }
}

async function updateTask(id, listed, now) {
  const read = listed.filter(({ state }) => state === 'read').length
  const counts = { read, unread: listed.length - read, pending: 0 }
  await database.prisma.task.update({ where: { id }, data: { pollNo: { increment: 1 }, lastObservedAt: now, ...counts } })
}

if (kind === 'cron') {
  process.on('message', () => void pollAll().then(() => process.send('done')))
} else {
  const work = kind === 'naive' ? upsertAll : callDingTalk
  const processJob = async (job, token) => {
    await work(job.data.taskId)
    await job.moveToDelayed(Date.now() + AGAIN_MS, token)
    throw new DelayedError()
  }
  const options = { concurrency: Number(concurrency), removeOnComplete: { count: 0 }, maxStalledCount: 1_000_000 }
  openWorker({ url: queueUrl, name: queueName, prefix: 'bull' }, processJob, options, (error) => console.error(error))
}
process.on('disconnect', () => process.exit())
process.send('ready')
