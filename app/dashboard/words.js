// Says values in plain words: numbers, rates, moments and the words of the API.

const NOTHING = "–";
const PLAIN = {
  CR: "complete response",
  PR: "partial response",
  NR: "no response",
  NE: "not evaluable",
  enrol: "enrol on this level",
  level_tolerated: "level tolerated",
  mtd_exceeded: "MTD exceeded",
  any_grade: "any grade",
  grade_3_or_higher: "grade 3 or higher",
  not_reached: "not reached",
  crs: "cytokine release syndrome",
  "clopper-pearson": "Clopper-Pearson",
  icans: "neurotoxicity (ICANS)",
  serious_initial: "serious event, initial",
  susar_initial: "SUSAR, initial",
  susar_complete: "SUSAR, complete",
  susar_new_information: "SUSAR, new information",
};

/** Say a word of the API's vocabulary without underscores. */
export function words(value) {
  if (value === null || value === undefined || value === "") return NOTHING;
  if (typeof value === "boolean") return value ? "yes" : "no";
  const text = String(value);
  return PLAIN[text] ?? text.replaceAll("_", " ");
}

/** Begin with a capital. */
export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Write a number with groups of three; text stays. */
export function number(value) {
  if (value === null || value === undefined) return NOTHING;
  return typeof value === "number"
    ? value.toLocaleString("en", { maximumFractionDigits: 6 })
    : String(value);
}

/** Write a share between 0 and 1 as a percentage with one decimal. */
export function percent(value) {
  return value === null || value === undefined ? NOTHING : `${(value * 100).toFixed(1)}%`;
}

/** The same without the sign, for the ends of an interval. */
export function points(value) {
  return value === null || value === undefined ? NOTHING : (value * 100).toFixed(1);
}

/** Write cells in millions, as doses are prescribed. */
export function millions(value) {
  return value === null || value === undefined ? NOTHING : `${number(value / 1e6)} × 10⁶`;
}

/** Write minutes in the largest unit that leaves a number of at least two. */
export function span(minutes) {
  if (minutes === null || minutes === undefined) return NOTHING;
  const one = (amount, name) =>
    `${amount.toLocaleString("en", { maximumFractionDigits: 1 })} ${name}`;
  if (minutes >= 2 * 24 * 60) return one(minutes / 24 / 60, "days");
  return minutes >= 120 ? one(minutes / 60, "hours") : one(minutes, "minutes");
}

/** Write a UCUM unit as people do. */
export function unit(code) {
  if (!code || code === "1") return "no unit";
  return code.replace(/10\*(\d)/, (_, power) => `10${"⁰¹²³⁴⁵⁶⁷⁸⁹"[power]}`).replace(/^ug/, "µg");
}

/** Write an instant in UTC to the second. */
export function instant(value) {
  if (!value) return NOTHING;
  const moment = new Date(value);
  if (Number.isNaN(moment.getTime())) return String(value);
  return `${moment.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** Write the same instant to the minute in the study's own zone, which its days are counted in. */
export function localInstant(value, zone) {
  const moment = new Date(value);
  if (!zone || zone === "UTC" || Number.isNaN(moment.getTime())) return "";
  const form = { dateStyle: "short", timeStyle: "short", timeZone: zone };
  // Swedish writes the year first, as everything else here does.
  return ` (${moment.toLocaleString("sv", form)} ${zone.replaceAll("_", " ")})`;
}

/** Shorten a digest to what two people can compare. */
export function short(digest) {
  return digest ? String(digest).slice(0, 12) : NOTHING;
}
