// Shows a picture of the API, and its data a click away: as a table and as files to keep.

import { Refusal } from "./api.js";
import { button, el, folded, save, scrolling, table } from "./elements.js";
import { attempt, reasonOf } from "./gaps.js";
import { capital, number, words } from "./words.js";

/** Show a picture with its data; `draw` fetches it, and says where it would be if that fails. */
export function picture(reader, { name, title, description }) {
  const place = el("div", { class: "picture", "aria-busy": "true" });
  const region = scrolling(place, { "aria-label": `Picture: ${title}` });
  const shown = el(
    "figure",
    { "data-picture": name },
    region,
    el("figcaption", {}, el("strong", {}, `${title}.`), " ", description),
    folded(`Data of this picture: ${title}`, (into) => data(reader, { name, title }, into)),
  );
  const make = async () => [await image(reader, name, `${title}. ${description}`)];
  return { shown, draw: () => attempt(place, `Picture “${title}”`, make) };
}

/** Fetch the image with the reader's token; an image address could not carry it. */
async function image(reader, name, alternative) {
  const address = URL.createObjectURL(await reader.readFile(`/metrics/${name}.svg`));
  reader.onForget(() => URL.revokeObjectURL(address));
  const made = el("img", { alt: alternative, src: address });
  await made.decode().catch(() => {
    throw new Refusal(0, "The picture did not arrive as one; try again.");
  });
  return made;
}

function data(reader, { name, title }, into) {
  const said = el("p", { role: "status" });
  const keep = (ending) => async () => {
    said.textContent = "";
    try {
      const file = await reader.readFile(`/metrics/${name}${ending}`);
      save(file, `${reader.study}-${name}${ending}`);
    } catch (error) {
      said.textContent = reasonOf(error);
    }
  };
  const buttons = [
    button("Save as .svg", keep(".svg")),
    button("Save as .vl.json (Vega-Lite with data)", keep(".vl.json")),
  ];
  const rows = el("div");
  into.append(el("p", { class: "buttons" }, buttons), said, rows);
  attempt(rows, `Data of “${title}”`, async () => {
    const answer = await reader.read(name, `/metrics/${name}.vl.json`);
    return datasets(answer.body).map((rows, place) => asTable(rows, `${title}, data ${place + 1}`));
  });
}

/** Find the rows that a Vega-Lite specification draws, wherever in it they stand, once each. */
function datasets(specification) {
  const found = Object.values(specification.datasets ?? {});
  const look = (view) => {
    found.push(view.data?.values);
    for (const name of ["layer", "concat", "hconcat", "vconcat"]) view[name]?.forEach(look);
    if (view.spec) look(view.spec);
  };
  look(specification);
  const filled = found.filter((rows) => Array.isArray(rows) && rows.length);
  return [...new Map(filled.map((rows) => [JSON.stringify(rows), rows])).values()];
}

function asTable(rows, caption) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const shown = (value) => (typeof value === "object" ? JSON.stringify(value) : number(value));
  return table(
    `${caption}: ${rows.length} ${rows.length === 1 ? "row" : "rows"}`,
    columns.map((column) => capital(words(column))),
    rows.map((row) => columns.map((column) => shown(row[column] ?? null))),
  );
}
