// Reads the public API with the token of whoever looks; keeps that token in memory only.

const API = new URL("api/v1/studies/", document.baseURI);
const SECONDS = 60;

/** A refusal, in the words of the service's problem document; status 0 is of no answer at all. */
export class Refusal extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** One reader of one study at one moment; `forget` ends what is under way and drops the token. */
export class Reader {
  #token;
  #expired;
  #stop = new AbortController();
  #undo = [];

  /** `expired` hears of any answer that the token is not, or no longer, good for. */
  constructor(study, token, moment, expired) {
    this.study = study;
    this.moment = moment;
    this.#token = token;
    this.#expired = expired;
  }

  /** Drop the token, end what is under way, and give back what pictures hold. */
  forget() {
    this.#token = null;
    this.#stop.abort();
    this.#undo.forEach((each) => each());
  }

  onForget(undo) {
    if (this.#stop.signal.aborted) undo();
    else this.#undo.push(undo);
  }

  /** Read JSON as an answer that `metric` can show; `name` says which one it is. */
  async read(name, path, query = {}) {
    const text = await this.#get(path, query, (response) => response.text());
    return { name, text, body: parsed(text) };
  }

  /** Read a file, such as a picture. */
  readFile(path) {
    return this.#get(path, {}, (response) => response.blob());
  }

  async #get(path, query, take) {
    try {
      const response = await this.#fetch(path, query);
      if (!response.ok) throw new Refusal(response.status, await detailOf(response));
      return await take(response);
    } catch (error) {
      const told = toldOf(error);
      if (told.status === 401) this.#expired(told);
      throw told;
    }
  }

  async #fetch(path, query) {
    this.#stop.signal.throwIfAborted();
    // A header could not carry it, and a browser would only say that something failed.
    if (!/^[\x20-\x7e]+$/.test(this.#token)) {
      throw new Refusal(401, "This is no access token; copy it again.");
    }
    const address = new URL(encodeURIComponent(this.study) + path, API);
    if (this.moment) address.searchParams.set("as_of", this.moment);
    for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value);
    return fetch(address, {
      headers: { Authorization: `Bearer ${this.#token}` },
      signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(SECONDS * 1000)]),
      credentials: "omit",
      redirect: "error",
      cache: "no-store",
    });
  }
}

/** Say in a sentence what a browser only calls an error. */
function toldOf(error) {
  if (error instanceof Refusal || error.name === "AbortError") return error;
  return new Refusal(
    0,
    error.name === "TimeoutError"
      ? `The service did not answer within ${SECONDS} seconds; try again.`
      : "The service does not answer; check the connection and try again.",
  );
}

async function detailOf(response) {
  const problem = (await response.json().catch(() => null)) ?? {};
  const errors = Array.isArray(problem.errors) ? problem.errors : [];
  const details = [problem.detail, ...errors.map((each) => each?.message)];
  const said = details.filter((each) => typeof each === "string" && each).join(" ");
  return said || `The service answered ${response.status}; try again later.`;
}

function parsed(text) {
  try {
    const body = JSON.parse(text);
    if (body && typeof body === "object") return body;
  } catch {
    // Told below, as any other text that is no answer.
  }
  throw new Refusal(0, "The service sent something that is no answer of its API; try again.");
}

/** Give the value at a JSON pointer (RFC 6901). */
export function at(body, pointer) {
  const steps = pointer.split("/").slice(1);
  const name = (step) => step.replaceAll("~1", "/").replaceAll("~0", "~");
  return steps.reduce((value, step) => value?.[name(step)], body);
}
