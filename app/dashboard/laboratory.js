// Section "Laboratory": how counts move, how grades shift, and the markers.

import { at } from "./api.js";
import { el, figures, folded, metric, quiet, table } from "./elements.js";
import { capital, number, unit, words } from "./words.js";

export const laboratory = {
  id: "laboratory",
  title: "Laboratory",
  needs: ["laboratory"],
  pictures: ["lab-trajectories"],
  nothing: ({ laboratory: { body } }) => (body.treated ? null : "Nobody has been treated yet."),
  draw,
};

function draw({ laboratory: answer }) {
  const { lineages, markers, shifts } = answer.body;
  const measured = markers.flatMap((each, place) => (each.groups[0].subjects ? [place] : []));
  const without = markers.filter((each) => !each.groups[0].subjects).map((each) => each.name);
  return {
    keys: figures([
      ["Treated", metric(answer, "/treated")],
      ...lineages.map((each, place) => [
        `${each.name} at baseline, median, ${unit(each.unit)}`,
        ofSo(answer, `/lineages/${place}/groups/0/baseline`),
      ]),
    ]),
    details: [
      lastVisits(answer),
      ...lineages.map((each, place) =>
        folded(`${each.name} by visit and level`, (into) =>
          into.append(...visits(answer, `/lineages/${place}`, each)),
        ),
      ),
      shiftList(answer),
      folded("Shift tables by term and level: grade at baseline against the worst since", (into) =>
        into.append(...shifts.flatMap((each, place) => shiftTables(answer, each, place))),
      ),
      overview(answer, measured),
      ...measured.map((place) =>
        folded(`${markers[place].name} by visit and level`, (into) =>
          into.append(...visits(answer, `/markers/${place}`, markers[place])),
        ),
      ),
      without.length ? quiet(`No results yet: ${without.join("; ")}.`) : null,
    ],
  };
}

const groupName = (level) => (level === null ? "All levels" : `Level ${level}`);

/** Show a median, and of how many it is. */
function ofSo(answer, pointer) {
  const show = (name) => metric(answer, `${pointer}/${name}`);
  return el("span", {}, show("median"), " ", el("span", { class: "soft" }, "(n = ", show("n"), ")"));
}

/** Show a median with its range. */
function spread(answer, pointer) {
  const show = (name) => metric(answer, `${pointer}/${name}`);
  return el(
    "span",
    { class: "spread" },
    el("strong", {}, show("median")),
    " (",
    show("minimum"),
    " to ",
    show("maximum"),
    ")",
  );
}

/** Compare each lineage at baseline with its last visit that anybody has a value of, by level. */
function lastVisits(answer) {
  const rows = answer.body.lineages.flatMap((each, place) =>
    each.groups.flatMap((group, g) => {
      if (group.level !== null && !group.subjects) return [];
      const pointer = `/lineages/${place}/groups/${g}`;
      const scheduled = group.visits.map((visit) => visit.anchor);
      const last = scheduled.lastIndexOf("last");
      return [
        [
          `${each.name}, ${unit(each.unit)}`,
          groupName(group.level),
          metric(answer, `${pointer}/baseline/n`),
          spread(answer, `${pointer}/baseline`),
          ...(last < 0
            ? ["–", "–", "–", "–", "–"]
            : [
                metric(answer, `${pointer}/visits/${last}/visit`),
                ...valueAndChange(answer, `${pointer}/visits/${last}`),
              ]),
        ],
      ];
    }),
  );
  const columns = ["Count", "Level", "n at baseline", "Baseline", "Visit"];
  return table(
    "Blood counts: baseline and the last scheduled visit so far, median (range)",
    [...columns, "n at that visit", "At that visit", "n of the change", "Change from baseline"],
    rows,
  );
}

/** Show the values of a visit and their change, each with its own number of participants. */
function valueAndChange(answer, pointer) {
  return ["value", "change"].flatMap((name) => [
    metric(answer, `${pointer}/${name}/n`),
    spread(answer, `${pointer}/${name}`),
  ]);
}

