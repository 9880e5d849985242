// Says why something is not there, and what to do: it is not for the reader, or it failed.

import { Refusal } from "./api.js";
import { button, el, quiet } from "./elements.js";

const WITHHELD = 403;

/** Say in a sentence why something is not shown. */
export function reasonOf(error) {
  if (error.status === WITHHELD) return "This is not for your role.";
  return error instanceof Refusal ? error.message : "The service's answer cannot be shown here.";
}

/** Stand where something is missing; only what failed can be tried again. */
export function gap(what, error, again) {
  const kind = error.status === WITHHELD ? "role" : "failure";
  const said = quiet(`${what}: ${reasonOf(error)}`);
  return el("div", { "data-gap": kind }, said, kind === "role" ? null : button("Try again", again));
}

/** Stand where a picture of single participants is kept from the reader. */
export function kept(what) {
  const why = "This picture shows single participants, which is not for your role.";
  return el("div", { "data-gap": "role" }, quiet(`${what}: ${why}`));
}

/** Fill a place with what `make` reads; a failure is said there, and can be tried again. */
export async function attempt(into, what, make) {
  into.replaceChildren(quiet("Loading…"));
  into.setAttribute("aria-busy", "true");
  try {
    into.replaceChildren(...(await make()));
  } catch (error) {
    const again = () => {
      attempt(into, what, make);
      // The button that had the focus is gone.
      into.tabIndex = -1;
      into.focus();
    };
    into.replaceChildren(gap(what, error, again));
  }
  into.removeAttribute("aria-busy");
  into.dispatchEvent(new Event("settled", { bubbles: true }));
}
