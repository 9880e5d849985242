// Section "Response": rates at each week in every reading, times of response, and sensitivity.

import { el, figures, folded, intervalName, metric, proportion, table } from "./elements.js";
import { capital, number, words } from "./words.js";

export const response = {
  id: "response",
  title: "Response",
  needs: ["efficacy"],
  pictures: ["kaplan-meier", "waterfall", "swimmer"],
  nothing: ({ efficacy: { body } }) => (body.treated ? null : "Nobody has been treated yet."),
  draw,
};

const TIMES =
  "A first response after the response time is over is late: it is none in these times, which stop" +
  " at that limit with the reason “late response”. A Kaplan-Meier median is “not reached” while the" +
  " curve has not fallen below one half.";

const KINDS = ["overall_response", "complete_response", "partial_response"];
const KIND_NAMES = ["Overall response", "Complete response", "Partial response"];

function draw({ efficacy: answer }) {
  const { readings } = answer.body;
  const registered = readings.flatMap((each, place) => (each.primary ? [place] : []));
  return {
    keys: figures([
      ["Treated", metric(answer, "/treated")],
      ...registered.map((place) => [
        `Overall response, week ${readings[place].week}`,
        proportion(answer, `${rates(answer, place, 0)}/overall_response`, true),
      ]),
      ...registered.map((place) => [
        `Complete response, week ${readings[place].week}`,
        proportion(answer, `${rates(answer, place, 0)}/complete_response`, true),
      ]),
    ]),
    details: [
      el(
        "p",
        { class: "soft" },
        `In brackets: ${intervalName(answer)}. Everybody treated counts; who cannot show a` +
          " response is counted as without one.",
      ),
      everyReading(answer),
      byLevel(answer, registered),
      folded("Without those whose answer is not due yet", (into) => into.append(amongDue(answer))),
      folded("Categories in every reading", (into) => into.append(categories(answer))),
      el("p", { class: "soft" }, TIMES),
      times(answer),
      durations(answer),
      sensitivity(answer),
    ],
  };
}

const named = (caption, answer) => `${caption} (in brackets ${intervalName(answer)})`;

/** Point to the rates of a group of a reading among the treated, or among those due. */
function rates(answer, reading, group, denominator = "treated") {
  const found = answer.body.readings[reading].groups[group].rates;
  const place = found.findIndex((each) => each.denominator === denominator);
  return `/readings/${reading}/groups/${group}/rates/${place}`;
}

function readingName({ week, mode, anchor, primary }) {
  const when = mode === "at" ? `At week ${week}` : `Within ${week} weeks`;
  const name = `${when} after the ${anchor} infusion`;
  return primary ? el("strong", {}, `${name} (registered)`) : name;
}

function everyReading(answer, denominator = "treated", caption = "All levels, in every reading") {
  const rows = answer.body.readings.map((reading, place) => [
    readingName(reading),
    ...KINDS.map((kind) => proportion(answer, `${rates(answer, place, 0, denominator)}/${kind}`)),
  ]);
  return table(named(caption, answer), ["Reading", ...KIND_NAMES], rows);
}

function amongDue(answer) {
  return everyReading(answer, "due", "All levels, of those whose answer is due");
}

function byLevel(answer, registered) {
  const rows = registered.flatMap((place) =>
    answer.body.readings[place].groups.map((group, g) => [
      `Week ${answer.body.readings[place].week}`,
      group.level === null ? "All levels" : `Level ${group.level}`,
      ...KINDS.map((kind) => proportion(answer, `${rates(answer, place, g)}/${kind}`)),
    ]),
  );
  const caption = named("Registered reading, by dose level", answer);
  return table(caption, ["Week", "Level", ...KIND_NAMES], rows);
}

function categories(answer) {
  const names = Object.keys(answer.body.readings[0]?.groups[0].categories ?? {});
  const rows = answer.body.readings.map((reading, place) => [
    readingName(reading),
    ...names.map((name) => metric(answer, `/readings/${place}/groups/0/categories/${name}`)),
  ]);
  const columns = ["Reading", ...names.map((name) => capital(words(name)))];
  return table("Participants by category, all levels", columns, rows);
}

function times(answer) {
  const rows = answer.body.times_to_response.map((each, place) => {
    const show = (name, write) => metric(answer, `/times_to_response/${place}/${name}`, write);
    return [
      each.lineage === null ? "Any lineage" : capital(words(each.lineage)),
      show("participants"),
      show("responders"),
      show("median_days"),
      show("kaplan_meier/median/value", reached(each)),
      reasons(each.reasons),
    ];
  });
  return table(
    "Days from the first infusion to the first response",
    [
      "Lineage",
      "Participants",
      "Responders",
      "Median of responders, days",
      "Kaplan-Meier median, days",
      "Where times stop",
    ],
    rows,
  );
}

function durations(answer) {
  const rows = answer.body.durations_of_response.map((each, place) => {
    const show = (name, write) => metric(answer, `/durations_of_response/${place}/${name}`, write);
    return [
      capital(words(each.lineage)),
      words(each.kind),
      show("responders"),
      show("ended"),
      show("censored"),
      show("kaplan_meier/median/value", reached(each)),
      reasons(each.reasons),
    ];
  });
  return table(
    "Days that first responses lasted",
    [
      "Lineage",
      "Response",
      "Responders",
      "Ended",
      "Still going or censored",
      "Kaplan-Meier median, days",
      "Where times stop",
    ],
    rows,
  );
}

/** Write a median, and of a curve that never falls to one half that it does not. */
function reached({ kaplan_meier: curve }) {
  return (value) => (value === null && curve.n ? "not reached" : number(value));
}

function reasons(counts) {
  const found = Object.entries(counts).map(([reason, count]) => `${words(reason)} ${count}`);
  return found.join(", ") || "–";
}

function sensitivity(answer) {
  const rows = answer.body.alternatives.flatMap((choice, place) =>
    choice.weeks.map((week, w) => [
      choiceName(choice),
      `Week ${week.week}`,
      ...KINDS.slice(0, 2).map((kind) =>
        proportion(answer, `/alternatives/${place}/weeks/${w}/rates/0/${kind}`),
      ),
      metric(answer, `/alternatives/${place}/differing`),
    ]),
  );
  return table(
    named(
      "Sensitivity: the registered reading under other rules, and without confounded responses",
      answer,
    ),
    ["Rule", "Week", ...KIND_NAMES.slice(0, 2), "Participants in another category"],
    rows,
  );
}

function choiceName({ lineage_rule: lineage, transfusion_scope: scope, counts_confounded: all }) {
  if (!all) return el("strong", {}, "Without confounded responses");
  const may =
    lineage === "all" ? "All lineages may respond" : "Lineages below their limit may respond";
  const which = scope === "any" ? "any transfusion blocks" : "a lineage's own transfusions block";
  return `${may}; ${which}`;
}
