// Server-sent events from a response to fetch(): EventSource can only send GET requests.

/** Each event of the stream as `{name, data}`, without the comments that keep the connection alive. */
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
