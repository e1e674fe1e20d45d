/** The checks of a worker's `/readyz`, in their order. */
export const CHECKS = [
  'database',
  'schema',
  'queue',
  'consumption',
  'writes',
  'apps',
  'rights',
  'overdue',
  'blind gaps',
  'call budget',
  'queue memory',
  'refused jobs',
  'clock',
  'event loop',
  'locks',
  'pool',
]
