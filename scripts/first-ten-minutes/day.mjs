// Copied into an app that has installed the package: one simulated day, with what the package exports and nothing else.
// `node day.mjs import` or `node day.mjs require`, with DATABASE_URL and, for a queue of its own, QUEUE_URL. The last line is JSON: the figures.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'

const PACKAGE = 'dingtalk-delivery-tracker'
/** A day in twenty seconds. */
const TIME_SCALE = 4_320
const CAMPAIGN = 'payroll-11'
const AGENT_ID = '836390886'
/** Their ids decide what they do: docs/simulator.md. None reads near the end of the day, so the figures are known beforehand. */
const NOTIFICATIONS = [
  ['ann-fast', 'ben-fast', 'cat-never', 'dan-invalid', 'eve-failed'],
  ['ann-fast', 'fay-fast'],
]

const format = process.argv[2] === 'require' ? 'require' : 'import'
const requireHere = createRequire(import.meta.url)
const load = (entry) => (format === 'require' ? requireHere(PACKAGE + entry) : import(PACKAGE + entry))
const { DATABASE_URL: databaseUrl, QUEUE_URL: queueUrl } = process.env

const { createTracker, TrackerError, InvalidInputError } = await load('')
const loaded = format === 'require' ? Object.keys(requireHere.cache).filter((file) => /[\\/](undici|prisma)[\\/]/.test(file)) : []
assert.deepEqual(loaded, [], 'the sender loads neither Prisma nor undici')
const [{ createRates }, { createWorker }, { startSimulator }] = await Promise.all(['/rates', '/worker', '/simulator'].map(load))

const simulator = await startSimulator({ timeScale: TIME_SCALE, callsPerSecond: 400 })
const trackers = [{ databaseUrl }, { queueUrl: queueUrl ?? databaseUrl }].map(createTracker)
const rates = createRates({ databaseUrl })
const worker = createWorker({ databaseUrl, ...(queueUrl && { queueUrl }), apps: [app(simulator.url)], timeScale: TIME_SCALE })
try {
  await worker.ready
  const sent = await Promise.all(NOTIFICATIONS.map((userIds, index) => send(simulator.url, userIds, `text ${index}`)))
  // One through the database, one through the queue.
  await Promise.all(sent.map((task, index) => track(trackers[index], { ...task, campaign: CAMPAIGN })))
  await sameErrors()
  const tasks = await Promise.all(sent.map(({ taskId }) => ended(taskId)))
  await Promise.all(sent.map(({ taskId }) => asTheSimulatorKnows(taskId)))
  const { targeted, delivered, read, unread, invalid, failed, readRate } = await rates.campaign(CAMPAIGN)
  const figures = { targeted, delivered, read, unread, invalid, failed, readRate }
  assert.deepEqual(figures, { targeted: 6, delivered: 4, read: 3, unread: 1, invalid: 1, failed: 1, readRate: 0.75 })
  assert.deepEqual(tasks, ['expired', 'complete'])
  assert.match(await worker.metrics(), /dingtalk_delivery_polls_total/)
  assert.equal((await worker.health()).ok, true)
  process.stdout.write(`${JSON.stringify({ format, node: process.version, figures })}\n`)
} finally {
  await Promise.all([worker.close(), rates.close(), ...trackers.map((tracker) => tracker.close())])
  await simulator.close()
}

function app(url) {
  const credentials = { kind: 'internal', appKey: 'sim-app-key', appSecret: 'sim-app-secret', endpoint: 'new' }
  return { agentId: AGENT_ID, credentials, oapiUrl: url, apiUrl: url, callsPerSecond: 200 }
}

/** On a busy machine the two seconds of a call may pass: then a sender tracks the task again. */
async function track(tracker, task, attempts = 20) {
  const failure = await tracker.track(task).then(
    () => null,
    (error) => error,
  )
  if (failure === null) return
  if (!failure.retryable || attempts === 1) throw failure
  await track(tracker, task, attempts - 1)
}

/** As a sender does it: a token, then asyncsend_v2. */
async function send(url, userIds, content) {
  const { accessToken } = await post(`${url}/v1.0/oauth2/accessToken`, { appKey: 'sim-app-key', appSecret: 'sim-app-secret' })
  const sentAt = new Date()
  const answer = await post(`${url}/topapi/message/corpconversation/asyncsend_v2?access_token=${accessToken}`, {
    agent_id: AGENT_ID,
    userid_list: userIds.join(),
    msg: { msgtype: 'text', text: { content } },
  })
  assert.equal(answer.errcode, 0)
  return { taskId: String(answer.task_id), userIds, sentAt }
}

/** @returns {Promise<any>} */
async function post(url, body) {
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  return answer.json()
}

/** The errors of one format are those of the other, of the rates and of the tracker. */
async function sameErrors() {
  const other = format === 'require' ? await import(PACKAGE) : requireHere(PACKAGE)
  const error = await rates.campaign('no such campaign').then(
    () => assert.fail('the campaign exists'),
    (reason) => reason,
  )
  assert.ok(error instanceof TrackerError && error instanceof other.TrackerError && !(error instanceof InvalidInputError))
  const wrong = await other
    .createTracker({ databaseUrl })
    .track({ taskId: 'x' })
    .catch((reason) => reason)
  assert.ok(wrong instanceof InvalidInputError && wrong instanceof TrackerError)
}

/** A task that came through the queue is not there at once. */
async function ended(taskId) {
  const deadline = performance.now() + 120_000
  for (;;) {
    const task = await rates.task(taskId).catch((error) => {
      if (error.code === 'TASK_NOT_FOUND') return { status: 'waiting' }
      throw error
    })
    if (!['waiting', 'tracking'].includes(task.status)) return task.status
    if (performance.now() > deadline) assert.fail(`task ${taskId} is ${task.status} after two minutes of a day of ${86_400 / TIME_SCALE} s`)
    await sleep(200)
  }
}

async function asTheSimulatorKnows(taskId) {
  const truth = simulator.truth(taskId).recipients.map(({ userId, fate }) => [userId, fate === 'never' ? 'unread' : fate])
  const found = (await rates.recipients(taskId)).map(({ userId, state }) => [userId, state])
  assert.deepEqual(
    found,
    truth.toSorted(([a], [b]) => (a < b ? -1 : 1)),
  )
}
