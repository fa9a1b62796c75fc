// The audit: listings that contradict their photos, as the reranker sees them.

import { asProblem, call, post } from "./api.js";
import { at, lines, make } from "./elements.js";
import { itemElement } from "./hit.js";
import { counted, labelOf, moment } from "./values.js";

const PAGE_SIZE = 24;
const REFRESH_MS = 1000;

/** Show the last audit, and the one that is under way. */
export async function showAudit(section, signal) {
  section.querySelector(".label-errors").replaceChildren();
  const start = (path) => () => act(signal, () => post(path, {}, { signal }).then(() => refresh(section, signal)));
  at("audit-start").onclick = start("/v1/audit");
  at("audit-cancel").onclick = start("/v1/audit/cancel");
  at("audit-problem").textContent = "";
  await refresh(section, signal);
}

async function act(signal, action) {
  at("audit-problem").textContent = "";
  try {
    await action();
  } catch (error) {
    const { message, remedy } = asProblem(error);
    if (!signal.aborted) at("audit-problem").textContent = `${message} ${remedy}`;
  }
}

async function refresh(section, signal) {
  const state = await call(`/v1/audit?limit=${PAGE_SIZE}`, { signal });
  show(section, state, signal);
  if (isUnderWay(state.job)) setTimeout(() => signal.aborted || refresh(section, signal).catch(() => {}), REFRESH_MS);
}

function isUnderWay(job) {
  return job?.status === "waiting" || job?.status === "running";
}

function show(section, { audit, job, label_errors: errors, total }, signal) {
  const underWay = isUnderWay(job);
  at("audit-start").hidden = underWay;
  at("audit-cancel").hidden = !underWay;
  at("audit-bar").hidden = !underWay;
  if (underWay && job.n_total) Object.assign(at("audit-bar"), { max: job.n_total, value: job.n_done });
  if (job?.error) at("audit-problem").textContent = `${job.error.message} ${job.error.remedy}`;
  section.querySelector(".sum").textContent = underWay ? progressOf(job) : summaryOf(audit);
  section.querySelector(".sentences").replaceChildren(...lines(audit?.sentences ?? []));
  section.querySelector(".label-errors").replaceChildren(...errors.map(errorElement));
  at("more-label-errors").hidden = errors.length >= total;
  at("more-label-errors").onclick = () => act(signal, () => showMore(section, signal));
}

async function showMore(section, signal) {
  const list = section.querySelector(".label-errors");
  const path = `/v1/audit?limit=${PAGE_SIZE}&offset=${list.children.length}`;
  const { label_errors: errors, total } = await call(path, { signal });
  list.append(...errors.map(errorElement));
  at("more-label-errors").hidden = list.children.length >= total;
}

function progressOf({ status, n_done: done, n_total: total }) {
  if (status === "waiting") return "The audit waits for its turn.";
  return `${done.toLocaleString()} of ${counted(total ?? 0, "product")} checked`;
}

function summaryOf(audit) {
  if (!audit) return "The catalog has not been audited yet.";
  return `${counted(audit.n_items, "product")} checked by ${audit.reranker}, ${moment(audit.ended_at)}.`;
}

function errorElement(error) {
  const element = itemElement(error);
  const { field, catalog_value: value, image_value: shown } = error;
  const textContent = `${labelOf(field)}: listed as ${value}, looks ${shown}`;
  element.append(make("p", { className: "contradiction", textContent }));
  return element;
}
