/** What becomes of a volume if recording goes on as it did. */

export type Forecast =
  | { kind: "unknown" }
  /** Retention deletes the oldest before the volume is full. */
  | { kind: "steady" }
  | { kind: "full"; days: number }
  | { kind: "soon"; hours: number }
  | { kind: "now" };

export interface Load {
  free: number;
  bytes_per_day: number;
  full_in_days: number | null;
  state: string;
}

export function forecast(v: Load): Forecast {
  if (v.state === "full" || v.free <= 0) return { kind: "now" };
  if (v.full_in_days === null) return v.bytes_per_day > 0 ? { kind: "steady" } : { kind: "unknown" };
  if (v.full_in_days < 2) return { kind: "soon", hours: Math.max(1, Math.round(v.full_in_days * 24)) };
  return { kind: "full", days: Math.floor(v.full_in_days) };
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
