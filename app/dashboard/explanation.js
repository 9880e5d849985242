// What the numbers of a metric rest on: rules, participants and records, when somebody asks.

import { el, folded, freshId, quiet, table } from "./elements.js";
import { attempt } from "./gaps.js";
import { instant, number, words } from "./words.js";

const OTHER =
  "Records have changed since the numbers above were read; this is about the newer ones. Press Show" +
  " to see both alike.";

/** Fold away what the numbers of one answer rest on; it is read when it is opened. */
export function explained(reader, { name, body }) {
  const what = `What the numbers of “${name}” rest on`;
  return folded(what, (into) =>
    attempt(into, what, async () => {
      const answer = await reader.read(name, `/metrics/${name}`, { explain: "true" });
      const isOther = answer.body.evidence_digest !== body.evidence_digest;
      return [...(isOther ? [quiet(OTHER)] : []), ...parts(answer.body.explanation)];
    }),
  );
}

function parts({ rules, metrics, participants, records: ofNobody }) {
  return [
    folded(`How they are counted (${rules.length})`, (into) => into.append(...rules.map(rule))),
    folded(`Who adds to each number (${metrics.length})`, (into) =>
      into.append(contributions(metrics)),
    ),
    folded(`The records of each participant (${participants.length})`, (into) =>
      into.append(...participants.map(records)),
    ),
    ofNobody.length ? records({ number: "No participant yet", records: ofNobody }) : "",
  ];
}

function rule({ metrics: place, rules, sentence, record, assumptions, reading }) {
  const said = [
    ["Numbers below", place || "all"],
    ["Rules", rules.join(", ")],
    record && ["The record says", `“${record}”`],
    reading && ["Documented under", reading],
    ...assumptions.map((each) => [
      `Reading ${each.id}, ${words(each.source)}`,
      `${each.question} ${each.reading}`,
    ]),
  ];
  return el(
    "div",
    { class: "rule" },
    el("p", {}, sentence),
    el(
      "dl",
      { class: "outline" },
      said
        .filter(Boolean)
        .map(([term, text]) => el("div", {}, el("dt", {}, term), el("dd", {}, text))),
    ),
  );
}

/** Make a table of the numbers with who adds to them, and a field that narrows it down. */
function contributions(metrics) {
  const rows = metrics.map((each) => [
    el("code", {}, each.metric),
    number(each.value),
    [...each.participants.map(added), ...unplaced(each)].join(", ") || "–",
    others(each.others),
  ]);
  const shown = table(
    "Numbers and who adds to them",
    ["Number", "Value", "Participants", "Not shown to you one by one"],
    rows,
  );
  const id = freshId("narrow");
  const field = el("input", { id, type: "search", spellcheck: "false" });
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const row of shown.querySelectorAll("tbody tr")) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
    }
  });
  return el(
    "div",
    {},
    el("p", {}, el("label", { for: id }, "Only numbers that hold the words"), field),
    shown,
  );
}

function added({ number: name, adds, time }) {
  if (time)
    return `${name} (${time.event ? "" : "censored "}day ${time.days}, ${words(time.reason)})`;
  return adds === 1 ? name : `${name} (${number(adds)})`;
}

/** Count the records that add to a number and are of no participant yet, as in the inbox. */
function unplaced({ records: { length } }) {
  return length ? [`no participant yet: ${length} ${length === 1 ? "record" : "records"}`] : [];
}

function others({ participants, records: kinds }) {
  const found = Object.entries(kinds).map(([kind, count]) => `${words(kind)} ${count}`);
  const said = [participants ? number(participants) : "", found.join(", ")].filter(Boolean);
  return said.join(": ") || "–";
}

function records({ number: name, records: found }) {
  const rows = found.map((each) => [
    words(each.kind),
    instant(each.recorded_at),
    each.origin === "message" ? "laboratory system's message" : "a person's entry",
    each.source ?? "–",
    el("code", {}, each.id),
    el("code", {}, each.operation_id),
  ]);
  return folded(`${name} (${found.length})`, (into) =>
    into.append(
      table(
        `Records of ${name}`,
        ["Kind", "Recorded", "By", "Laboratory", "Record", "Operation in the trail"],
        rows,
      ),
    ),
  );
}
