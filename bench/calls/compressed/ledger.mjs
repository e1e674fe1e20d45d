/**
 * What the limiter granted, month by month: the row of an app has the present month only. A trigger keeps the most calls that a month ever had, so a
 * budget that was exceeded for a moment and refunded is seen.
 */
const LEDGER = `
CREATE TABLE public.bench_calls (app text, month text, most integer NOT NULL, used integer NOT NULL, PRIMARY KEY (app, month));
CREATE FUNCTION public.bench_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.bench_calls AS known (app, month, most, used) VALUES (NEW.app, NEW.calls_month, NEW.calls_used, NEW.calls_used)
  ON CONFLICT (app, month) DO UPDATE SET most = greatest(known.most, NEW.calls_used), used = NEW.calls_used;
  RETURN NULL;
END
$$;
CREATE TRIGGER bench_count AFTER INSERT OR UPDATE OF calls_month, calls_used ON delivery_app FOR EACH ROW EXECUTE FUNCTION public.bench_count();`

/** @param {import('pg').Pool} database */
export async function createLedger(database) {
  await database.query(LEDGER)
}

/** @param {import('pg').Pool} database @returns {Promise<import('./judge.mjs').MonthOfCalls[]>} */
async function readLedger(database) {
  const { rows } = await database.query("SELECT app, month, most, used FROM public.bench_calls WHERE month <> '' ORDER BY app, month")
  return rows
}

const TASKS = `
SELECT app, task_id AS "taskId", sent_at AS "sentAt", deadline_at AS "deadlineAt", sent_at_given AS "sentAtGiven", status, admitted,
  calls, final_calls AS "finalCalls", delay_code AS "delayCode", plan ->> 'placedBy' AS "placedBy", cardinality(poll_offsets) AS planned,
  sent_at + poll_offsets[cardinality(poll_offsets)] * interval '1 ms' AS "finalAt"
FROM delivery_task ORDER BY id`

const POLLS = `
SELECT task.app, task.task_id AS "taskId", poll.due_at AS "dueAt", poll.requested_at AS "requestedAt", poll.outcome
FROM delivery_poll AS poll JOIN delivery_task AS task ON task.id = poll.task_pk ORDER BY poll.requested_at`

const READERS = `
SELECT app, task_id AS "taskId", user_id AS "userId", read_after AS "after", read_before AS "before"
FROM delivery_recipient_status WHERE state = 'read'`

/** What PostgreSQL has at the end. @param {import('pg').Pool} database */
export async function readRows(database) {
  const read = async (text) => (await database.query(text)).rows
  return { tasks: await read(TASKS), polls: await read(POLLS), readers: await read(READERS), months: await readLedger(database) }
}
