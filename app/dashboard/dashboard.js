// The page: who asks and what for, and from the answers its header, sections and state.

import { ask, isUnchanged } from "./answers.js";
import { Reader } from "./api.js";
import { conduct } from "./conduct.js";
import { el, metric } from "./elements.js";
import { enrolment } from "./enrolment.js";
import { reasonOf } from "./gaps.js";
import { laboratory } from "./laboratory.js";
import { ladder } from "./ladder.js";
import { momentOf, readMoment } from "./moment.js";
import { response } from "./response.js";
import { safety } from "./safety.js";
import { drawSection, placeOf } from "./section.js";
import { instant, localInstant, short } from "./words.js";

const SECTIONS = [ladder, enrolment, safety, response, laboratory, conduct];

const MOVED =
  " Records may have changed while this was read, so that parts may differ; press Show again.";

const byId = (id) => document.getElementById(id);
let reader = null;
let retell = () => {};

/** Ask for everything, show the sections, then draw the pictures one after the other. */
async function show(event) {
  event?.preventDefault();
  empty();
  const mine = begin();
  if (!mine) return;
  say("Loading…");
  try {
    const { answers, isOne } = await ask(mine);
    if (mine !== reader) return;
    drawHeader(answers.study, answers.enrolment);
    drawContents();
    const drawings = SECTIONS.flatMap((section) => drawSection(section, answers, mine, show));
    say("Drawing the pictures…");
    for (const draw of drawings) await draw();
    const isSame = isOne && (await isUnchanged(mine, answers));
    if (mine !== reader) return;
    // A picture that is tried again and arrives changes what there is to tell.
    retell = () => tell(isSame);
    retell();
  } catch (error) {
    if (mine === reader) refuse(error);
  }
}

/** Take what is asked from the form; nothing is asked of the service for a moment that is none. */
function begin() {
  const token = byId("token")
    .value.trim()
    .replace(/^Bearer\s+/i, "");
  try {
    const moment = readMoment(byId("moment").value);
    reader = new Reader(byId("study").value.trim(), token, moment, (error) => {
      if (mine === reader) refuse(error);
    });
  } catch (error) {
    refuse(error);
    byId("moment").focus();
    return null;
  }
  const mine = reader;
  byId("forget").disabled = false;
  keepAddress();
  return mine;
}

/** Keep what is asked, never who asks, in the address, so that it can be handed on. */
function keepAddress() {
  const address = new URL(location.pathname, location.origin);
  address.searchParams.set("study", byId("study").value.trim());
  if (reader.moment) address.searchParams.set("as_of", reader.moment);
  history.replaceState(null, "", address);
}

function drawHeader(study, enrolled) {
  const moment = reader.moment ?? study.body.as_of;
  document.title = `${study.body.key}: study dashboard`;
  byId("title").textContent = study.body.title ?? "Study dashboard";
  byId("basis").replaceChildren(
    pair("Study", metric(study, "/key")),
    pair("Protocol version", metric(study, "/protocol_version")),
    pair("Study day", metric(study, "/study_day")),
    pair("Records as of", `${instant(moment)}${localInstant(moment, study.body.time_zone)}`),
    enrolled.body ? pair("Evidence", metric(enrolled, "/evidence_digest", short)) : "",
  );
  byId("basis").hidden = false;
}

const pair = (label, shown) => el("div", {}, el("dt", {}, label), el("dd", {}, shown));

function drawContents() {
  const links = SECTIONS.map(({ id, title }) => el("li", {}, el("a", { href: `#${id}` }, title)));
  byId("contents").replaceChildren(el("ul", {}, links));
  byId("contents").hidden = false;
  byId("content").replaceChildren(...SECTIONS.map(placeOf));
}

/** Say what is shown, what is missing, and whether all of it is of the same records. */
function tell(isSame) {
  const count = (kind) =>
    byId("content").querySelectorAll(`[data-gap="${kind}"]:not(details *)`).length;
  const [failed, withheld] = [count("failure"), count("role")];
  const parts = (many) => (many === 1 ? "1 part is" : `${many} parts are`);
  const shown = withheld
    ? `Everything for your role is shown; ${parts(withheld)} not for it.`
    : "Everything is shown.";
  const missing =
    `Not everything is shown: ${parts(failed)} missing because of an error, which is said there;` +
    " try again there, or press Show.";
  say(`${failed ? missing : shown}${isSame ? "" : MOVED}`);
}

/** Say a refusal in the service's words, and what to do. */
function refuse(error) {
  empty();
  const problem = byId("problem");
  const advice =
    error.status === 401
      ? " Paste a new token above and press Show; the old one is forgotten."
      : "";
  problem.textContent = `${reasonOf(error)}${advice}`;
  problem.hidden = false;
  if (error.status === 401) {
    byId("token").value = "";
    byId("token").focus();
  }
}

/** Drop the token and everything that was read with it from the page. */
function empty() {
  reader?.forget();
  reader = null;
  retell = () => {};
  say("");
  byId("forget").disabled = true;
  byId("problem").hidden = true;
  byId("basis").hidden = true;
  byId("contents").hidden = true;
  byId("title").textContent = "Study dashboard";
  document.title = "Study dashboard";
  for (const id of ["basis", "contents", "content"]) byId(id).replaceChildren();
}

function forget() {
  empty();
  byId("token").value = "";
  byId("token").focus();
  say("The token is forgotten, and what it showed is gone from this page.");
}

function say(text) {
  byId("status").textContent = text;
}

const asked = new URLSearchParams(location.search);
if (asked.has("study")) byId("study").value = asked.get("study");
byId("moment").value = momentOf(asked);
try {
  readMoment(byId("moment").value);
} catch (error) {
  refuse(error);
}
byId("entry").addEventListener("submit", show);
byId("forget").addEventListener("click", forget);
byId("content").addEventListener("settled", () => retell());
// A page that the browser keeps for "back" shall keep no token and no data.
for (const name of ["pagehide", "pageshow"]) {
  addEventListener(name, (event) => {
    if (name === "pageshow" && !event.persisted) return;
    byId("token").value = "";
    empty();
  });
}
