// Imports: a file or an address to index, the progress of those that run, and what came of those before.

import { Problem, asProblem, call, post, problem, send } from "./api.js";
import { at, button, copyOf, lines, make, pair, row } from "./elements.js";
import { eventsOf } from "./events.js";
import { capitalized, counted, moment } from "./values.js";

const PAGE_SIZE = 20;
const N_DEAD_LETTERS = 100;
const STATUSES = {
  waiting: "Waiting",
  running: "Running",
  done: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
  interrupted: "Interrupted",
};

let signal = null;
let onEnd = () => {};

/** `afterImport` is called when one ends. */
export function connectImports(afterImport) {
  onEnd = afterImport;
  const run = (act) => async (event) => {
    event.preventDefault();
    showFormProblem(null);
    at("import-form").setAttribute("aria-busy", "true");
    try {
      await act();
    } catch (error) {
      showFormProblem(asProblem(error));
    } finally {
      at("import-form").setAttribute("aria-busy", "false");
    }
  };
  at("import-file").addEventListener("change", (event) => run(() => upload(event.target.files[0]))(event));
  at("import-form").addEventListener("submit", run(fetchFromUrl));
}

/** Show the imports, newest first; those under way are followed until the view is left. */
export async function showImports(_section, newSignal) {
  signal = newSignal;
  at("imports").replaceChildren();
  await showMore(null);
}

/** Index a file that was chosen or dropped. Throws a Problem. */
export async function upload(file) {
  const body = new FormData();
  for (const [name, value] of Object.entries(options())) body.append(name, value);
  body.append("file", file);
  at("import-file").value = "";
  prepend(await call("/v1/imports", { method: "POST", body }));
}

async function fetchFromUrl() {
  const url = at("import-url").value.trim();
  if (!url) throw new Problem("There is no address.", "Give the web address of a catalog file, or choose a file.");
  prepend(await post("/v1/imports", { url, ...options() }));
  at("import-url").value = "";
}

function options() {
  return { dry_run: at("import-dry-run").checked, sync: at("import-sync").checked };
}

function prepend(job) {
  at("no-imports").hidden = true;
  const element = jobElement(job);
  at("imports").prepend(element);
  element.querySelector(".job-name").focus();
}

async function showMore(cursor) {
  const page = await call(`/v1/imports?limit=${PAGE_SIZE}${cursor === null ? "" : `&cursor=${cursor}`}`, { signal });
  at("imports").append(...page.imports.map(jobElement));
  at("no-imports").hidden = page.total > 0;
  at("more-imports").hidden = page.next_cursor === null;
  at("more-imports").onclick = () => showMore(page.next_cursor);
}

function showFormProblem(error) {
  at("import-problem").textContent = error ? `${error.message} ${error.remedy}` : "";
}

/** An import's element, which follows it to its end. */
function jobElement(job) {
  const element = copyOf("job");
  const cancel = element.querySelector(".cancel");
  cancel.addEventListener("click", async () => {
    cancel.disabled = true;
    await act(element, async () => fill(element, await post(`/v1/imports/${job.id}/cancel`, {})));
  });
  element.querySelector(".dead-letters").addEventListener("toggle", ({ target }) => {
    if (target.open) act(element, () => showDeadLetters(element, job.id));
  });
  fill(element, job);
  if (isUnderWay(job)) follow(element, job.id);
  return element;
}

async function act(element, action) {
  try {
    await action();
  } catch (error) {
    if (signal.aborted) return;
    const { message, remedy } = asProblem(error);
    element.querySelector(".problem").textContent = `${message} ${remedy}`;
  }
}

async function follow(element, id) {
  await act(element, async () => {
    const response = await send(`/v1/imports/${id}/events`, { signal, headers: { Accept: "text/event-stream" } });
    for await (const { name, data } of eventsOf(response)) {
      if (name === "error") throw problem(data, 500);
      fill(element, data);
    }
    onEnd();
  });
}

function isUnderWay({ status }) {
  return status === "waiting" || status === "running";
}

