import type { Span } from "../lib/timebar";

/** What of an HLS media playlist lies when: seconds of media beside the wall clock of its EXT-X-PROGRAM-DATE-TIME. */

interface Stretch {
  /** Seconds from the playlist's first segment. */
  media: number;
  /** Milliseconds of the epoch. */
  wall: number;
  /** Seconds. */
  length: number;
  gap: boolean;
}

/** Less than this between two segments is the rounding of durations and clocks. */
const slack = 100;

export class WallMap {
  readonly stretches: readonly Stretch[];

  constructor(stretches: Stretch[]) {
    this.stretches = stretches;
  }

  /** RFC 8216 section 4.3.2.6: a date belongs to the first sample of the next segment; later ones follow by duration. */
  static read(playlist: string): WallMap | undefined {
    const out: Stretch[] = [];
    let wall = Number.NaN;
    let media = 0;
    let length = 0;
    let gap = false;
    for (const line of playlist.split("\n")) {
      const l = line.trim();
      if (l.startsWith("#EXTINF:")) length = Number.parseFloat(l.slice(8));
      else if (l.startsWith("#EXT-X-PROGRAM-DATE-TIME:")) wall = Date.parse(l.slice(25));
      else if (l === "#EXT-X-GAP") gap = true;
      else if (l === "#EXT-X-I-FRAMES-ONLY") return undefined;
      else if (l !== "" && !l.startsWith("#") && length > 0) {
        if (Number.isNaN(wall)) return undefined;
        add(out, { media, wall, length, gap });
        media += length;
        wall += length * 1000;
        length = 0;
        gap = false;
      }
    }
    return out.length > 0 ? new WallMap(out) : undefined;
  }

  get from(): number {
    return this.stretches[0]?.wall ?? 0;
  }

  get to(): number {
    const last = this.stretches.at(-1);
    return last ? last.wall + last.length * 1000 : 0;
  }

  /** Where in the media a moment lies; one inside a gap becomes the next that can be played. */
  mediaAt(wall: number): number {
    let last = 0;
    for (const s of this.stretches) {
      if (s.gap) continue;
      if (wall < s.wall) return s.media;
      last = s.media + s.length;
      if (wall < s.wall + s.length * 1000) return s.media + (wall - s.wall) / 1000;
    }
    return last;
  }

  wallAt(media: number): number {
    let found = this.stretches[0];
    for (const s of this.stretches) if (s.media <= media) found = s;
    return found ? found.wall + (media - found.media) * 1000 : 0;
  }

  /** What can be played. */
  spans(): Span[] {
    return this.stretches.filter((s) => !s.gap).map((s) => ({ from: s.wall, to: s.wall + s.length * 1000 }));
  }
}

function add(out: Stretch[], s: Stretch): void {
  const last = out.at(-1);
  const off = last ? Math.abs(last.wall + (s.media - last.media) * 1000 - s.wall) : Number.POSITIVE_INFINITY;
  if (last && last.gap === s.gap && off < slack) last.length = s.media + s.length - last.media;
  else out.push(s);
}
