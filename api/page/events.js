// Server-sent events out of an answer to fetch(), which EventSource cannot ask for: it only GETs.

/** Each event of the stream as `{name, data}`; comments, which keep the connection alive, are left out. */
export async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    yield* blocks.map(event).filter(Boolean);
  }
}

function event(block) {
  const fields = Object.fromEntries(block.split("\n").map((line) => line.match(/^(\w*): ?(.*)$/)?.slice(1) ?? ["", ""]));
  return fields.data ? { name: fields.event ?? "message", data: JSON.parse(fields.data) } : null;
}
