import { createMemoryStore } from '../support/memory-store.ts'
import { describeDeliveryStore } from './contract.ts'
import { openTestStore } from './support/database.ts'

describeDeliveryStore('memory', async () => ({ store: createMemoryStore(() => new Date()), close: async () => {} }))
describeDeliveryStore('PostgreSQL, as delivery_worker', () => openTestStore({ role: 'worker' }))
