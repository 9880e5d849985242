// Draws one section: its numbers and pictures, what is missing and why, and what it rests on.

import { isThere, METRICS } from "./answers.js";
import { button, el, metric, quiet, save } from "./elements.js";
import { explained } from "./explanation.js";
import { picture } from "./figure.js";
import { gap, kept } from "./gaps.js";
import { capital, short, words } from "./words.js";

/** Make the place of a section, with its heading alone. */
export function placeOf({ id, title }) {
  return el(
    "section",
    { id, "aria-labelledby": `${id}-title` },
    el("h2", { id: `${id}-title` }, title),
  );
}

/** Fill a section's place; gives what draws its pictures, one function for each. `again` asks for
    everything anew, for a number from a later moment would not fit the others. */
export function drawSection(section, answers, reader, again) {
  const place = document.getElementById(section.id);
  const failed = section.needs.map((name) => answers[name]).find((each) => !isThere(each));
  try {
    if (failed) throw failed;
    const { keys, details } = section.draw(answers);
    const pictures = picturesOf(section, answers.pictures, reader, again);
    place.append(
      ...[section.nothing?.(answers)].filter(Boolean).map(quiet),
      keys,
      ...pictures.map((each) => each.shown),
      ...details.filter(Boolean),
      ...gapsOf(section, answers, again),
      sources(section, answers, reader),
    );
    return pictures.flatMap((each) => each.draw ?? []);
  } catch (error) {
    place.append(gap(section.title, error, again));
    return [];
  }
}

/** Say of each answer that a section only uses why it is not there. */
function gapsOf({ mayUse = {} }, answers, again) {
  return Object.entries(mayUse)
    .filter(([name]) => !isThere(answers[name]))
    .map(([name, what]) => gap(what, answers[name], again));
}

/** Make a section's pictures; of one that is not listed for the reader, say why. */
function picturesOf({ title, pictures }, listed, reader, again) {
  if (!pictures.length) return [];
  if (!isThere(listed)) return [{ shown: gap(`Pictures of ${title}`, listed, again) }];
  return pictures.map((name) => {
    const entry = listed.body.items.find((each) => each.name === name);
    return entry ? picture(reader, entry) : { shown: kept(capital(words(name))) };
  });
}

/** Say what a section's numbers rest on, and offer the answers as they came. */
function sources({ needs, mayUse = {} }, answers, reader) {
  const found = [...needs, ...Object.keys(mayUse)].map((name) => answers[name]).filter(isThere);
  return el(
    "footer",
    { class: "sources" },
    found.map((answer) => basis(answer, reader)),
  );
}

const OF_ITEMS = ": each item in the file has the rule and the protocol version that it rests on";
const DIGESTS = { escalation: "/digest" };

function basis(answer, reader) {
  const { name, body } = answer;
  const isMetric = METRICS.includes(name);
  const digest = isMetric ? "/evidence_digest" : DIGESTS[name];
  const said = body.items ? [] : ["/study_day", "/protocol_version", digest];
  const labels = ["study day ", "protocol version ", "evidence "];
  const shown = said.flatMap((pointer, place) =>
    pointer
      ? [place ? ", " : ": ", labels[place], metric(answer, pointer, place === 2 ? short : String)]
      : [],
  );
  const keep = button(`Save ${name}.json`, () => {
    save(new Blob([answer.text], { type: "application/json" }), `${reader.study}-${name}.json`);
  });
  return el(
    "div",
    { class: "basis-of" },
    el("p", { class: "soft" }, capital(name), body.items ? OF_ITEMS : shown),
    keep,
    isMetric ? explained(reader, answer) : null,
  );
}
