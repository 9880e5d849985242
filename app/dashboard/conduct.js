// Section "Conduct": how complete the data are, and what waits for somebody.

import { el, figures, folded, metric, share, table } from "./elements.js";
import { capital, percent, span, words } from "./words.js";

export const conduct = {
  id: "conduct",
  title: "Conduct",
  needs: ["operations"],
  pictures: [],
  nothing: ({ operations: { body } }) =>
    body.completeness[0].subjects ? null : "Nobody is registered yet.",
  draw,
};

const ITEMS = {
  infusion: "Infusions",
  infusion_volume: "Volumes of infusions",
  visit: "Visits",
  blood_count: "Blood counts for the response",
  causality: "Attributions of events",
};
const ROUTES = { message: "By a laboratory system", entry: "By a person" };
const SPANS = {
  collected_to_recorded: "From collection to the record",
  reported_to_recorded: "From the report to the record",
};

const EXPECTED =
  "Visits and infusions are expected once they took place or their window has closed; they are" +
  " overdue when the target day has passed and the window is still open. What is overdue is" +
  " therefore not yet among the expected.";

function draw({ operations: answer }) {
  const { body } = answer;
  const overdue = Object.fromEntries(body.overdue.map((each, place) => [each.kind, place]));
  return {
    keys: figures([
      ...body.completeness[0].items.map((each, place) => [
        ITEMS[each.item] ?? capital(words(each.item)),
        onRecord(answer, `/completeness/0/items/${place}`),
      ]),
      ["Visits overdue", metric(answer, `/overdue/${overdue.visit}/items`)],
      ["Infusions overdue", metric(answer, `/overdue/${overdue.infusion}/items`)],
      ["Queries waiting", metric(answer, "/queries/pending")],
      ["Inbox, items waiting", metric(answer, "/inbox/items")],
    ]),
    details: [
      el("p", { class: "soft" }, EXPECTED),
      completeness(answer),
      late(answer),
      folded("Every planned infusion and visit, by how it stands", (into) =>
        into.append(work(answer)),
      ),
      queries(answer),
      rules(answer),
      inbox(answer),
      turnaround(answer),
    ],
  };
}

/** Show how many of the expected are there. */
function onRecord(answer, pointer) {
  const show = (name, write) => metric(answer, `${pointer}/${name}`, write);
  return share(show("on_record"), show("expected"), show("rate", percent));
}

function completeness(answer) {
  const { completeness: groups } = answer.body;
  const rows = groups.map((group, g) => [
    group.level === null ? "All" : `Level ${group.level}`,
    metric(answer, `/completeness/${g}/subjects`),
    ...group.items.map((_, i) => onRecord(answer, `/completeness/${g}/items/${i}`)),
  ]);
  const items = groups[0].items.map((each) => ITEMS[each.item] ?? capital(words(each.item)));
  return table("On record, of what is expected by now", ["Level", "Participants", ...items], rows);
}

function late(answer) {
  const rows = answer.body.overdue.map((each, place) => [
    capital(words(each.kind)),
    ...["items", "subjects", "longest_days"].map((name) =>
      metric(answer, `/overdue/${place}/${name}`),
    ),
  ]);
  return table(
    "Overdue",
    ["What", "Items", "Participants", "Days since the target day, at most"],
    rows,
  );
}

function work(answer) {
  const statuses = Object.keys(answer.body.worklist[0]?.statuses ?? {});
  const rows = answer.body.worklist.map((each, place) => [
    `${capital(words(each.kind))} ${each.name}`,
    ...statuses.map((status) => metric(answer, `/worklist/${place}/statuses/${status}`)),
  ]);
  return table(
    "Planned infusions and visits",
    ["What", ...statuses.map((each) => capital(words(each)))],
    rows,
  );
}

function queries(answer) {
  const { origins } = answer.body.queries;
  const ages = Object.keys(origins[0]?.ages ?? {});
  const rows = origins.map((each, place) => [
    each.origin === "rule" ? "A rule" : "A person",
    ...["open", "answered", ...ages.map((age) => `ages/${age}`)].map((name) =>
      metric(answer, `/queries/origins/${place}/${name}`),
    ),
  ]);
  return table(
    "Queries that wait, by who asks and how long",
    ["Asked by", "Open", "Answered", ...ages.map((age) => capital(words(age)))],
    rows,
  );
}

function rules(answer) {
  return counts(answer, "/queries/by_rule", "Queries that a rule asks", "Rule");
}

function inbox(answer) {
  return counts(answer, "/inbox/by_reason", "Inbox, by why an item waits", "Reason");
}

/** List the counts of a vocabulary that are not zero. */
function counts(answer, pointer, caption, column) {
  const found = pointer
    .split("/")
    .slice(1)
    .reduce((value, step) => value[step], answer.body);
  const rows = Object.entries(found)
    .filter(([, count]) => count > 0)
    .map(([word]) => [capital(words(word)), metric(answer, `${pointer}/${word}`)]);
  return table(caption, [column, "Number"], rows);
}

function turnaround(answer) {
  const rows = answer.body.turnaround.map((each, place) => {
    const show = (name, write) => metric(answer, `/turnaround/${place}/${name}`, write);
    return [
      SPANS[each.span] ?? words(each.span),
      ROUTES[each.route] ?? "All",
      show("results"),
      show("untimed"),
      ...["median_minutes", "minimum_minutes", "maximum_minutes"].map((name) => show(name, span)),
    ];
  });
  return table(
    "How long results take",
    ["What", "Brought", "Results", "Without a time", "Median", "Shortest", "Longest"],
    rows,
  );
}
