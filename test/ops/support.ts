import { onTestFinished } from 'vitest'
import type { Config } from '../../src/app/config/config.ts'
import { callBudgets, workerTiming } from '../../src/app/settings.ts'
import { diagnose as runDoctor } from '../../src/ops/doctor.ts'
import { createLogger } from '../../src/ops/logger.ts'
import type { QueueAddress } from '../../src/queue/connection.ts'
import { migrateQueueSchema } from '../../src/queue/schema.ts'
import type { TaskRef } from '../../src/report/rates.ts'
import { createWorker, type EmbeddedWorker, type WorkerApp, type WorkerOptions } from '../../src/worker.ts'
import { type ApiPageServer, startApiPageServer } from '../support/api-page-server.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { type DatabaseRole, giveRights, urlAs } from '../support/roles.ts'
import { startProxy, type TcpProxy } from '../support/tcp-proxy.ts'

export interface Running {
  readonly worker: EmbeddedWorker
  /** Past the proxy. */
  readonly databaseUrl: string
  readonly toDatabase: TcpProxy
  readonly server: ApiPageServer
}

/**
 * The worker of the package, with a database of its own behind a proxy, in a day of a minute. Closed with the test.
 * @param queue default: in the same database
 * @param role whose rights it has. Default: the owner's
 */
export async function aRunningWorker(
  queue?: QueueAddress,
  app: Partial<WorkerApp> = {},
  role?: DatabaseRole,
  options: Partial<WorkerOptions> = {},
): Promise<Running> {
  const database = await createTestDatabase({ migrated: true })
  onTestFinished(() => database.drop())
  const server = await startApiPageServer()
  onTestFinished(() => server.close())
  if (queue === undefined) await migrateQueueSchema(database.url, ['dingtalk-delivery'])
  if (role !== undefined) await giveRights(database.url)
  const url = new URL(role === undefined ? database.url : urlAs(role, database.url))
  const toDatabase = await startProxy(Number(url.port))
  onTestFinished(() => toDatabase.close())
  url.port = String(toDatabase.port)
  const worker = createWorker({
    databaseUrl: url.href,
    ...(queue && { queueUrl: queue.url, queueName: queue.name, queuePrefix: queue.prefix }),
    apps: [
      {
        credentials: { kind: 'internal', appKey: 'key', appSecret: 'secret', endpoint: 'new' },
        agentId: '836390886',
        oapiUrl: server.url,
        apiUrl: server.url,
        ...app,
      },
    ],
    timeScale: 1_440,
    shutdownGraceSeconds: 5,
    retainDetailsDays: 90,
    retainTotalsDays: null,
    logger: createLogger({ level: 'silent', pretty: false }),
    ...options,
  })
  onTestFinished(() => worker.close())
  await worker.ready
  return { worker, databaseUrl: database.url, toDatabase, server }
}

/** What the command `doctor` runs. */
export function diagnose(config: Config, task?: TaskRef): ReturnType<typeof runDoctor> {
  return runDoctor(config, workerTiming(config), callBudgets(config, null), task)
}