/** Bring an import's element in line with it. */
function fill(element, job) {
  const part = (name) => element.querySelector(`.${name}`);
  const underWay = isUnderWay(job);
  element.dataset.status = job.status;
  part("job-name").textContent = job.source || `Import ${job.id}`;
  part("status").textContent = [STATUSES[job.status], job.dry_run && "a trial"].filter(Boolean).join(", ");
  part("when").textContent = moment(job.created_at);
  part("when").dateTime = job.created_at;
  part("changes").textContent = underWay ? progressText(job) : (job.report?.changes ?? progressText(job));
  part("note").textContent = job.note;
  part("problem").textContent = job.error ? `${job.error.message} ${job.error.remedy}` : "";
  part("cancel").hidden = !underWay;
  fillBar(part("bar"), job, underWay);
  fillReport(part("report"), job);
  part("dead-letters").hidden = !job.n_dead_letters;
  part("dead-letters").querySelector("summary").textContent = `Rows and images left out: ${job.n_dead_letters.toLocaleString()}`;
}

function fillBar(bar, { progress, source }, isShown) {
  bar.hidden = !isShown;
  bar.ariaLabel = `Progress of ${source}`;
  if (progress.n_total) {
    bar.max = Math.max(progress.n_total, progress.n_done);
    bar.value = progress.n_done;
  } else bar.removeAttribute("value"); // as long as the number of rows is not known
}

function progressText({ status, stage, progress }) {
  const { n_done, n_total, per_second: speed, seconds_left: seconds, n_rejected } = progress;
  const rows = n_total ? `${n_done.toLocaleString()} of about ${counted(n_total, "row")}` : counted(n_done, "row");
  const words = [
    status === "running" && stage !== "indexing" && capitalized(stage),
    n_done > 0 && rows,
    n_rejected > 0 && `${n_rejected.toLocaleString()} rejected`,
    status === "running" && speed && `${Math.round(speed).toLocaleString()} a second`,
    status === "running" && seconds !== null && `${duration(seconds)} left`,
  ];
  return words.filter(Boolean).join(" · ");
}

function duration(seconds) {
  return seconds < 90 ? counted(Math.max(1, Math.round(seconds)), "second") : counted(Math.round(seconds / 60), "minute");
}

function fillReport(details, { report, left_out: leftOut }) {
  details.hidden = !report && !leftOut.length;
  const rows = (report?.table ?? []).map(({ label, value }) => pair(capitalized(label), value));
  if (report) rows.unshift(pair("Format", report.dialect), pair("Time", duration(report.seconds)));
  details.querySelector("dl").replaceChildren(...rows);
  const told = [report && goneText(report), ...(report?.advice ?? []), ...(report?.notes ?? [])].filter(Boolean);
  const left = leftOut.map(({ n, column, origin, reason, remedy }) => {
    const where = [column && `in ${column}`, `first at ${origin}`].filter(Boolean).join(", ");
    return `${counted(n, column ? "value" : "row")} left out (${where}): ${reason} ${remedy}`;
  });
  details.querySelector("ul").replaceChildren(...lines([...told, ...left]));
}

/** What was deleted since it is no longer in the source; what was kept is in the notes. */
function goneText({ n_gone: gone, n_before: before, n_deleted: deleted }) {
  if (!deleted) return "";
  const verb = gone === 1 ? "is" : "are";
  const what = `${gone.toLocaleString()} of ${counted(before, "product")} from here ${verb} no longer in it`;
  return `${what}, and ${deleted === 1 ? "was" : "were"} deleted.`;
}

async function showDeadLetters(element, id) {
  const path = `/v1/imports/${id}/dead-letters?limit=${N_DEAD_LETTERS}`;
  const { dead_letters: letters, total } = await call(path, { signal });
  const rows = letters.map(({ origin, sku, reason, remedy }) =>
    row([origin, sku].filter(Boolean).join(", "), reason, remedy),
  );
  element.querySelector(".dead-letters tbody").replaceChildren(...rows);
  const n_more = total - letters.length;
  element.querySelector(".dead-letters .rest").textContent = n_more ? `and ${n_more.toLocaleString()} more` : "";
  const all = button("outline", "Download all of them", () => act(element, () => download(id)));
  element.querySelector(".dead-letters .actions").replaceChildren(all);
}

/** Save an import's dead letters as a file. */
async function download(id) {
  const response = await send(`/v1/imports/${id}/dead-letters`, { signal, headers: { Accept: "application/x-ndjson" } });
  const link = make("a", { href: URL.createObjectURL(await response.blob()), download: `dead-letters-${id}.jsonl` });
  link.click();
  URL.revokeObjectURL(link.href);
}
