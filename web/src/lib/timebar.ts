/** The arithmetic of time bars: what part of time is seen, where on the bar a moment lies. Milliseconds and pixels; nothing is drawn here. */

export interface View {
  from: number;
  to: number;
}

export interface Span {
  from: number;
  to: number;
}

export const minute = 60_000;
export const hour = 3_600_000;
export const shortest = 2 * minute;

export const xOf = (v: View, t: number, width: number) => ((t - v.from) / (v.to - v.from)) * width;
export const tOf = (v: View, x: number, width: number) => v.from + (x / Math.max(1, width)) * (v.to - v.from);
export const clamp = (n: number, low: number, high: number) =>
  Math.min(Math.max(n, low), Math.max(low, high));

/** Keeps a view inside its limits without changing how much it shows, as far as that fits. */
export function within(v: View, limits: View): View {
  const length = Math.min(v.to - v.from, limits.to - limits.from);
  const from = clamp(v.from, limits.from, limits.to - length);
  return { from, to: from + length };
}

/** Shows factor times as much; the moment under the pointer stays under it. */
export function zoom(v: View, factor: number, anchor: number, limits: View, longest = 25 * hour): View {
  const length = clamp((v.to - v.from) * factor, shortest, Math.min(longest, limits.to - limits.from));
  const share = (anchor - v.from) / (v.to - v.from);
  const from = anchor - share * length;
  return within({ from, to: from + length }, limits);
}

export const pan = (v: View, by: number, limits: View) =>
  within({ from: v.from + by, to: v.to + by }, limits);

/** The local day that holds this moment: 23 to 25 hours. */
export function dayOf(t: number, shift = 0): View {
  const d = new Date(t);
  const at = (n: number) => new Date(d.getFullYear(), d.getMonth(), d.getDate() + n).getTime();
  return { from: at(shift), to: at(shift + 1) };
}

const steps = [
  1000,
  5000,
  10_000,
  30_000,
  minute,
  2 * minute,
  5 * minute,
  10 * minute,
  15 * minute,
  30 * minute,
  hour,
  2 * hour,
  3 * hour,
  6 * hour,
];

/** Moments worth a label: round on the local clock, at least so many pixels apart. */
export function ticks(v: View, width: number, apart = 72): { at: number; seconds: boolean }[] {
  const least = ((v.to - v.from) / Math.max(1, width)) * apart;
  const step = steps.find((s) => s >= least) ?? 12 * hour;
  const out: { at: number; seconds: boolean }[] = [];
  // From each local midnight anew: a day on which the clock changes stays labelled with round hours.
  for (let day = dayOf(v.from); day.from < v.to && out.length < 200; day = dayOf(day.to)) {
    for (let at = day.from; at < day.to && at <= v.to; at += step)
      if (at >= v.from) out.push({ at, seconds: step < minute });
  }
  return out;
}

/** What is left of each span inside the view; spans nearer to each other than one pixel become one. */
export function visible<S extends Span>(
  spans: readonly S[],
  v: View,
  width: number,
  like = (_a: S, _b: S) => true,
): S[] {
  const pixel = (v.to - v.from) / Math.max(1, width);
  const out: S[] = [];
  for (const s of spans) {
    if (s.to <= v.from || s.from >= v.to) continue;
    const last = out.at(-1);
    if (last && s.from - last.to < pixel && like(last, s)) last.to = Math.max(last.to, s.to);
    else out.push({ ...s });
  }
  return out;
}

/** What of the view no span covers. */
export function holes(spans: readonly Span[], v: View, least = 500): Span[] {
  const out: Span[] = [];
  let at = v.from;
  for (const s of spans.toSorted((a, b) => a.from - b.from)) {
    if (s.to <= v.from || s.from >= v.to) continue;
    if (s.from - at >= least) out.push({ from: at, to: s.from });
    at = Math.max(at, s.to);
  }
  if (v.to - at >= least) out.push({ from: at, to: v.to });
  return out;
}

export const covered = (spans: readonly Span[], t: number) => spans.some((s) => t >= s.from && t < s.to);

/** Where playing can go on from t: there, or at the next footage; the end of the last where nothing follows. */
export function playable(spans: readonly Span[], t: number): number | undefined {
  let best: number | undefined;
  for (const s of spans) {
    if (t >= s.from && t < s.to) return t;
    if (s.from > t && (best === undefined || s.from < best)) best = s.from;
  }
  return best;
}

