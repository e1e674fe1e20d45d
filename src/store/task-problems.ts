import type { Stored } from '../domain/messages.ts'
import type { Database } from './prisma.ts'
import { detailOrNull, number, type Row, text } from './rows.ts'

/** Open tasks of an app with the same problem. */
export interface TaskProblems {
  readonly app: string
  readonly tasks: number
  /** The one with the nearest deadline, and its problem. */
  readonly taskId: string
  readonly problem: Stored
}

export async function readTaskProblems({ pool }: Pick<Database, 'pool'>): Promise<TaskProblems[]> {
  const { rows } = await pool.query<Row>(TASK_PROBLEMS)
  return rows.map((row) => ({
    app: text(row, 'app'),
    tasks: number(row, 'tasks'),
    taskId: text(row, 'task_id'),
    problem: { code: text(row, 'problem_code'), detail: detailOrNull(row, 'problem_detail') },
  }))
}

const TASK_PROBLEMS = `
  SELECT DISTINCT ON (app, problem_code)
    app, problem_code, task_id, problem_detail, (count(*) OVER (PARTITION BY app, problem_code))::integer AS tasks
  FROM delivery_task WHERE status = 'tracking' AND problem_code IS NOT NULL
  ORDER BY app, problem_code, deadline_at, task_id`
