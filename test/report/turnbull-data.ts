import type { ElapsedBracket } from '../../src/report/read-brackets.ts'

/**
 * Data and their estimates by R 4.2.2 with survival 3.5-3. A `survfit` of `interval2` data takes intervals as we do, open on the left
 * and closed on the right: a jump, in the middle of an innermost interval, counts for an interval when it is `> left & <= right`. It
 * stops when a step moves no point by more than 5e-5; to compare more than four digits it was made to go on until it stands still:
 *
 *     library(survival)
 *     source <- sub("5e-05", "1e-13", deparse(survival:::survfitTurnbull), fixed = TRUE)
 *     assignInNamespace("survfitTurnbull", eval(parse(text = source), asNamespace("survival")), "survival")
 *     fit <- survfit(Surv(lo, hi, type = "interval2") ~ 1)    # hi is NA where it is open
 *     data.frame(middle = fit$time, upTo = 1 - fit$surv)
 *
 * EM on the innermost intervals, also in R, until no mass moved by more than 1e-14, agreed to 1e-11, and so did its condition of
 * Karush, Kuhn and Tucker.
 */
interface Example {
  readonly people: readonly ElapsedBracket[]
  /** Where the estimate rises, and to what. */
  readonly rises: ReadonlyArray<readonly [afterMs: number, beforeMs: number | null, upTo: number]>
}

/** `4-11` is (4, 11], `15+` is after 15 or never, `4-11*3` are three of them. */
function peopleOf(...lines: readonly string[]): ElapsedBracket[] {
  return lines
    .flatMap((line) => line.split(' '))
    .flatMap((brackets) => {
      const [, after, before, count = '1'] = /^(\d+)(?:-(\d+)|\+)(?:\*(\d+))?$/.exec(brackets) ?? []
      const bracket = { afterMs: Number(after), beforeMs: before === undefined ? null : Number(before) }
      return Array.from({ length: Number(count) }, () => bracket)
    })
}

/**
 * Months until breast retraction after radiotherapy: 46 patients. D. M. Finkelstein and R. A. Wolfe, Biometrics 41, 1985, 933–945;
 * the example of most of the literature on interval-censored data.
 */
const radiotherapy: Example = {
  people: peopleOf(
    '0-5 0-7 0-8 4-11 5-11 5-12 6-10 7-14 7-16 11-15 11-18 17-25*2 19-26 19-35 25-37 26-40 27-34 36-44 36-48 37-44 15+ 17+ 18+ 22+',
    '24+*2 32+ 33+ 34+ 36+*2 37+*3 38+ 40+ 45+ 46+*8',
  ),
  rises: [
    [4, 5, 0.0463467739929],
    [6, 7, 0.0797101449275],
    [7, 8, 0.1683775129902],
    [11, 12, 0.2391304347826],
    [24, 25, 0.3317762713676],
    [33, 34, 0.4135620362702],
    [38, 40, 0.5344418636239],
    [46, 48, 1],
  ],
}

/** The same with chemotherapy: 48 patients. */
const chemotherapy: Example = {
  people: peopleOf(
    '0-5 0-22 4-8 4-9 5-8 8-12 8-21 10-17 10-35 11-13 11-17 11-20 12-20 13-39 14-17 14-19 15-22 16-20 16-24*2 16-60 17-23 17-26',
    '17-27 18-24 18-25 19-32 22-32 24-30 24-31 30-34 30-36 33-40 35-39 44-48 11+*2 13+*3 21+ 23+ 31+ 32+ 34+*2 35+ 48+',
  ),
  rises: [
    [4, 5, 0.0432826277004],
    [5, 8, 0.0865652554007],
    [11, 12, 0.1557708387576],
    [16, 17, 0.3011685540094],
    [18, 19, 0.4422634517559],
    [19, 20, 0.5580093774701],
    [24, 25, 0.65787468821],
    [30, 31, 0.7287560647548],
    [35, 36, 0.8895871722046],
    [44, 48, 0.9447935861023],
    [48, 60, 1],
  ],
}

/**
 * Weeks until relapse with maintained chemotherapy, from R's `aml` (R. G. Miller, Survival Analysis, 1981). A relapse in a week is
 * (week - 1, week], so it is Kaplan's and Meier's estimate: `survfit(Surv(time, status) ~ 1, data = aml[aml$x == "Maintained", ])`.
 */
const maintained: Example = {
  people: peopleOf('8-9 12-13 17-18 22-23 30-31 33-34 47-48 13+ 28+ 45+ 161+'),
  rises: [
    [8, 9, 0.0909090909091],
    [12, 13, 0.1818181818182],
    [17, 18, 0.2840909090909],
    [22, 23, 0.3863636363636],
    [30, 31, 0.5090909090909],
    [33, 34, 0.6318181818182],
    [47, 48, 0.8159090909091],
    [161, null, 1],
  ],
}

/**
 * 120 people in four tasks like ours, in minutes: polls with growing gaps, at other times in each task, the third tracked two hours
 * late. Drawn in R with `set.seed(20261123)`: `rlnorm(30, log(90), 1.5)` for each task, of which 15 % never read.
 */
const fourTasks: Example = {
  people: peopleOf(
    '7-12*2 19-29*3 29-43*3 63-91*3 91-130*2 130-184 184-260*2 260-366 366-514*2 514-720 1432+*10',
    '4-9*2 9-16*2 16-27*3 27-44*4 44-70 70-110 110-171*3 171-265 409-631*4 973-1429 1429+*8',
    '0-121*10 121-150 150-190 190-245*2 320-424 424-566 566-760*2 760-1026*2 1026-1390*3 1434+*7',
    '8-15*2 15-25*2 25-39*3 39-59*2 59-87*5 87-126*5 126-181 181-258 258-365*3 365-515 515-725 1430+*4',
  ),
  rises: [
    [8, 9, 0.0410973730547],
    [9, 12, 0.0821947461094],
    [19, 25, 0.1409052790447],
    [25, 27, 0.1702605455124],
    [27, 29, 0.1849381787462],
    [29, 39, 0.2289710784477],
    [39, 43, 0.2876816113829],
    [63, 70, 0.3412073736691],
    [70, 87, 0.3864502803897],
    [87, 91, 0.3947331359551],
    [110, 121, 0.4411081358152],
    [121, 126, 0.4852189493968],
    [150, 171, 0.5166666666667],
    [190, 245, 0.5615857285916],
    [258, 260, 0.5730436462833],
    [320, 365, 0.6065047905164],
    [409, 424, 0.6159109558308],
    [424, 514, 0.6587782653781],
    [566, 631, 0.7083333333333],
    [973, 1026, 0.7283333333333],
    [1026, 1390, 0.7583333333333],
    [1434, null, 1],
  ],
}

export const EXAMPLES: ReadonlyArray<readonly [name: string, example: Example]> = [
  ['breast cosmesis, radiotherapy', radiotherapy],
  ['breast cosmesis, with chemotherapy', chemotherapy],
  ['right-censored weeks (aml)', maintained],
  ['four tasks with different polls', fourTasks],
]
