// The lab's report: how well searches do on judged queries, as `vitrina eval` measured it last.

import { call } from "./api.js";
import { lines, make, row } from "./elements.js";
import { addressOf, EMPTY_QUERY } from "./query.js";
import { capitalized, counted, itemUrl, moment } from "./values.js";

const MAIN_METRIC = "ndcg@10";
const NOTHING = "Nothing has been measured yet: vitrina eval judged.jsonl";

export async function showReport(section, signal) {
  const { run } = await call("/v1/evaluation", { signal });
  section.querySelector(".report-body").hidden = !run;
  section.querySelector(".sum").textContent = run ? sentenceOf(run) : NOTHING;
  if (!run) return;
  section.querySelector(".sentences").replaceChildren(...lines(run.notes));
  const metrics = Object.keys(run.summaries[0]?.metrics ?? {});
  const names = ["Queries", "Number", ...metrics.map(metricName)];
  const head = names.map((textContent) => make("th", { scope: "col", textContent }));
  section.querySelector("thead").replaceChildren(make("tr", {}, ...head));
  section.querySelector("tbody").replaceChildren(...run.summaries.map((summary) => summaryRow(summary, metrics)));
  section.querySelector(".worst").replaceChildren(...run.worst.map(queryElement));
}

function sentenceOf({ measured_at: time, encoder, n_items: n, is_reranked: isReranked }) {
  return `Measured ${moment(time)} on ${counted(n, "product")} with the encoder ${encoder}${isReranked ? ", reranked" : ""}.`;
}

function summaryRow({ kind, n_queries: n, metrics }, names) {
  const element = row(capitalized(kind), n.toLocaleString());
  element.append(...names.map((name) => make("td", { textContent: shown(metrics[name]), title: interval(metrics[name]) })));
  return element;
}

function shown(metric) {
  return metric ? metric.mean.toFixed(3) : "–";
}

function interval(metric) {
  return metric ? `95% confidence interval: ${metric.low.toFixed(3)} to ${metric.high.toFixed(3)}` : "";
}

function metricName(key) {
  return key === MAIN_METRIC ? "nDCG@10" : key.toUpperCase();
}

/** A query with what it missed, each a link to where it can be seen. */
function queryElement({ text, sku, metrics, missed }) {
  const address = addressOf({ ...EMPTY_QUERY, text, like: sku });
  const words = [text && `“${text}”`, sku && `like ${sku}`].filter(Boolean).join(", ") || "a photo";
  const query = address ? make("a", { href: `/${address}`, textContent: words }) : words;
  const links = missed.flatMap((each) => [" ", make("a", { href: itemUrl(each, address), textContent: each })]);
  const value = metrics[MAIN_METRIC]?.toFixed(2) ?? "–";
  return make("li", {}, query, ` ${metricName(MAIN_METRIC)} ${value}`, ...(links.length ? [". Missed:", ...links] : []));
}
