// Writes the pictures of the overview and of a campaign in docs/images: the campaigns of the demo in a database of a working day, served from
// dist/, and the system's Chromium. A part of `npm run pictures`, which checks the fonts and the sizes; CHROMIUM_PATH says where the browser is.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'

const root = join(import.meta.dirname, '..')
const dist = (path) => import(join(root, 'dist', path))
const images = join(root, 'docs', 'images')
const HOUR_MS = 3_600_000
const WIDTH = 1_200

const [{ startEmbeddedPostgres }, { migrate }, { openDatabase }, { createDeliveryStore }, core] = await Promise.all([
  dist('embedded/postgres.js'),
  dist('store/migrate.js'),
  dist('store/prisma.js'),
  dist('store/delivery-store.js'),
  Promise.all(
    [
      'domain/plan.js',
      'domain/answer.js',
      'domain/poll-times.js',
      'simulator/fate.js',
      'simulator/settings.js',
      'cli/demo/scenario.js',
      'app/people.js',
    ].map(dist),
  ).then((modules) => Object.assign({}, ...modules)),
])
const timing = core.buildTiming(24)

/** How long ago each campaign of the demo was sent: one is in its morning, one is over, one has just begun. */
const HOURS_AGO = [5.4, 27.2, 1.8]

const directory = mkdtempSync(join(tmpdir(), 'dingtalk-delivery-pictures-'))
const postgres = await startEmbeddedPostgres({ directory, durable: false })
try {
  await migrate(postgres.url)
  await core.withPeople(postgres.url, 'default', (people) => people.write(core.demoPeople(), {}))
  const campaign = await fill(postgres.url)
  await withServer(postgres.url, (url) => takePictures(url, campaign))
} finally {
  await postgres.close()
  rmSync(directory, { recursive: true, force: true })
}

/** Every poll of every task until now, through the real plan and store; people behave as the simulator's do. Returns the campaign that is in its morning. */
async function fill(databaseUrl) {
  const database = openDatabase(databaseUrl)
  const store = createDeliveryStore(database)
  const now = Date.now()
  const notifications = core.demoNotifications()
  const names = [...new Set(notifications.map(({ campaign }) => campaign))]
  const tasks = notifications.map((notification, i) => {
    const sentAt = new Date(now - HOURS_AGO[names.indexOf(notification.campaign)] * HOUR_MS + i * 20_000)
    return { ...notification, taskId: String(256_271_667_526 + i * 7_919), sentAt }
  })
  for (const task of tasks) await live(store, database, task, now)
  await database.pool.query(
    `INSERT INTO delivery_app (app, calls_month, calls_used)
     SELECT 'default', to_char(now() AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM'), count(*) FROM delivery_poll
     ON CONFLICT (app) DO UPDATE SET calls_month = excluded.calls_month, calls_used = excluded.calls_used`,
  )
  await database.close()
  return names[0]
}

async function live(store, database, { taskId, campaign, userIds, recipientsKnown, sentAt }, now) {
  const key = { app: 'default', taskId }
  const draft = { seed: 7, taskId, sentAt: sentAt.getTime(), timeScale: 1, laws: core.DEFAULT_LAWS }
  const people = userIds.map((userId) => core.drawPerson({ ...draft, userId }))
  await store.track([{ ...key, agentId: '836390886', userIds: recipientsKnown ? userIds : null, campaign, sentAt }])
  await database.pool.query('UPDATE delivery_task SET tracked_at = sent_at WHERE task_id = $1', [taskId])
  await store.schedule((task) => core.planStart(task, sentAt, timing), 1)
  for (;;) {
    const task = await store.load(key)
    if (task === null || task.status !== 'tracking' || task.nextPollAt.getTime() > now) return
    const requestedAt = task.nextPollAt
    const respondedAt = new Date(requestedAt.getTime() + 640)
    if (core.isOver(task, requestedAt)) {
      await store.end(key, { pollNo: task.pollNo }, core.planExpiry(task, timing, null))
      return
    }
    // Some polls fail, as they do.
    const body =
      (Number(taskId) + task.pollNo * 17) % 31 === 3 ? { errcode: -1, errmsg: '系统繁忙' } : answerOf(people, requestedAt.getTime())
    await store.apply(core.planPoll(task, core.parseAnswer(body, { requestedAt, respondedAt }), 1, respondedAt, timing))
  }
}

