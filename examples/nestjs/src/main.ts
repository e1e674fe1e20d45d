import 'reflect-metadata'
import { setTimeout as sleep } from 'node:timers/promises'
import { NestFactory } from '@nestjs/core'
import { AppModule } from './app.module'
import { NoticesService } from './notices.service'
import { settingsFrom } from './settings'

/** `npm start -- USER_ID…` sends a notice to these people, follows it until it has ended, at most 24 hours, and prints how many have read it. */
async function main(userIds: readonly string[]): Promise<void> {
  const app = await NestFactory.createApplicationContext(AppModule.forRoot(settingsFrom(process.env)), { logger: ['error', 'warn'] })
  app.enableShutdownHooks()
  const notices = app.get(NoticesService)
  const taskId = await notices.send(userIds, 'The canteen is closed on Friday.', 'canteen')
  while (!(await notices.hasEnded(taskId))) await sleep(500)
  const { targeted, delivered, read, unread, readRate } = await notices.campaign('canteen')
  console.log(JSON.stringify({ targeted, delivered, read, unread, readRate }))
  await app.close()
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error)
  process.exit(1)
})
