import { PROCESS_FAULTS } from './scenarios/processes.ts'
import { faultTests } from './support/scenario.ts'

faultTests(PROCESS_FAULTS)