/** How far an arrow key goes in this view: round, and about a hundredth of it. */
export function keyStep(v: View): number {
  const share = (v.to - v.from) / 100;
  return [1000, 5000, 10_000, 30_000, minute, 5 * minute, 15 * minute].findLast((s) => s <= share) ?? 1000;
}

export interface BarState {
  view: View;
  limits: View;
  cursor: number;
  range: Span | null;
}

/** What a key at the playhead asks for; letters as an editor has them: I and O set the ends of the range. */
export function barKey(key: string, shift: boolean, s: BarState): Partial<BarState> | undefined {
  const { view, limits, cursor, range } = s;
  const step = keyStep(view) * (shift ? 6 : 1);
  const quarter = (view.to - view.from) / 4;
  switch (key) {
    case "ArrowLeft":
      return toCursor(cursor - step, s);
    case "ArrowRight":
      return toCursor(cursor + step, s);
    case "PageDown":
      return toCursor(cursor - quarter, s);
    case "PageUp":
      return toCursor(cursor + quarter, s);
    case "Home":
      return toCursor(view.from, s);
    case "End":
      return toCursor(view.to, s);
    case "+":
    case "=":
      return { view: zoom(view, 0.5, cursor, limits) };
    case "-":
      return { view: zoom(view, 2, cursor, limits) };
    case "i":
      return { range: { from: cursor, to: Math.max(range?.to ?? 0, cursor + 1000) } };
    case "o":
      return { range: { from: Math.min(range?.from ?? cursor, cursor - 1000), to: cursor } };
    case "Escape":
      return range ? { range: null } : undefined;
    default:
      return undefined;
  }
}

/** The view follows a playhead that leaves it. */
function toCursor(to: number, { view, limits }: BarState): Partial<BarState> {
  const cursor = clamp(to, limits.from, limits.to);
  if (cursor >= view.from && cursor <= view.to) return { cursor };
  return { cursor, view: pan(view, cursor - (view.from + view.to) / 2, limits) };
}

export type Handle = "from" | "to" | "both" | "new";

/**
 * A range while it is dragged: began is the range (or for "new" the moment) at the press, by the way of the pointer in
 * time. Ends never cross: they change roles, as everywhere where text is selected.
 */
export function dragRange(handle: Handle, began: Span, by: number, limits: View, least = 1000): Span {
  if (handle === "both") return within({ from: began.from + by, to: began.to + by }, limits);
  const fixed = handle === "from" ? began.to : began.from;
  const moving = clamp(
    (handle === "from" ? began.from : handle === "to" ? began.to : fixed) + by,
    limits.from,
    limits.to,
  );
  const out = { from: Math.min(fixed, moving), to: Math.max(fixed, moving) };
  if (out.to - out.from >= least || handle === "new") return out;
  return moving < fixed
    ? { from: clamp(fixed - least, limits.from, limits.to), to: fixed }
    : { from: fixed, to: clamp(fixed + least, limits.from, limits.to) };
}

/** A first view of a day: all of it, or where there is little footage that with some room around it. */
export function fitDay(spans: readonly Span[], day: View): View {
  const inside = spans.filter((s) => s.to > day.from && s.from < day.to);
  const from = Math.max(day.from, Math.min(...inside.map((s) => s.from)));
  const to = Math.min(day.to, Math.max(...inside.map((s) => s.to)));
  if (inside.length === 0 || to - from > 3 * hour) return day;
  const room = Math.max(5 * minute, (to - from) * 0.1, (30 * minute - (to - from)) / 2);
  return within({ from: from - room, to: to + room }, day);
}

/** The days of a month as a calendar shows them: whole weeks, begun on the given day (0 is Sunday). */
export function month(t: number, first = 1): { at: number; day: number; inside: boolean }[] {
  const d = new Date(t);
  const start = new Date(d.getFullYear(), d.getMonth(), 1);
  const lead = (start.getDay() - first + 7) % 7;
  const days = new Date(d.getFullYear(), d.getMonth() + 1, 0).getDate();
  const cells = Math.ceil((lead + days) / 7) * 7;
  return Array.from({ length: cells }, (_, i) => {
    const at = new Date(d.getFullYear(), d.getMonth(), 1 - lead + i);
    return { at: at.getTime(), day: at.getDate(), inside: at.getMonth() === d.getMonth() };
  });
}
