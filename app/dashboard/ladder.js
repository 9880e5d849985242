// Section "Ladder": how each dose level stands, and what is recommended next.

import { isThere } from "./answers.js";
import { el, figures, intervalName, metric, proportion, table } from "./elements.js";
import { capital, words } from "./words.js";

export const ladder = {
  id: "ladder",
  title: "Ladder",
  needs: ["study"],
  mayUse: {
    escalation: "How each level stands on the ladder, and why",
    enrolment: "Participants by dose level",
    safety: "Dose-limiting toxicities by dose level",
  },
  pictures: ["ladder"],
  nothing: ({ enrolment }) =>
    isThere(enrolment) && !enrolment.body.enrolled ? "Nobody has been enrolled yet." : null,
  draw,
};

const titled = (value) => capital(words(value));

function draw({ study, ...others }) {
  // Each of these may be missing: then it is an error, which is told elsewhere.
  const [escalation, enrolment, safety] = ["escalation", "enrolment", "safety"].map((name) =>
    isThere(others[name]) ? others[name] : null,
  );
  return {
    keys: figures([
      ["Recommendation", metric(study, "/recommendation", titled)],
      ["Level", metric(study, "/level", words)],
      ["Next level", metric(study, "/target_level", words)],
      study.body.open_cohort && ["Places open now", metric(study, "/open_cohort/slots_open_now")],
      ["On hold", metric(study, "/decisions/on_hold", titled)],
      ["Stopped", metric(study, "/decisions/stopped", titled)],
      ["Declared MTD", metric(study, "/decisions/declared_mtd", words)],
      escalation && [
        "Candidate for the phase 2 dose",
        metric(escalation, "/rp2d_candidate", words),
      ],
    ]),
    details: [
      escalation ? reasons(escalation) : null,
      enrolment ? levels(enrolment, safety, escalation) : null,
    ],
  };
}

/** Say why the ladder recommends what it does, and what holds the next step up. */
function reasons(escalation) {
  const { reasons: why, blocked_by: blockers, warnings, held_by: held } = escalation.body;
  const listed = [
    ...why.map((each) => each.message),
    ...blockers.map((each) => `Level ${each.level} waits: ${each.message}`),
    ...warnings.map((each) => `Note: ${each.message}`),
    ...held.map((each) => `Held: ${each.message}`),
  ];
  return el(
    "ul",
    { class: "reasons" },
    listed.map((text) => el("li", {}, text)),
  );
}

function levels(enrolment, safety, escalation) {
  const columns = ["Level", "Phase", escalation && "Status", "Enrolled", "Dosed", "In window"];
  columns.push("Unresolved", "Evaluable", "Not evaluable");
  if (safety) columns.push(`DLTs among evaluable (${intervalName(safety)})`, "To adjudicate");
  const rows = enrolment.body.levels.map((level, place) => {
    const count = (name) => metric(enrolment, `/levels/${place}/${name}`);
    return [
      count("level"),
      metric(enrolment, `/levels/${place}/phase`, words),
      escalation && standing(escalation, level),
      ...["enrolled", "treated", "in_window", "unresolved", "evaluable", "not_evaluable"].map(
        count,
      ),
      ...(safety ? toxicity(safety, level) : []),
    ].filter(Boolean);
  });
  return table("Participants by dose level", columns.filter(Boolean), rows);
}

function toxicity(safety, { level, phase }) {
  const place = safety.body.dose_limiting_toxicities.findIndex(
    (each) => each.level === level && each.phase === phase,
  );
  const dlt = `/dose_limiting_toxicities/${place}`;
  return place < 0
    ? ["–", "–"]
    : [proportion(safety, `${dlt}/dlts`), metric(safety, `${dlt}/open_items`)];
}

/** Name the status of a level; an expansion has none of its own. */
function standing(escalation, { level, phase }) {
  const place = escalation.body.ladder.findIndex((each) => each.level === level);
  if (phase !== "escalation" || place < 0) return "–";
  return el("strong", {}, metric(escalation, `/ladder/${place}/status`, words));
}
