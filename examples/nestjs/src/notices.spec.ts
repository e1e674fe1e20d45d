import 'reflect-metadata'
import { setTimeout as sleep } from 'node:timers/promises'
import type { INestApplicationContext } from '@nestjs/common'
import { Test } from '@nestjs/testing'
import { TrackerError } from 'dingtalk-delivery-tracker'
import { type Simulator, startSimulator } from 'dingtalk-delivery-tracker/simulator'
import { AppModule } from './app.module'
import { RATES } from './delivery.module'
import { NoticesService } from './notices.service'
import { settingsFrom } from './settings'

/** A day in 20 seconds. */
const TIME_SCALE = 4_320

let simulator: Simulator
let app: INestApplicationContext

beforeAll(async () => {
  simulator = await startSimulator({ timeScale: TIME_SCALE })
  const settings = settingsFrom({
    DATABASE_URL: process.env['DATABASE_URL'],
    DINGTALK_OAPI_URL: simulator.url,
    DINGTALK_API_URL: simulator.url,
    DINGTALK_APP_KEY: 'sim-app-key',
    DINGTALK_APP_SECRET: 'sim-app-secret',
    DINGTALK_AGENT_ID: '836390886',
    TIME_SCALE: String(TIME_SCALE),
  })
  app = await (await Test.createTestingModule({ imports: [AppModule.forRoot(settings)] }).compile()).init()
}, 60_000)

afterAll(async () => {
  await app.close()
  await simulator.close()
}, 60_000)

test('a notice ends when everybody has read it or cannot get it, and the rates say how many have', async () => {
  const notices = app.get(NoticesService)
  // The ids decide what the simulated people do.
  const taskId = await notices.send(['ann-fast', 'ben-fast', 'cat-invalid'], 'Lunch is free today.', 'lunch')
  while (!(await notices.hasEnded(taskId))) await sleep(100)
  expect(await notices.campaign('lunch')).toMatchObject({ targeted: 3, delivered: 2, read: 2, unread: 0, invalid: 1, readRate: 1 })
}, 120_000)

test('an error of the rates is an error of the package', async () => {
  const error: unknown = await app
    .get(NoticesService)
    .campaign('no such')
    .catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(TrackerError)
  expect(app.get(RATES)).toBeDefined()
})
