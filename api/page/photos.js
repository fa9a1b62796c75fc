// Photos to search with: chosen, taken, dropped or pasted. They do not fit into an address; as long as the page is
// open, going back finds them here by number.

import { Problem } from "./api.js";

const photos = [];

/** The number under which a photo is kept; -1 for none. */
export function numberOf(photo) {
  if (photo && !photos.includes(photo)) photos.push(photo);
  return photos.indexOf(photo);
}

export function photoOf(number) {
  return photos[number] ?? null;
}

/** Offer the search by photo, except where the catalog has none. */
export function offerPhotos({ n_images: n }) {
  document.body.classList.toggle("no-photos", n === 0);
}

/** A photo as a data URI, for requests in JSON. */
export function dataUri(photo) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => reject(new Problem("The photo cannot be read.", "Choose it again.")));
    reader.readAsDataURL(photo);
  });
}

/** Call `onFiles` with the files that are dropped anywhere on the page, or pasted. */
export function connectFiles(onFiles) {
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  const setDragging = (isDragging) => document.body.classList.toggle("dragging", isDragging);
  addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    setDragging(true);
  });
  addEventListener("dragleave", (event) => event.relatedTarget ?? setDragging(false));
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    setDragging(false);
    onFiles([...event.dataTransfer.files]);
  });
  addEventListener("paste", (event) => {
    const { files = [], types = [] } = event.clipboardData ?? {};
    if (!files.length || types.includes("text/plain")) return; // a spreadsheet's cells come with an image of themselves
    event.preventDefault();
    onFiles([...files]);
  });
}
