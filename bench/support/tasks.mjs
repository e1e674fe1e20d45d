/** A task's id: 2562, the number of its people in three digits, and a number whose last digit is that of one of ten sets of people. */
export function taskId(people, number) {
  return `2562${String(people).padStart(3, '0')}${String(number).padStart(8, '0')}`
}

export function peopleOf(id) {
  return Number(id.slice(4, 7))
}

/** As long as those of DingTalk. */
export function userIdsOf(id) {
  return Array.from({ length: peopleOf(id) }, (_, i) => `0366${id.at(-1)}${String(325_231_000_000 + i * 7)}`)
}
