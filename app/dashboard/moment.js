// Reads the moment that somebody asks for, in the page's field or in its address.

import { Refusal } from "./api.js";

const MOMENT =
  /^(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)(Z|[+-]\d{2}:\d{2})?)?$/;
const REFUSED =
  "“As of” takes a date or a moment, such as 2026-05-01, 2026-05-01T12:00Z or" +
  " 2026-05-01T20:00+08:00; correct it, or leave it empty for now.";

/** Give a moment of RFC 3339, UTC where no zone is given, and null for now; throw a sentence. */
export function readMoment(text) {
  const wanted = text.trim().toUpperCase();
  if (!wanted) return null;
  const [, day, time = "00:00", zone = "Z"] = wanted.match(MOMENT) ?? [];
  // A browser takes February 30 for March 2.
  const start = new Date(`${day}T00:00Z`);
  const isDay = !Number.isNaN(start.getTime()) && start.toISOString().startsWith(day);
  if (!isDay || Number.isNaN(Date.parse(`${day}T${time}${zone}`))) throw new Refusal(422, REFUSED);
  return `${day}T${/:.*:/.test(time) ? time : `${time}:00`}${zone}`;
}

/** Give the moment of an address as it was meant: a plus sign there reads as a space. */
export function momentOf(asked) {
  return (asked.get("as_of") ?? "").replace(/(T.*) (\d{2}:\d{2})$/i, "$1+$2");
}
