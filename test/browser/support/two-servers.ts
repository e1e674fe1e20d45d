import type { Company } from './company.ts'
import { type CompanyServer, type CompanyServerOptions, openCompanyServer } from './company-server.ts'

/** The same pages twice: without people, and with names and departments. */
export interface TwoServers {
  readonly plain: CompanyServer
  readonly named: CompanyServer
  close(): Promise<void>
}

interface TwoServersOptions extends Omit<CompanyServerOptions, 'fill'> {
  /** What both databases have. */
  readonly fill: (company: Company) => Promise<void>
  /** What only the second one has. */
  readonly fillNames: (company: Company) => Promise<void>
}

export async function openTwoServers({ fill, fillNames, ...options }: TwoServersOptions): Promise<TwoServers> {
  const plain = await openCompanyServer({ ...options, fill: [fill] })
  const named = await openCompanyServer({ ...options, fill: [fill, fillNames] })
  return {
    plain,
    named,
    async close() {
      for (const each of [plain, named]) await each.close()
    },
  }
}
