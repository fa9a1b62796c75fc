// The catalog's view: imports, duplicates, the audit of listings against their photos, and how well searches do.

import { asProblem, call } from "./api.js";
import { showAudit } from "./audit.js";
import { showDuplicates } from "./duplicates.js";
import { at, make } from "./elements.js";
import { connectImports, showImports, upload } from "./imports.js";
import { showReport } from "./report.js";
import { counted } from "./values.js";

const SECTIONS = { "": showImports, duplicates: showDuplicates, audit: showAudit, report: showReport };

let pending = new AbortController();

export function connectCatalog() {
  connectImports(() => showSize(pending.signal));
}

/** Show one section: imports, or the one that is named. */
export async function showCatalog(name) {
  leaveCatalog();
  pending = new AbortController();
  const { signal } = pending;
  const section = name in SECTIONS ? name : "";
  document.title = "Catalog · Vitrina";
  const path = section ? `/catalog/${section}` : "/catalog";
  for (const link of at("sections").children) link.ariaCurrent = link.pathname === path ? "page" : null;
  for (const element of document.querySelectorAll("[data-section]")) element.hidden = element.dataset.section !== section;
  showSize(signal);
  try {
    await SECTIONS[section](document.querySelector(`[data-section="${section}"]`), signal);
    showNoProblem();
  } catch (error) {
    if (!signal.aborted) showProblem(error);
  }
}

/** End what the view waits for. */
export function leaveCatalog() {
  pending.abort();
}

/** Index the first of some files, and show how that goes. */
export async function uploadFiles([file]) {
  try {
    await upload(file);
    showNoProblem();
  } catch (error) {
    showProblem(error);
  }
}

async function showSize(signal) {
  const { n_items: n, encoder } = await call("/readyz", { signal }).catch(() => ({}));
  if (n !== undefined) at("catalog-contents").textContent = `${counted(n, "product")}, encoder ${encoder}`;
}

function showProblem(error) {
  const { message, remedy } = asProblem(error);
  at("catalog-problem").replaceChildren(make("strong", { textContent: message }), make("p", { textContent: remedy }));
  at("catalog-problem").hidden = false;
}

function showNoProblem() {
  at("catalog-problem").hidden = true;
}
