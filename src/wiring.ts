/** Puts the adapters together. Only the files of `wiring/` know every adapter; only `cli/` and `worker.ts` know wiring. */
export { cancelTask } from './wiring/cancel.ts'
export { diagnose } from './wiring/doctor.ts'
export { erasePersonEverywhere } from './wiring/erase.ts'
export { migrateAll } from './wiring/migrate.ts'
export { openReads } from './wiring/reads.ts'
export { openServing } from './wiring/serving.ts'
export type { TrackedApp } from './wiring/settings.ts'
export { type RunningWorker, startWorker } from './wiring/worker.ts'
