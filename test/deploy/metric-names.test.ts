import { expect, test } from 'vitest'
import { fullPage, readPage, unknownIn } from './support/exposed.ts'

const exposed = readPage(await fullPage())

test.each([
  ['a metric that there is not', 'sum(rate(dingtalk_delivery_looks_total[5m]))', ['metric dingtalk_delivery_looks_total']],
  ['the name of a histogram itself', 'dingtalk_delivery_poll_lag_seconds > 1', ['metric dingtalk_delivery_poll_lag_seconds']],
  ['a label that it does not have', 'dingtalk_delivery_tasks_overdue{app="hr"}', ['label app of dingtalk_delivery_tasks_overdue']],
  [
    'a value that never comes',
    'dingtalk_delivery_polls_total{outcome="ok"}',
    ['a series that dingtalk_delivery_polls_total{outcome=ok} selects'],
  ],
  ['a label to group by', 'sum by (campaign) (dingtalk_delivery_tasks)', ['label campaign to group by']],
  ['the second of two', 'up == 0 or dingtalk_delivery_lost > 0', ['metric dingtalk_delivery_lost']],
])('%s is found', (_, promql, unknown) => {
  expect(unknownIn(promql, exposed)).toEqual(unknown)
})

test.each([
  'histogram_quantile(0.95, sum by (job, le) (rate(dingtalk_delivery_poll_lag_seconds_bucket[15m]))) > 60',
  'changes(process_start_time_seconds[1h]) >= 3 and on (job, instance) dingtalk_delivery_build_info',
  'time() - max(dingtalk_delivery_last_good_poll_timestamp_seconds{job=~"dingtalk.*"}) offset 5m',
  'x * on (job, instance) group_left (version) dingtalk_delivery_build_info'.replace('x', 'up'),
])('what is there is known: %s', (promql) => {
  expect(unknownIn(promql, exposed)).toEqual([])
})

test('what the reader of expressions does not know is refused, not skipped', () => {
  expect(() => unknownIn('up ? 1', exposed)).toThrow('not understood')
  expect(() => unknownIn('up{job}', exposed)).toThrow('no matcher')
})
