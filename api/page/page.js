// The page: which of its views is shown at an address, and the way from one to another.

import { connectCatalog, leaveCatalog, showCatalog, uploadFiles } from "./catalog.js";
import { at } from "./elements.js";
import { showItem } from "./item.js";
import { connectKeyboard } from "./keyboard.js";
import { connectFiles, numberOf, photoOf } from "./photos.js";
import { addressOf, isEmpty, queryOf } from "./query.js";
import { connectSearch, searchByPhoto, setQuery, showSearch } from "./search.js";

/** The search whose hits are on the page, also while another view is shown, and where the shopper left them: coming back
 * needs no new search. */
let shownSearch = null;
let left = { y: 0, link: null };

function search(query) {
  shownSearch = null; // also the same again, as after a fault
  goTo(`/${addressOf(query)}`, numberOf(query.photo));
}

/** Show what is at an address of the page, as a new step that "back" undoes. */
function goTo(address, photo = -1) {
  history.pushState({ photo }, "", address);
  show();
}

function viewOf(path) {
  const [, view, ...rest] = path.split("/");
  return { view: view || "search", name: decoded(rest.join("/")) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // an address that was mistyped
  }
}

/** Bring the page in line with its address. */
function show() {
  const query = queryOf(location.search, photoOf(history.state?.photo));
  const { view, name } = viewOf(location.pathname);
  leave(view);
  document.body.dataset.view = view;
  document.body.classList.toggle("start", view === "search" && isEmpty(query));
  setQuery(query);
  at("drop-words").textContent = view === "catalog" ? "Drop the file to import it" : "Drop the photo to search with it";
  if (view === "items") showItem(name, query);
  else if (view === "catalog") showCatalog(name);
  else showHits(query);
}

/** Note where the shopper leaves the hits, before the view changes. */
function leave(view) {
  const { view: leaving } = document.body.dataset;
  const link = document.activeElement.closest(".hit .title a");
  if (leaving === "search" && view !== "search") left = { y: scrollY, link };
  if (leaving === "catalog") leaveCatalog();
  if (leaving && view !== leaving) scrollTo(0, 0);
}

function showHits(query) {
  document.title = query.text ? `${query.text} · Vitrina` : "Vitrina";
  const asked = `${addressOf(query)} ${history.state?.photo ?? -1}`;
  if (asked !== shownSearch) {
    shownSearch = asked;
    return showSearch(query);
  }
  scrollTo(0, left.y);
  left.link?.focus({ preventScroll: true });
}

/** Follow a link to another view without loading the page anew, which would lose the photo and the hits. */
function follow(event) {
  const link = event.target.closest("a[href]");
  const isPlain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  if (!link || !isPlain || event.defaultPrevented || link.target || link.origin !== location.origin) return;
  if (link.pathname !== "/" && !["items", "catalog"].includes(viewOf(link.pathname).view)) return;
  event.preventDefault();
  if (link.matches(".skip")) return at("main").focus();
  goTo(link.pathname + link.search, link.matches(".hit a, .back") ? (history.state?.photo ?? -1) : -1);
}

history.scrollRestoration = "manual";
addEventListener("popstate", show);
addEventListener("click", follow);
connectCatalog();
connectFiles((files) => (document.body.dataset.view === "catalog" ? uploadFiles(files) : searchByPhoto(files)));
connectKeyboard(() => document.body.dataset.view === "items" && at("item").querySelector(".back")?.click());
setQuery(queryOf(location.search)); // now: what is typed while the service is asked for its reranker stays
await connectSearch(search);
show();
