// Section "Safety": participants with adverse events and dose-limiting toxicities, and exposure.

import { isThere } from "./answers.js";
import { figures, folded, intervalName, metric, proportion, table } from "./elements.js";
import { capital, instant, millions, number, words } from "./words.js";

export const safety = {
  id: "safety",
  title: "Safety",
  needs: ["safety"],
  mayUse: { reports: "Safety reports that are overdue" },
  pictures: ["adverse-events"],
  nothing: ({ safety: { body } }) => (body.treated ? null : "Nobody has been treated yet."),
  draw,
};

const KINDS = ["any_grade", "serious", "grade_3_or_higher", "fatal"];
const KIND_NAMES = ["Any grade", "Serious", "Grade 3 or higher", "Fatal"];
const GRADES = ["1", "2", "3", "4", "5"];

function draw({ safety: answer, reports }) {
  const { body } = answer;
  const emergent = placeOf(body.groups[0].incidences, "treatment_emergent");
  const related = placeOf(body.groups[0].incidences, "related");
  const overall = (place, kind) => proportion(answer, `/groups/0/incidences/${place}/${kind}`, true);
  return {
    keys: figures([
      ["Treated", metric(answer, "/treated")],
      ["With any event since treatment", overall(emergent, "any_grade")],
      ["With a related event", overall(related, "any_grade")],
      ["With a serious event", overall(emergent, "serious")],
      ["With an event of grade 3 or higher", overall(emergent, "grade_3_or_higher")],
      ["With a fatal event", overall(emergent, "fatal")],
      isThere(reports) && ["Safety reports overdue", number(reports.body.items.length)],
    ]),
    details: [
      isThere(reports) ? overdue(reports) : null,
      groups(answer),
      toxicities(answer),
      terms(answer),
      folded("Worst grade of every term", (into) => into.append(worstGrades(answer))),
      interest(answer),
      exposure(answer),
      figures([
        ["Outside the safety set, with events", metric(answer, "/untreated/with_events")],
        ["Of these, with serious events", metric(answer, "/untreated/with_serious_events")],
      ]),
    ],
  };
}

const placeOf = (incidences, basis) => incidences.findIndex((each) => each.basis === basis);
const BASES = {
  all: "Since consent",
  treatment_emergent: "Since treatment",
  related: "Related",
};
const levelName = (level) => (level === null ? "All levels" : `Level ${level}`);

function groups(answer) {
  const rows = answer.body.groups.flatMap((group, g) =>
    group.incidences.map((incidence, i) => [
      levelName(group.level),
      BASES[incidence.basis] ?? words(incidence.basis),
      ...KINDS.map((kind) => proportion(answer, `/groups/${g}/incidences/${i}/${kind}`)),
    ]),
  );
  const caption = `Participants with adverse events, by level (CTCAE ${answer.body.ctcae_version}; in brackets ${intervalName(answer)})`;
  return table(caption, ["Level", "Events", ...KIND_NAMES], rows);
}

function toxicities(answer) {
  const rows = answer.body.dose_limiting_toxicities.map((each, place) => [
    `Level ${each.level}`,
    words(each.phase),
    metric(answer, `/dose_limiting_toxicities/${place}/treated`),
    proportion(answer, `/dose_limiting_toxicities/${place}/dlts`),
    metric(answer, `/dose_limiting_toxicities/${place}/open_items`),
  ]);
  return table(
    `Dose-limiting toxicities (in brackets ${intervalName(answer)})`,
    ["Level", "Phase", "Treated", "With a DLT, of the evaluable", "To adjudicate"],
    rows,
  );
}

/** List the reports whose clock ran out; a clock is due at an instant or by the end of a day. */
function overdue(reports) {
  const rows = reports.body.items.map((each, place) => {
    const show = (name, write) => metric(reports, `/items/${place}/${name}`, write);
    return [
      show("subject_number"),
      show("term"),
      show("worst_grade"),
      show("kind", words),
      show("recipient", words),
      show("jurisdiction"),
      each.due_at ? show("due_at", instant) : show("due_day"),
    ];
  });
  return table(
    "Safety reports overdue: the clock has run out, and no report is recorded as sent",
    ["Participant", "Event", "Worst grade", "Report", "To", "Under the rules of", "Was due by"],
    rows,
  );
}

/** List every class with its terms; a class is in bold and counts each participant once. */
function terms(answer) {
  const levels = levelsOf(answer);
  const rows = answer.body.terms.map((each, place) => {
    const emergent = placeOf(each.incidences, "treatment_emergent");
    const related = placeOf(each.incidences, "related");
    const count = (incidence, kind) =>
      metric(answer, `/terms/${place}/incidences/${incidence}/${kind}/events`);
    return [
      each.term === null ? heading(each.soc) : each.term,
      ...["any_grade", "grade_3_or_higher", "serious"].map((kind) => count(emergent, kind)),
      count(related, "any_grade"),
      ...levels.map((level) => metric(answer, `/terms/${place}/by_level/${level}`)),
    ];
  });
  const columns = ["Class and term", "Any grade", "Grade 3 or higher", "Serious", "Related"];
  return table(
    "Participants by class and term, events since treatment began",
    [...columns, ...levels.map((level) => `Level ${level}`)],
    rows,
  );
}

function heading(text) {
  const strong = document.createElement("strong");
  strong.textContent = text;
  return strong;
}

function worstGrades(answer) {
  const rows = answer.body.terms.map((each, place) => {
    const emergent = placeOf(each.incidences, "treatment_emergent");
    const grades = `/terms/${place}/incidences/${emergent}/worst_grades`;
    return [
      each.term === null ? heading(each.soc) : each.term,
      ...GRADES.map((grade) => metric(answer, `${grades}/${grade}`)),
    ];
  });
  const columns = ["Class and term", ...GRADES.map((grade) => `Grade ${grade}`)];
  return table("Participants by worst grade, events since treatment began", columns, rows);
}

function interest(answer) {
  const levels = levelsOf(answer);
  const rows = answer.body.special_interest.map((each, place) => {
    const emergent = placeOf(each.incidences, "treatment_emergent");
    const incidence = `/special_interest/${place}/incidences/${emergent}`;
    return [
      capital(words(each.special_interest)),
      ...["any_grade", "grade_3_or_higher"].map((kind) =>
        proportion(answer, `${incidence}/${kind}`),
      ),
      ...levels.map((level) => metric(answer, `/special_interest/${place}/by_level/${level}`)),
    ];
  });
  return table(
    `Events of special interest since treatment began (in brackets ${intervalName(answer)})`,
    ["Class", "Any grade", "Grade 3 or higher", ...levels.map((level) => `Level ${level}`)],
    rows,
  );
}

function exposure(answer) {
  const rows = answer.body.exposure.map((each, place) => {
    const show = (name, write) => metric(answer, `/exposure/${place}/${name}`, write);
    return [
      `Level ${each.level}`,
      show("treated"),
      show("infusions_planned"),
      show("infusions_started"),
      show("cells", millions),
      show("infusions_without_cells"),
    ];
  });
  return table(
    "Exposure",
    [
      "Level",
      "Treated",
      "Infusions planned",
      "Infusions begun",
      "Cells given",
      "Infusions without a recorded volume",
    ],
    rows,
  );
}

const levelsOf = (answer) => answer.body.exposure.map((each) => each.level);