function answerOf(people, at) {
  const ids = (isIn) => people.filter((person) => person.processedAt <= at && isIn(person)).map(({ userId }) => userId)
  return {
    errcode: 0,
    send_result: {
      read_user_id_list: ids(({ readAt }) => readAt <= at),
      unread_user_id_list: ids(({ fate, readAt }) => (fate === 'read' || fate === 'never') && readAt > at),
      failed_user_id_list: ids(({ fate }) => fate === 'failed'),
      invalid_user_id_list: ids(({ fate }) => fate === 'invalid'),
      forbidden_list: people.filter(({ fate }) => fate === 'forbidden').map(({ userId, forbidden }) => ({ userid: userId, ...forbidden })),
    },
  }
}

/** Runs `dingtalk-delivery serve` for as long as `use` takes. */
async function withServer(databaseUrl, use) {
  const server = spawn(process.execPath, [join(root, 'dist', 'cli', 'main.js'), 'serve'], {
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: databaseUrl,
      PORT: '0',
      DINGTALK_APP_KEY: 'demo-app-key',
      DINGTALK_APP_SECRET: 'demo-app-secret',
      MONTHLY_CALL_BUDGET: '5000',
      LOG_LEVEL: 'error',
    },
    stdio: ['ignore', 'inherit', 'pipe'],
  })
  const ended = once(server, 'exit')
  try {
    await use(await addressOf(server))
  } finally {
    server.kill()
    await ended
  }
}

/** As it says itself. */
async function addressOf(server) {
  const said = []
  for await (const line of createInterface({ input: server.stderr })) {
    const [, address] = /^Dashboard: (http:\S+?)\/ /.exec(line) ?? []
    if (address !== undefined) return address
    said.push(line)
  }
  throw new Error(`The server did not start:\n${said.join('\n')}`)
}

async function takePictures(url, campaign) {
  mkdirSync(images, { recursive: true })
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM_PATH ?? ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'].find((path) => existsSync(path)),
    args: ['--headless', '--no-sandbox', '--disable-gpu'],
  })
  // Each with the last thing that is in its picture.
  const pages = [
    ['overview', '/', '#tasks tbody tr:nth-child(4)'],
    ['campaign', `/campaigns/${encodeURIComponent(campaign)}`, '#people tbody tr:nth-child(4)'],
  ]
  for (const [language, locale] of [
    ['en', 'en-GB'],
    ['zh', 'zh-CN'],
  ]) {
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      const context = await browser.newContext({
        viewport: { width: WIDTH, height: 900 },
        ...{ colorScheme, locale, timezoneId: afternoonZone() },
      })
      for (const [name, path, last] of pages) {
        const page = await context.newPage()
        await page.goto(`${url}${path}`)
        const file = join(images, `${name}-${colorScheme}-${language}.png`)
        const { y, height } = await page.locator(last).boundingBox()
        // Below a row is another one, below a section nothing.
        const margin = last.includes(' tr') ? 0 : 16
        await page.screenshot({ path: file, fullPage: true, clip: { x: 0, y: 0, width: WIDTH, height: Math.ceil(y + height) + margin } })
      }
      await context.close()
    }
  }
  await browser.close()
}

/** A zone in which it is about four in the afternoon: the polls of the pictures are then made by day, whenever they are taken. */
function afternoonZone() {
  const ahead = ((16 - new Date().getUTCHours() + 36) % 24) - 12
  return `Etc/GMT${ahead > 0 ? '-' : '+'}${Math.abs(ahead)}`
}
