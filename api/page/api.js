// Requests to the service, with the API key where it wants one, and what is wrong when it does not answer.

import { askForKey, authorization } from "./api_key.js";

/** An error of the API: what is wrong, and what to do about it. */
export class Problem extends Error {
  constructor(message, remedy, isTransient = false) {
    super(message);
    this.remedy = remedy;
    this.isTransient = isTransient; // trying again may help
  }
}

/** The response to a request, if it is one of success. Asks for the key that the service wants. Throws a Problem. */
export async function send(path, options = {}) {
  const key = authorization();
  const response = await attempt(path, options);
  if (response.ok) return response;
  const error = problem(await response.json().catch(() => null), response.status);
  const hasNewKey = response.status === 401 && (authorization() !== key || (await askForKey(error)));
  if (hasNewKey) return send(path, options);
  throw error;
}

/** The JSON of an answer. Throws a Problem. */
export async function call(path, options = {}) {
  const response = await send(path, options);
  return response.json().catch(() => Promise.reject(problem(null, response.status)));
}

/** The JSON of an answer, or null whatever goes wrong: for what nobody asked for, and nobody misses. */
export async function ask(path, options = {}) {
  try {
    const response = await attempt(path, options);
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

/** The JSON of an answer to a request that has a JSON body. Throws a Problem. */
export function post(path, body, options = {}) {
  const headers = { "Content-Type": "application/json", ...options.headers };
  return call(path, { method: "POST", ...options, headers, body: JSON.stringify(body) });
}

/** The problem that an answer of the API describes, or that its status implies. */
export function problem(answer, status) {
  const { message, remedy } = answer?.error ?? {};
  const words = [message ?? `The service answered with status ${status}.`, remedy ?? "Try again in a moment."];
  return new Problem(...words, status >= 500 || status === 429 || status === 200);
}

/** What to tell people about any error; what is no Problem is a fault of the page. */
export function asProblem(error) {
  if (error instanceof Problem) return error;
  console.error(error);
  return new Problem("The page cannot show the answer.", "Reload the page.");
}

/** Show an image of the service in an element; with a key, as the browser does not send that for images. */
export async function loadImage(image, url) {
  if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
  if (!authorization() || !url) return void (url ? (image.src = url) : image.removeAttribute("src"));
  image.dataset.url = url;
  try {
    const loaded = await (await send(url)).blob();
    if (image.dataset.url === url) image.src = URL.createObjectURL(loaded);
  } catch {
    image.dispatchEvent(new Event("error"));
  }
}

async function attempt(path, options) {
  try {
    return await fetch(path, { ...options, headers: { ...options.headers, ...authorization() } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The service does not answer.", "Check that it is running and that you are online.", true);
  }
}
