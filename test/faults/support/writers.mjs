// All writers of the store at once, on the same tasks, in orders that chance chooses: `node writers.mjs DATABASE_URL ROUNDS`, on the build.
// It is a process of its own so that a control can take the order of the keys away. Says what went wrong, as JSON.
import { randomInt } from 'node:crypto'
import { createDeliveryStore } from '../../../dist/store/delivery-store.js'
import { keepFigures } from '../../../dist/store/maintenance.js'
import { openDatabase } from '../../../dist/store/prisma.js'
import { createRateLimiter } from '../../../dist/store/rate-limiter.js'
import { createWorkerRegistry } from '../../../dist/store/worker-registry.js'

const [url, rounds] = [process.argv[2], Number(process.argv[3])]
const TASKS = 40
const WRITERS = 2
const AGENT_ID = '100'

const databases = Array.from({ length: WRITERS }, () => openDatabase(url, { max: 4 }))
const errors = []
let stored = 0

for (let round = 0; round < rounds; round++) {
  const work = databases.flatMap((database) => writersOn(database, round))
  const done = await Promise.allSettled(shuffled(work).map((write) => write()))
  errors.push(...done.flatMap((each) => (each.status === 'rejected' ? [String(each.reason)] : [])))
}
await Promise.all(databases.map((database) => database.close()))
process.stdout.write(JSON.stringify({ tasks: TASKS, stored, errors }))

function writersOn(database, round) {
  const store = createDeliveryStore(database)
  const gate = createRateLimiter(database, { agentIdOf: () => AGENT_ID })
  const registry = createWorkerRegistry(database)
  const keys = Array.from({ length: TASKS }, (_, i) => ({ app: `app${i % 3}`, taskId: `${i + 1}` }))
  return [
    () => store.track(shuffled(keys).map((key) => requestOf(key))),
    () => store.schedule(({ sentAt }) => planOf(sentAt), 500),
    () => store.unschedule(shuffled(keys)),
    ...[1, 2].map(() => async () => polls(store, shuffled(keys))),
    async () => {
      const loaded = await Promise.all(shuffled(keys).map((key) => store.load(key)))
      const open = loaded.filter((task) => task !== null && task.status === 'tracking')
      await Promise.all(shuffled(open).map((task) => store.delay(task.key, { pollNo: task.pollNo }, delayOf(task))))
    },
    // Pauses begin and end, and bring tasks forward.
    ...shuffled(keys)
      .slice(0, 6)
      .map((key, i) => () => gate.recordFailure(key, AGENT_ID, pauseOf(i % 2 === 0 ? 'app' : 'pair'))),
    ...shuffled(keys)
      .slice(0, 6)
      .map((key) => () => gate.recordSuccess(key, AGENT_ID, new Date())),
    () => gate.claimProbe('app0', AGENT_ID),
    () => gate.reserve('app0', { ordinary: 3, reserved: 1, forced: 1 }, { callsPerSecond: 100, monthlyBudget: 1_000_000 }),
    () => registry.probeRepaired(shuffled(['app0', 'app1', 'app2']).map((name) => ({ name, agentId: AGENT_ID }))),
    () =>
      registry.heartbeat(
        { workerId: `w${round % 3}`, startedAt: new Date(), apps: ['app0'], problems: {} },
        round % 2 === 0 ? 1_000 : -7_200_000,
      ),
    () => keepFigures(database),
    () => store.overdue(new Date(), 500, null),
    () => store.cancel(keys[round % TASKS]),
    () => erase(database, round),
  ]
}

/** As whoever cleans up: some tasks with all that hangs on them, in the order of their keys. */
async function erase({ pool }, round) {
  await pool.query(
    `DELETE FROM delivery_task WHERE id IN (
       SELECT id FROM delivery_task WHERE task_id::int % 10 = $1 ORDER BY app COLLATE "C", task_id COLLATE "C" FOR UPDATE
     )`,
    [round % 10],
  )
}

