// Builds the page's elements; every text enters as text, never as markup.

import { at } from "./api.js";
import { capital, number, percent, points, words } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
let made = 0;

/** Give an id that no other element of the page has. */
export function freshId(stem) {
  made += 1;
  return `${stem}-${made}`;
}

/** Make an element with attributes and children; null children are left out. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Make a button that does something. */
export function button(text, act) {
  const made = el("button", { type: "button", class: "plain" }, text);
  made.addEventListener("click", act);
  return made;
}

/** Show one value of an answer, and where in the answer it stands. */
export function metric(answer, pointer, write = number) {
  const value = at(answer.body, pointer);
  const raw = value === null || value === undefined ? "" : String(value);
  const place = { "data-metric": `${answer.name}#${pointer}`, "data-value": raw };
  return el("span", place, write(value));
}

/** Name the interval of an answer's proportions: its confidence and its method. */
export function intervalName({ body }) {
  return `${confidence(body)}, ${capital(words(body.interval_method))}`;
}

const confidence = (body) => `${number(body.confidence * 100)}% CI`;

/** Show a proportion: how many of how many, the rate, and its interval drawn and written.
    A table names the interval in its caption; alone, a proportion names it itself. */
export function proportion(answer, pointer, isAlone = false) {
  const show = (name, write) => metric(answer, `${pointer}/${name}`, write);
  const found = at(answer.body, pointer);
  const before = isAlone ? `(${confidence(answer.body)} ` : "(";
  return el(
    "span",
    { class: "proportion" },
    el("span", { class: "of" }, show("events"), "/", show("n")),
    " ",
    el("span", { class: "rate" }, show("rate", percent)),
    " ",
    interval(found),
    " ",
    el("span", { class: "soft" }, before, show("lower", points), "–", show("upper", points), ")"),
  );
}

/** Show how many of how many, and the rate, where no interval belongs. */
export function share(part, whole, rate) {
  return el("span", { class: "share" }, el("span", { class: "of" }, part, "/", whole), " ", rate);
}

/** Draw an interval on a line from 0 to 1; the numbers stand beside it. */
function interval({ rate, lower, upper }) {
  const drawn = (tag, attributes) => fill(document.createElementNS(SVG, tag), attributes, []);
  const x = (share) => 2 + 76 * share;
  const box = drawn("svg", { viewBox: "0 0 80 10", class: "interval", "aria-hidden": "true" });
  box.append(drawn("line", { x1: x(0), x2: x(1), y1: 5, y2: 5, class: "axis" }));
  if (typeof lower === "number" && typeof upper === "number") {
    box.append(drawn("line", { x1: x(lower), x2: x(upper), y1: 5, y2: 5, class: "span" }));
  }
  if (typeof rate === "number") box.append(drawn("circle", { cx: x(rate), cy: 5, r: 3 }));
  return box;
}

/** List key numbers: pairs of a label and what it shows. */
export function figures(pairs) {
  const entries = pairs
    .filter(Boolean)
    .map(([label, shown]) => el("div", {}, el("dt", {}, label), el("dd", {}, shown)));
  return el("dl", { class: "figures" }, entries);
}

/** Make a table that scrolls in an area of its own; the first cell of a row heads it. */
export function table(caption, columns, rows) {
  const id = freshId("caption");
  const head = columns.map((column) => el("th", { scope: "col" }, column));
  // A lone column has nothing that its cells could head.
  const heads = columns.length > 1 ? ["th", { scope: "row" }] : ["td", {}];
  const body = rows.map(([first, ...cells]) => [
    el(...heads, first),
    ...cells.map((cell) => el("td", {}, cell)),
  ]);
  const made = el(
    "table",
    {},
    el("caption", { id }, el("span", {}, caption)),
    el("thead", {}, el("tr", {}, head)),
    el(
      "tbody",
      {},
      body.map((cells) => el("tr", {}, cells)),
      rows.length ? null : nothing(columns.length),
    ),
  );
  return scrolling(made, { "aria-labelledby": id });
}

function nothing(columns) {
  return el("tr", {}, el("td", { colspan: columns, class: "soft" }, "None."));
}

/** Put a wide element into an area that the keyboard reaches when there is more to see. */
export function scrolling(element, named) {
  const region = el("div", { class: "scroll", role: "group", ...named }, element);
  const sizes = new ResizeObserver(() => {
    if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
    else region.removeAttribute("tabindex");
  });
  sizes.observe(region);
  sizes.observe(element);
  return region;
}

/** Fold something away under a summary; `open` makes it when it is first asked for, and again
    when it failed before. */
export function folded(summary, open) {
  const content = el("div", { class: "folded" });
  const made = el("details", {}, el("summary", {}, summary), content);
  made.addEventListener("toggle", () => {
    const isMissing = !content.hasChildNodes() || content.firstElementChild?.dataset.gap;
    if (made.open && isMissing) open(content);
  });
  return made;
}

/** Say something quietly. */
export function quiet(text) {
  return el("p", { class: "quiet" }, text);
}

/** Save a file under a name. */
export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = el("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
