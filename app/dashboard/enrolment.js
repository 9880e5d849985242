// Section "Enrolment": how the trial fills, who failed screening and on what, month by month.

import { el, figures, metric, table } from "./elements.js";
import { capital, words } from "./words.js";

export const enrolment = {
  id: "enrolment",
  title: "Enrolment",
  needs: ["enrolment"],
  pictures: ["enrolment"],
  nothing: ({ enrolment: { body } }) => (body.screened ? null : "Nobody has been screened yet."),
  draw,
};

const ENTERED =
  "“Enrolled” means entered in the system as enrolled, and counts in the month in which it was" +
  " entered; screening and the first treatment count in the month of the day on record. Who is" +
  " entered late is therefore enrolled in a later month than treated.";

function draw({ enrolment: answer }) {
  const show = (pointer) => metric(answer, pointer);
  const { body } = answer;
  return {
    keys: figures([
      ["Screened", show("/screened")],
      ["Failed screening", show("/screen_failures/subjects")],
      ["Enrolled (entered in the system)", show("/enrolled")],
      ["Treated", show("/treated")],
      ["Planned in the register", show("/planned/registered")],
      ["At most in the whole trial", show("/planned/total_maximum")],
    ]),
    details: [
      el("p", { class: "soft" }, ENTERED),
      table(
        "Treated and replaced by dose level",
        ["Level", "Phase", "Enrolled", "Treated", "Replaced", "Not dosed"],
        body.levels.map((_, place) => [
          show(`/levels/${place}/level`),
          metric(answer, `/levels/${place}/phase`, words),
          ...["enrolled", "treated", "replaced", "not_dosed"].map((name) =>
            show(`/levels/${place}/${name}`),
          ),
        ]),
      ),
      table(
        "Failed screening, by criterion not met (one participant may fail several)",
        ["Criterion", "What it asks", "Participants"],
        [
          ...body.screen_failures.by_criterion.map((each, place) => [
            each.criterion,
            each.text,
            show(`/screen_failures/by_criterion/${place}/subjects`),
          ]),
          ["–", "No criterion on record", show("/screen_failures/unattributed")],
        ],
      ),
      table("Where participants stand", ["Status", "Participants"], counted(answer, "statuses")),
      table("Who left, and how", ["Recorded", "Participants"], counted(answer, "dispositions")),
      table(
        "By month",
        [
          "Month",
          "Screened",
          "Enrolled, by the day of entry",
          "First treated",
          "Screened so far",
          "Entered as enrolled so far",
          "Treated so far",
        ],
        body.months.map((each, place) => [
          each.month,
          ...[
            "screened",
            "enrolled",
            "first_treated",
            "screened_so_far",
            "enrolled_so_far",
            "first_treated_so_far",
          ].map((name) => show(`/months/${place}/${name}`)),
        ]),
      ),
    ],
  };
}

/** List the counts of a vocabulary that are not zero. */
function counted(answer, name) {
  return Object.entries(answer.body[name])
    .filter(([, count]) => count > 0)
    .map(([word]) => [capital(words(word)), metric(answer, `/${name}/${word}`)]);
}