/** List the baseline and every visit of an analyte, a table for each group that has any. */
function visits(answer, pointer, trajectory) {
  const columns = ["Visit", "Counted from", "Target day", "n", "Median (range)"];
  columns.push("n of the change", "Change from baseline");
  return trajectory.groups.flatMap((group, g) => {
    if (!group.visits.length) return [];
    const of = `${pointer}/groups/${g}`;
    const baseline = [metric(answer, `${of}/baseline/n`), spread(answer, `${of}/baseline`)];
    const rows = group.visits.map((visit, v) => [
      visit.visit,
      `${visit.anchor} infusion`,
      metric(answer, `${of}/visits/${v}/target_day`),
      ...valueAndChange(answer, `${of}/visits/${v}`),
    ]);
    const caption = `${trajectory.name}, ${unit(trajectory.unit)}: ${groupName(group.level)}`;
    return [table(caption, columns, [["Baseline", "–", "–", ...baseline, "–", "–"], ...rows])];
  });
}

const GRADES = ["0", "1", "2", "3", "4", "not_gradable", "missing"];
const gradeName = (grade) => (grade.length === 1 ? `Grade ${grade}` : capital(words(grade)));

/** List from which grade to which worst one participants went, and how many of each level. */
function shiftList(answer) {
  const rows = answer.body.shifts.flatMap(({ term, analyte, groups }, place) =>
    groups[0].cells
      .filter(({ subjects }) => subjects)
      .map((shift) => [
        `${term} (${analyte})`,
        gradeName(shift.baseline),
        gradeName(shift.worst),
        ...groups.map((group, g) => shifted(answer, `/shifts/${place}/groups/${g}`, shift)),
      ]),
  );
  const levels = (answer.body.shifts[0]?.groups ?? []).map(({ level }) => groupName(level));
  const version = `CTCAE ${answer.body.ctcae_version}`;
  return table(
    `Shifts of laboratory grade (${version}): participants of all who were treated`,
    ["Term (analyte)", "At baseline", "Worst since the first infusion", ...levels],
    rows,
  );
}

/** Show how many of a group went from one grade to another; a cell that is not there is nobody. */
function shifted(answer, pointer, { baseline, worst }) {
  const found = cellOf(at(answer.body, pointer), baseline, worst);
  const many = found < 0 ? "0" : metric(answer, `${pointer}/cells/${found}/subjects`);
  return el("span", { class: "of" }, many, "/", metric(answer, `${pointer}/subjects`));
}

const cellOf = ({ cells }, baseline, worst) =>
  cells.findIndex((each) => each.baseline === baseline && each.worst === worst);

/** Make a table for each group; its last column adds up those who had a grade at baseline. */
function shiftTables(answer, shift, place) {
  return shift.groups.flatMap((group, g) => {
    if (!group.subjects) return [];
    const cell = (baseline, worst) => {
      const found = cellOf(group, baseline, worst);
      return found < 0 ? "0" : metric(answer, `/shifts/${place}/groups/${g}/cells/${found}/subjects`);
    };
    const had = (baseline) =>
      group.cells
        .filter((each) => each.baseline === baseline)
        .reduce((sum, each) => sum + each.subjects, 0);
    const rows = GRADES.filter(had).map((baseline) => [
      `From ${gradeName(baseline).toLowerCase()}`,
      ...GRADES.map((worst) => cell(baseline, worst)),
      number(had(baseline)),
    ]);
    const columns = GRADES.map((grade) => `To ${gradeName(grade).toLowerCase()}`);
    const of = `${groupName(group.level)}, n = ${number(group.subjects)}`;
    return [
      table(
        `${shift.term} (${shift.analyte}): ${of}`,
        ["Baseline", ...columns, "All with this baseline"],
        rows,
      ),
    ];
  });
}

function overview(answer, measured) {
  const levels = answer.body.markers[0]?.groups.map(({ level }) => groupName(level)) ?? [];
  const rows = measured.map((place) => {
    const { name, unit: code, groups } = answer.body.markers[place];
    const of = (g) => `/markers/${place}/groups/${g}`;
    return [
      name,
      unit(code),
      ...groups.map((_, g) => metric(answer, `${of(g)}/subjects`)),
      metric(answer, `${of(0)}/baseline/n`),
      spread(answer, `${of(0)}/baseline`),
    ];
  });
  return table(
    "Immune and inflammatory markers: participants with any value, by level, and the baseline of all",
    ["Marker", "Unit", ...levels, "n at baseline", "Baseline, median (range)"],
    rows,
  );
}
