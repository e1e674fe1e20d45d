/**
 * The part of a Prisma client that the reader uses. A client of any schema has it. It stands alone: what declares `createRates` would otherwise
 * make every program that imports it check the types of the generated client.
 */
export interface RawClient {
  $queryRawUnsafe<T = unknown>(query: string, ...values: unknown[]): PromiseLike<T>
}
