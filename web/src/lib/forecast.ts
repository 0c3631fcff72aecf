/** What becomes of a volume if recording goes on as it did. */

const day = 86_400;

export type Forecast =
  /** Nothing is being written. */
  | { kind: "unknown" }
  /** Retention by time deletes before anything is full. */
  | { kind: "steady"; seconds: number }
  /** A limit of bytes is reached in so many days; from then on footage reaches back so far. */
  | { kind: "deletes"; days: number; reach: number }
  | { kind: "full"; days: number }
  | { kind: "soon"; hours: number }
  | { kind: "now" };

export interface Load {
  state: string;
  free: number;
  used: number;
  bytes_per_day: number;
}

/** The longest time that any stream's footage stays, in seconds; less than 0 for ever; undefined where there is none. */
export function longestKeep(rules: readonly { keep_s: number }[], window: number): number | undefined {
  if (rules.length === 0) return undefined;
  if (rules.some((r) => r.keep_s < 0)) return -1;
  return Math.max(...rules.map((r) => r.keep_s || window));
}

export function forecast(
  v: Load,
  keep: { total_bytes: number; min_free: number },
  longest: number | undefined,
): Forecast {
  if (v.state === "full" || v.free <= 0) return { kind: "now" };
  if (v.bytes_per_day <= 0) return { kind: "unknown" };
  const inAll = keep.total_bytes > 0 ? keep.total_bytes - v.used : Number.POSITIVE_INFINITY;
  const room = Math.max(0, Math.min(v.free - keep.min_free, inAll));
  const days = room / v.bytes_per_day;
  const reach = ((v.used + room) / v.bytes_per_day) * day;
  if (longest !== undefined && longest >= 0 && longest <= reach) return { kind: "steady", seconds: longest };
  if (keep.min_free > 0 || keep.total_bytes > 0)
    return { kind: "deletes", days: Math.floor(days), reach: Math.round(reach) };
  return days < 2
    ? { kind: "soon", hours: Math.max(1, Math.round(days * 24)) }
    : { kind: "full", days: Math.floor(days) };
}

/** How a keep rule reads: for ever, the live window only, or so many seconds. */
export function keepKind(seconds: number): "ever" | "window" | "time" {
  return seconds < 0 ? "ever" : seconds === 0 ? "window" : "time";
}

/** 604800 → [7, "day"]: the largest unit that leaves no rest worth saying. */
export function amount(seconds: number): [number, "day" | "hour" | "minute" | "second"] {
  const s = Math.max(0, Math.round(seconds));
  if (s >= 86_400 && (s % 86_400 === 0 || s >= 10 * 86_400)) return [Math.round(s / 86_400), "day"];
  if (s >= 3600 && (s % 3600 === 0 || s >= 10 * 3600)) return [Math.round(s / 3600), "hour"];
  if (s >= 60 && (s % 60 === 0 || s >= 600)) return [Math.round(s / 60), "minute"];
  return [s, "second"];
}
