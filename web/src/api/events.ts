import type { ServerEvent } from "./types";

/** One shared connection to /api/v1/events for the whole page. The browser reconnects it and sends Last-Event-ID itself. */

type Listener = (e: ServerEvent) => void;

const types = [
  "stream.started",
  "stream.updated",
  "stream.away",
  "stream.returned",
  "stream.ended",
  "publish.refused",
  "session.opened",
  "session.closed",
  "recording.started",
  "recording.finished",
  "recording.deleted",
  "storage.alarm",
  "storage.ok",
  "system.tick",
];

const listeners = new Set<Listener>();
let source: EventSource | undefined;
let retry: ReturnType<typeof setTimeout> | undefined;

function connect(): void {
  source = new EventSource("/api/v1/events");
  const take = (m: MessageEvent<string>) => {
    let e: ServerEvent;
    try {
      e = JSON.parse(m.data) as ServerEvent;
    } catch {
      return; // a comment or a broken proxy; the next event is whole again
    }
    if (!e.type) e.type = m.type;
    for (const l of listeners) l(e);
  };
  source.onmessage = take;
  for (const t of types) source.addEventListener(t, take as EventListener);
  // After an HTTP error (a restart, a sign-out) the browser gives up: ask again later.
  source.onerror = () => {
    if (source?.readyState !== EventSource.CLOSED) return;
    disconnect();
    retry = setTimeout(() => listeners.size > 0 && connect(), 3000);
  };
}

function disconnect(): void {
  clearTimeout(retry);
  source?.close();
  source = undefined;
}

export function onEvent(listener: Listener): () => void {
  listeners.add(listener);
  if (!source) connect();
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) disconnect();
  };
}
