import { QUEUE_FAULTS } from './scenarios/queue.ts'
import { faultTests } from './support/scenario.ts'

faultTests(QUEUE_FAULTS)
