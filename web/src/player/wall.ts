import type { Span } from "../lib/timebar";

/** What of an HLS media playlist lies when: seconds of media beside the wall clock of its EXT-X-PROGRAM-DATE-TIME. */

export interface Stretch {
  /** Seconds on the player's clock. */
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

  constructor(stretches: readonly Stretch[]) {
    this.stretches = stretches;
  }

  get from(): number {
    return this.stretches[0]?.wall ?? 0;
  }

  get to(): number {
    const last = this.stretches.at(-1);
    return last ? last.wall + last.length * 1000 : 0;
  }

  /** The end of what can be played, on the player's clock. */
  get end(): number {
    const last = this.stretches.at(-1);
    return last ? last.media + last.length : 0;
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

/**
 * Closes the gaps between runs before Shaka sees them: the dates of each run are moved to where the last one ended, by
 * the same amount in every rendition, and what lay where is kept here. Shaka (5.2) would close them itself, but where
 * dates and durations differ by their rounding, as those of sound do, it moves the whole rendition by all gaps again with
 * every reload of a growing playlist.
 */
export class Joiner {
  map: WallMap | undefined;
  /** How far each run was moved, by its discontinuity sequence number (RFC 8216 section 6.2.1: the same in all renditions). */
  private readonly moved = new Map<number, number>();
  private zero = Number.POSITIVE_INFINITY;

  /** Takes a playlist and answers the one to play. */
  take(playlist: string): string {
    if (!playlist.includes("#EXTINF") || playlist.includes("#EXT-X-I-FRAMES-ONLY"))
      return this.rewrite(playlist).text;
    const { text, stretches } = this.rewrite(playlist);
    if (stretches.length > 0) this.map = new WallMap(stretches);
    return text;
  }

  /** RFC 8216 section 4.3.2.6: a date belongs to the first sample of the next segment; later ones follow by duration. */
  private rewrite(playlist: string): { text: string; stretches: Stretch[] } {
    const out: string[] = [];
    const stretches: Stretch[] = [];
    let run = Number(/^#EXT-X-DISCONTINUITY-SEQUENCE:(\d+)/m.exec(playlist)?.[1] ?? 0);
    let wall = Number.NaN;
    let length = 0;
    let gap = false;
    for (const raw of playlist.split("\n")) {
      const line = raw.trim();
      if (line === "#EXT-X-DISCONTINUITY") run++;
      else if (line === "#EXT-X-GAP") gap = true;
      else if (line.startsWith("#EXTINF:")) length = Number.parseFloat(line.slice(8));
      else if (line.startsWith("#EXT-X-PROGRAM-DATE-TIME:")) {
        const date = Date.parse(line.slice(25));
        const shift = this.shiftOf(run, date, wall);
        wall = date;
        out.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(Math.round(date - shift)).toISOString()}`);
        continue;
      } else if (line !== "" && !line.startsWith("#") && length > 0) {
        if (!Number.isNaN(wall)) {
          const shift = this.shiftOf(run, wall, wall);
          this.zero = Math.min(this.zero, wall - shift);
          add(stretches, { media: (wall - shift - this.zero) / 1000, wall, length, gap });
          wall += length * 1000;
        }
        length = 0;
        gap = false;
      }
      out.push(raw);
    }
    return { text: out.join("\n"), stretches };
  }

  /** The first rendition that shows a run decides for all; `ended` is where its run before it ended. */
  private shiftOf(run: number, date: number, ended: number): number {
    const known = this.moved.get(run);
    if (known !== undefined) return known;
    const before = this.moved.get(run - 1) ?? 0;
    const shift = Number.isNaN(ended) ? before : before + (date - ended);
    this.moved.set(run, shift);
    return shift;
  }
}

function add(out: Stretch[], s: Stretch): void {
  const last = out.at(-1);
  const off = last ? Math.abs(last.wall + (s.media - last.media) * 1000 - s.wall) : Number.POSITIVE_INFINITY;
  if (last && last.gap === s.gap && off < slack) last.length = s.media + s.length - last.media;
  else out.push(s);
}