async function polls(store, keys) {
  const loaded = await Promise.all(keys.map((key) => store.load(key)))
  const open = loaded.filter((task) => task !== null && task.status === 'tracking')
  const written = await Promise.all(shuffled(open).map((task) => store.apply(lookAt(task))))
  stored += written.filter((each) => each === 'stored').length
}

function requestOf(key) {
  return { ...key, agentId: null, campaign: `campaign ${randomInt(3)}`, sentAt: new Date(), userIds: shuffled(['a', 'b', 'c', 'd', 'e']) }
}

function planOf(sentAt) {
  return {
    deadlineAt: new Date(sentAt.getTime() + 86_400_000),
    first: { at: new Date(), last: false },
    pollOffsetsMs: [60_000, 86_000_000],
  }
}

/**
 * One failed poll that is enough.
 * @returns {import('../../../dist/domain/plan-failed.js').ScopeFailure}
 */
function pauseOf(kind) {
  const detail = { said: '1', message: 'no', scope: kind, requestId: null, agentId: AGENT_ID, ip: null }
  /** @type {import('../../../dist/domain/problems.js').Problem} */
  const problem = { code: kind === 'app' ? 'permission' : 'agent_id', detail }
  return { kind, problem, requestedAt: new Date(), agreement: { polls: 1, tasks: 1 }, probeDelaysMs: [60_000], until: null }
}

/** @returns {import('../../../dist/polling/ports.js').Delay} */
function delayOf(task) {
  const { problem, failuresInRow, calls, finalCalls } = task
  return { nextPollAt: new Date(Date.now() + 60_000), reason: pausedReason(task), problem, failuresInRow, calls, finalCalls }
}

/**
 * Some wait for what may be lifted meanwhile.
 * @returns {import('../../../dist/domain/reasons.js').DelayReason}
 */
function pausedReason({ key }) {
  if (Number(key.taskId) % 2 === 0) return { code: 'call_rate', detail: null }
  const detail = { said: '1', message: 'no', requestId: null, agentId: AGENT_ID, ip: null, until: new Date().toISOString() }
  const isApp = Number(key.taskId) % 3 === 0
  return { code: 'paused', detail: { ...detail, scope: isApp ? 'app' : 'pair', problem: isApp ? 'permission' : 'agent_id' } }
}

/** One more person has read, whoever is first by chance; what else a poll changes is written as well. */
function lookAt(task) {
  const now = new Date()
  const [reader, ...others] = shuffled(task.recipients)
  const state = { kind: 'read', lastUnreadAt: task.sentAt, firstReadAt: now }
  const changed = [{ ...reader, firstSeenAt: now, state }, ...others.map((each) => ({ ...each, firstSeenAt: now }))]
  const read = task.recipients.filter((each) => each.state.kind === 'read' || each === reader).length
  return {
    key: task.key,
    expected: { pollNo: task.pollNo, erasureNo: task.erasureNo },
    task: {
      status: 'tracking',
      reason: null,
      nextPollAt: now,
      lastGoodRequestedAt: now,
      lastObservedAt: now,
      goodPolls: task.goodPolls + 1,
      failuresInRow: 0,
      calls: task.calls + 1,
      finalCalls: task.finalCalls,
      problem: null,
      delay: null,
      listedFingerprint: null,
      listedSince: null,
      counts: { pending: task.recipients.length - read, invalid: 0, failed: 0, forbidden: 0, unread: 0, read },
    },
    poll: {
      pollNo: task.pollNo + 1,
      dueAt: now,
      requestedAt: now,
      respondedAt: now,
      outcome: 'observed',
      code: '0',
      message: null,
      requestId: null,
      anomalies: 0,
      problemCode: null,
      scope: null,
      calls: 1,
    },
    changed,
    transitions:
      reader?.state.kind === 'read' ? [] : [{ userId: reader.userId, from: 'pending', to: 'read', afterAt: task.sentAt, at: now }],
    next: { kind: 'snooze', until: { at: now, last: false } },
    evidence: { kind: 'none' },
  }
}

function shuffled(items) {
  return items
    .map((item) => ({ item, lot: randomInt(2 ** 32) }))
    .sort((a, b) => a.lot - b.lot)
    .map(({ item }) => item)
}
