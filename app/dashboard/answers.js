// Asks for all answers of the page, such that they are of the same records.

const PATHS = {
  escalation: ["/escalation"],
  reports: ["/safety-reports", { status: "overdue" }],
  safety: ["/metrics/safety"],
  efficacy: ["/metrics/efficacy"],
  laboratory: ["/metrics/laboratory"],
  operations: ["/metrics/operations"],
  pictures: ["/metrics/pictures"],
};
const STUDY = ["study", ""];
const ENROLMENT = ["enrolment", "/metrics/enrolment"];
const ROUNDS = 3;
export const METRICS = ["enrolment", "safety", "efficacy", "laboratory", "operations"];

/** Tell an answer from the error that stands where it is missing. */
export const isThere = (answer) => Boolean(answer?.body);

/** Ask for everything, again while records change in between; say whether all are of one state.
    An answer that is refused or fails is its error; only the study's own is thrown. */
export async function ask(reader) {
  for (let round = 1; ; round += 1) {
    const answers = await askOnce(reader);
    const isOne = agree(answers);
    if (isOne || round === ROUNDS) return { answers, isOne };
  }
}

async function askOnce(reader) {
  // A wrong study, moment or token is refused once, and not by every address.
  const study = await reader.read(...STUDY);
  // The first family draws the study; the others find it drawn, and hold no connection waiting.
  const enrolment = await reader.read(...ENROLMENT).catch((error) => error);
  const rest = Object.entries(PATHS).map(async ([name, asked]) => [
    name,
    await reader.read(name, ...asked).catch((error) => error),
  ]);
  return { study, enrolment, ...Object.fromEntries(await Promise.all(rest)) };
}

/** Tell whether the answers rest on the same facts, protocol version, study day and decisions.
    The evidence of operations has queries and the inbox, too: its digest is like no other. */
function agree(answers) {
  const families = METRICS.map((name) => answers[name]).filter(isThere);
  const counts = families.filter(({ name }) => name !== "operations");
  const ladders = [answers.study, answers.escalation].filter(isThere);
  return (
    same(counts, ["evidence_digest"]) &&
    same([...families, ...ladders], ["protocol_digest", "study_day"]) &&
    same(ladders, ["recommendation", "level", "target_level"])
  );
}

const same = (answers, names) =>
  new Set(answers.map(({ body }) => JSON.stringify(names.map((name) => body[name])))).size <= 1;

/** Tell whether the records are still those of the answers, after pictures were drawn of them. */
export async function isUnchanged(reader, answers) {
  if (reader.moment) return true;
  const known = [STUDY, ENROLMENT].filter(([name]) => isThere(answers[name]));
  const again = await Promise.all(
    known.map((asked) => reader.read(...asked).catch((error) => error)),
  );
  return again.every(
    (answer, place) => isThere(answer) && timeless(answer) === timeless(answers[known[place][0]]),
  );
}

const timeless = ({ body }) => JSON.stringify({ ...body, as_of: null });
