/**
 * One value for each kind of secret, which nothing else looks like. Whatever the suite starts is given these, and wherever one of them
 * turns up it has leaked.
 */
export const CANARIES = {
  appKey: 'dingCANARYappkey7f3a91',
  appSecret: 'CANARY-app-secret-52c8e0',
  accessToken: 'CANARY-access-token-a90d14',
  suiteKey: 'suiteCANARYkey31be7c',
  suiteSecret: 'CANARY-suite-secret-8d02f6',
  suiteTicket: 'CANARY-suite-ticket-6b77a3',
  databasePassword: 'CANARY-database-password-19ec45',
  redisPassword: 'CANARY-redis-password-e4d83b',
  apiToken: 'CANARY-api-token-c25f90',
} as const
