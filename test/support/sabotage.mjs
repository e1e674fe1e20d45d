// Preloaded into a worker (`node --import`): takes a protection away, so that a control can show that the test of it fails without.
// SABOTAGE is JSON: { "edits": [{ "file": "queue/worker.js", "from": "…", "to": "…" }], "packages": { "bullmq": "/folder/with/node_modules" } }
import { register } from 'node:module'

register(new URL('./sabotage-hooks.mjs', import.meta.url), { data: JSON.parse(process.env.SABOTAGE) })
