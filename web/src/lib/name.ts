/** The grammar of stream names, so that a form can speak before the server does, and their order. The server's check is the law. */

export type NameProblem = "empty" | "deep" | "char" | "reserved";

const first = new Set(
  "api vod console portal meet wall assets docs livez readyz metrics login setup .well-known".split(" "),
);
const last = new Set(
  "embed whip whep index.m3u8 index.mpd clip.mp4 file.mp4 poster.jpg frame.jpg thumbs.vtt".split(" "),
);

export function nameProblem(name: string): NameProblem | undefined {
  if (name === "") return "empty";
  const parts = name.split("/");
  if (parts.length > 4) return "deep";
  for (const p of parts) if (!/^[\p{L}\p{N}_.-]+$/u.test(p) || /^\.+$/.test(p)) return "char";
  const end = parts.at(-1) ?? "";
  if (first.has(parts[0] ?? "") || last.has(end) || end.startsWith("stream.") || /^sprite-.*\.jpg$/.test(end))
    return "reserved";
  return /\.(m3u8|mpd|flv|ts|mp4)$/.test(end) ? "reserved" : undefined;
}

const order = new Intl.Collator(undefined, { numeric: true });

/** By name as people count: cam-2 stands before cam-10. */
export function byName<T extends { name: string }>(list: T[]): T[] {
  return list.toSorted((a, b) => order.compare(a.name, b.name));
}
