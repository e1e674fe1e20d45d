import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts'
import { type Company, openCompany } from './company.ts'
import { type DashboardServer, type ServerOptions, startDashboard } from './server.ts'

/** The same pages twice: without people, and with names and departments. */
export interface TwoServers {
  readonly plain: Side
  readonly named: Side
  close(): Promise<void>
}

interface Side {
  readonly company: Company
  readonly server: DashboardServer
}

interface TwoServersOptions {
  /** What both databases have. */
  readonly fill: (company: Company) => Promise<void>
  /** What only the second one has. */
  readonly fillNames: (company: Company) => Promise<void>
  /** The time of both, in epoch milliseconds. Default: now. */
  readonly now?: () => number
  readonly serverOptions?: Omit<ServerOptions, 'databaseUrl'>
}

export async function openTwoServers({ fill, fillNames, now, serverOptions = {} }: TwoServersOptions): Promise<TwoServers> {
  const open = async (fillers: ReadonlyArray<(company: Company) => Promise<void>>): Promise<Side & { readonly database: TestDatabase }> => {
    const database = await createTestDatabase({ migrated: true })
    const company = now === undefined ? openCompany(database.url) : openCompany(database.url, now)
    for (const each of fillers) await each(company)
    return { database, company, server: await startDashboard({ ...serverOptions, databaseUrl: database.url }) }
  }
  const [plain, named] = [await open([fill]), await open([fill, fillNames])]
  return {
    plain,
    named,
    async close() {
      for (const { server, company, database } of [plain, named]) {
        await server.close()
        await company.close()
        await database.drop()
      }
    },
  }
}
