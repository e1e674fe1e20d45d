import { DATABASE_FAULTS } from './scenarios/database.ts'
import { faultTests } from './support/scenario.ts'

faultTests(DATABASE_FAULTS)
