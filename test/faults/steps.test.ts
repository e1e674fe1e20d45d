import { CRASH_BETWEEN_STEPS } from './scenarios/steps.ts'
import { faultTests } from './support/scenario.ts'

faultTests([CRASH_BETWEEN_STEPS])
