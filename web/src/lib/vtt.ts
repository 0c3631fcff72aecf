import { parseMoment } from "./moment";

/** WebVTT as thumbnails use it: each cue's text is a picture's address, with #xywh= where it is a tile of a larger one. */

export interface Cue {
  /** Milliseconds of the epoch. */
  from: number;
  to: number;
  url: string;
  x: number;
  y: number;
  w: number;
  h: number;
}

/** "01:02:03.400" or "02:03.400" in seconds. */
function stamp(text: string): number | undefined {
  const m = /^(?:(\d+):)?(\d\d):(\d\d)[.,](\d{3})$/.exec(text);
  return m ? Number(m[1] ?? 0) * 3600 + Number(m[2]) * 60 + Number(m[3]) + Number(m[4]) / 1000 : undefined;
}

/**
 * Reads thumbs.vtt. Cue times count from the moment that "NOTE start=<moment>" at its head tells, or else from `start`
 * (epoch ms).
 */
export function readThumbs(text: string, base: string, start: number): Cue[] {
  const out: Cue[] = [];
  const blocks = text.replace(/\r\n?/g, "\n").split(/\n{2,}/);
  const said = /^NOTE (?:start=|epoch )(\S+)$/m.exec(blocks.slice(0, 3).join("\n"))?.[1];
  const zero = parseMoment(said, 0) ?? start;
  for (const block of blocks) {
    const lines = block.split("\n").filter(Boolean);
    const at = lines.findIndex((l) => l.includes("-->"));
    const [a, b] = (lines[at] ?? "").split("-->").map((s) => stamp(s.trim().split(/\s/)[0] ?? ""));
    const target = lines[at + 1];
    if (at < 0 || a === undefined || b === undefined || !target) continue;
    const from = zero + a * 1000;
    out.push({ from, to: from + (b - a) * 1000, ...picture(target.trim(), base) });
  }
  return out.sort((p, q) => p.from - q.from);
}

/** Media Fragments URI 1.0 section 4.2.2: #xywh=x,y,w,h in pixels. */
function picture(target: string, base: string): Pick<Cue, "url" | "x" | "y" | "w" | "h"> {
  const url = new URL(target, base);
  const [x = 0, y = 0, w = 0, h = 0] = (/xywh=(?:pixel:)?([\d,]+)/.exec(url.hash)?.[1] ?? "")
    .split(",")
    .map(Number);
  url.hash = "";
  return { url: url.href, x, y, w, h };
}

/** The picture for a moment; none where the nearest is farther away than a cue is long. */
export function cueAt(cues: readonly Cue[], t: number): Cue | undefined {
  let low = 0;
  let high = cues.length - 1;
  while (low < high) {
    const mid = (low + high + 1) >> 1;
    if ((cues[mid]?.from ?? 0) <= t) low = mid;
    else high = mid - 1;
  }
  const cue = cues[low];
  if (!cue || t < cue.from - (cue.to - cue.from)) return undefined;
  return t < cue.to + (cue.to - cue.from) ? cue : undefined;
}
