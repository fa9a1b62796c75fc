// The audit: listings that contradict their photos, as the reranker sees them.

import { asProblem, call, post } from "./api.js";
import { at, make } from "./elements.js";
import { itemElement } from "./hit.js";
import { counted, labelOf } from "./values.js";

const PAGE_SIZE = 24;
const REFRESH_MS = 1000;

/** Show the last audit, and the one that runs now. */
export async function showAudit(section, signal) {
  section.querySelector(".findings").replaceChildren();
  at("audit-start").onclick = () => act(signal, () => post("/v1/audit", {}, { signal }), section);
  at("audit-cancel").onclick = () => act(signal, () => post("/v1/audit/cancel", {}, { signal }), section);
  await refresh(section, signal);
}

async function act(signal, action, section) {
  at("audit-problem").textContent = "";
  try {
    await action();
    await refresh(section, signal);
  } catch (error) {
    const { message, remedy } = asProblem(error);
    if (!signal.aborted) at("audit-problem").textContent = `${message} ${remedy}`;
  }
}

async function refresh(section, signal) {
  const state = await call(`/v1/audit?limit=${PAGE_SIZE}`, { signal });
  show(section, state, signal);
  if (state.running) setTimeout(() => signal.aborted || refresh(section, signal).catch(() => {}), REFRESH_MS);
}

function show(section, { audit, running, findings, total }, signal) {
  at("audit-start").hidden = Boolean(running);
  at("audit-cancel").hidden = !running;
  at("audit-bar").hidden = !running;
  if (running) {
    at("audit-bar").max = running.n_total || 1;
    at("audit-bar").value = running.n_done;
  }
  section.querySelector(".sum").textContent = running
    ? `${running.n_done.toLocaleString()} of ${counted(running.n_total, "product")} checked`
    : summaryOf(audit);
  section.querySelector(".sentences").replaceChildren(...(audit?.sentences ?? []).map((textContent) => make("li", { textContent })));
  section.querySelector(".findings").replaceChildren(...findings.map(findingElement));
  const more = at("more-findings");
  more.hidden = findings.length >= total;
  more.onclick = () => showMore(section, signal);
}

async function showMore(section, signal) {
  const list = section.querySelector(".findings");
  const { findings, total } = await call(`/v1/audit?limit=${PAGE_SIZE}&offset=${list.children.length}`, { signal });
  list.append(...findings.map(findingElement));
  at("more-findings").hidden = list.children.length >= total;
}

function summaryOf(audit) {
  if (!audit) return "The catalog has not been audited yet.";
  const when = new Date(audit.ended_at ?? audit.created_at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  const error = audit.error ? ` ${audit.error.message ?? audit.error}` : "";
  return `${counted(audit.n_items, "product")} checked by ${audit.reranker}, ${when}.${error}`;
}

function findingElement(finding) {
  const element = itemElement(finding);
  const { field, catalog_value: listed, image_value: seen } = finding;
  element.append(make("p", { className: "contradiction", textContent: `${labelOf(field)}: listed as ${listed}, looks ${seen}` }));
  return element;
}
