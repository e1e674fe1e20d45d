import { createTestDatabase } from '../../support/postgres.ts'
import { type Company, openCompany } from './company.ts'
import { type DashboardServer, type ServerOptions, startDashboard } from './server.ts'

/** A company in a database of its own, and its dashboard. */
export interface CompanyServer {
  readonly databaseUrl: string
  readonly company: Company
  readonly server: DashboardServer
  close(): Promise<void>
}

export interface CompanyServerOptions {
  /** What the company has, one after the other. */
  readonly fill: ReadonlyArray<(company: Company) => Promise<void>>
  /** The time of the company, in epoch milliseconds. Default: now. */
  readonly now?: () => number
  readonly serverOptions?: Omit<ServerOptions, 'databaseUrl'>
}

export async function openCompanyServer({ fill, now, serverOptions = {} }: CompanyServerOptions): Promise<CompanyServer> {
  const database = await createTestDatabase({ migrated: true })
  const company = now === undefined ? openCompany(database.url) : openCompany(database.url, now)
  for (const each of fill) await each(company)
  const server = await startDashboard({ ...serverOptions, databaseUrl: database.url })
  return {
    databaseUrl: database.url,
    company,
    server,
    async close() {
      await server.close()
      await company.close()
      await database.drop()
    },
  }
}
