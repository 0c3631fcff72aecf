import { readProblem } from "./whep";

/** What the server tells anybody who may watch: GET /api/v1/watch/{name}. */

export interface Output {
  ok: boolean;
  code?: string;
  message?: string;
}

export interface WatchInfo {
  name: string;
  state: "live" | "away" | "idle";
  tracks?: {
    kind: string;
    codec: string;
    codecs: string;
    width?: number;
    height?: number;
    bitrate_bps?: number;
  }[];
  outputs?: Partial<Record<string, Output>>;
  is_owner?: boolean;
  /** What opens a stream of keys to its owner: goes where a viewer's key goes. */
  pass?: string;
  /** How far back viewers may go; absent or 0: not at all. */
  dvr_s?: number;
  /** The oldest and, where nothing comes any more, the newest footage. */
  past_from?: string;
  past_to?: string;
  /** The server's clock. */
  now?: string;
}

/** The track that a viewer comes for: the picture, or else the sound. */
export function leading(info: WatchInfo | undefined) {
  return info?.tracks?.find((t) => t.kind === "video") ?? info?.tracks?.[0];
}

export type WatchAnswer =
  | { kind: "info"; info: WatchInfo }
  /** Not allowed, or asked for something that cannot be: asking again changes nothing. */
  | { kind: "refused"; code: string; text: string }
  /** No server there now. */
  | { kind: "unreachable" }
  /** A server that has no such page of facts; the engines find out by trying. */
  | { kind: "unknown" };

/** The query that opens the stream's addresses: the viewer's key, or else the owner's pass. */
export function queryOf(query: string, info: WatchInfo | undefined): string {
  return query || (info?.pass ? `?key=${encodeURIComponent(info.pass)}` : "");
}

export const encodeName = (name: string) => encodeURIComponent(name.replace(/^\/+|\/+$/g, ""));

export async function askWatch(server: string, name: string, query: string): Promise<WatchAnswer> {
  let res: Response;
  try {
    res = await fetch(`${server}/api/v1/watch/${encodeName(name)}${query}`, {
      signal: AbortSignal.timeout(4000),
      cache: "no-store",
    });
  } catch {
    return { kind: "unreachable" };
  }
  if (res.ok) {
    const info = (await res.json()) as WatchInfo;
    return { kind: "info", info: { ...info, now: info.now ?? res.headers.get("Date") ?? undefined } };
  }
  const problem = await readProblem(res);
  if (res.status === 404) {
    return problem.code ? { kind: "info", info: { name, state: "idle" } } : { kind: "unknown" };
  }
  if (res.status === 429 || res.status >= 500) return { kind: "unreachable" };
  return { kind: "refused", code: problem.code ?? `http_${res.status}`, text: problem.text };
}
