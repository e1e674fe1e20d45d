/** Puts the adapters together. Only the files of `wiring/` know every adapter; only `cli/` and `worker.ts` know wiring. */
export { diagnose, type Diagnosis } from './wiring/doctor.ts'
export { migrateAll } from './wiring/migrate.ts'
export { openReads, type Reads } from './wiring/reads.ts'
export { type RunningWorker, startWorker, type TrackedApp, type WorkerConfig } from './wiring/worker.ts'
