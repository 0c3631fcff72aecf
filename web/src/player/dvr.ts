import { writeMoment } from "../lib/moment";
import { holes, hour, minute, type Span, type View } from "../lib/timebar";
import { type Cue, cueAt, readThumbs } from "../lib/vtt";
import { encodeName, queryOf, type WatchInfo } from "./watch";

/** What a player knows of a stream's past: how far it reaches, where it has holes, its small pictures. */

/** What the page's address asks for: a range, or a moment to begin at. */
export interface Asked {
  from?: number;
  to?: number;
  at?: number;
}

/** Which part of time the bar shows; undefined where there is nothing to go back to. */
export function windowOf(asked: Asked, info: WatchInfo | undefined, now: number): View | undefined {
  if (asked.from !== undefined) {
    const view = { from: asked.from, to: asked.to ?? now };
    return view.to > view.from ? view : undefined;
  }
  const oldest = info?.past_from ? Date.parse(info.past_from) : Number.NaN;
  const back = (info?.dvr_s ?? 0) * 1000;
  const to = info?.past_to && info.state === "idle" ? Date.parse(info.past_to) : now;
  const far = Number.isNaN(oldest) ? to - back : back > 0 ? Math.max(oldest, to - back) : oldest;
  // A link into what lies before the window shows an hour around its moment.
  if (asked.at !== undefined && asked.at < Math.min(far, to) - 1000)
    return { from: asked.at - 10 * minute, to: asked.at + 50 * minute };
  return to - far > 5000 ? { from: far, to } : undefined;
}

const every = 20_000;

export class Dvr {
  info: WatchInfo | undefined;
  asked: Asked = {};
  private readonly server: string;
  private readonly name: string;
  private readonly base: string;
  private readonly query: string;
  private skew = 0;
  private spans: Span[] | undefined;
  private cues: Cue[] = [];
  private refreshed = Number.NEGATIVE_INFINITY;
  private refused = { spans: false, thumbs: false };

  constructor(server: string, name: string, base: string, query: string) {
    this.server = server;
    this.name = name;
    this.base = base;
    this.query = query;
  }

  heard(info: WatchInfo | undefined): void {
    if (!info || info === this.info) return;
    this.info = info;
    const said = info.now ? Date.parse(info.now) - Date.now() : 0;
    // Headers tell whole seconds; less than that is not known better here.
    this.skew = Math.abs(said) > 2000 ? said : 0;
  }

  /** The server's clock. */
  now(): number {
    return Date.now() + this.skew;
  }

  window(): View | undefined {
    return windowOf(this.asked, this.info, this.now());
  }

  /** Where footage is missing, from what the server lists or else from the playlist that is loaded. */
  gaps(loaded: Span[] | undefined): Span[] {
    const view = this.window();
    if (!view) return [];
    if (this.spans) return holes(this.spans, view, 1000).filter((g) => g.to < view.to - every);
    const first = loaded?.[0];
    const last = loaded?.at(-1);
    return loaded && first && last ? holes(loaded, { from: first.from, to: last.to }, 1000) : [];
  }

  cue(at: number): Cue | undefined {
    return cueAt(this.cues, at);
  }

  /** Asks for what has changed; called as often as one likes. */
  async refresh(): Promise<void> {
    const view = this.window();
    const now = performance.now();
    if (!view || now - this.refreshed < every) return;
    this.refreshed = now;
    const q = new URLSearchParams(queryOf(this.query, this.info));
    // Longer lists are refused.
    q.set("from", writeMoment(Math.max(view.from, view.to - 24 * hour + minute)));
    q.set("to", writeMoment(view.to));
    await Promise.all([this.askSpans(q), this.askThumbs(q, Date.parse(q.get("from") ?? ""))]);
  }

  /** Only owners may read the API; a stranger's bar learns of holes from the playlist. */
  private async askSpans(q: URLSearchParams): Promise<void> {
    if (this.refused.spans || !this.info?.is_owner) return;
    const res = await fetch(`${this.server}/api/v1/timelines/${encodeName(this.name)}?${q}`).catch(
      () => undefined,
    );
    if (!res?.ok) {
      this.refused.spans = res?.status === 401 || res?.status === 403;
      return;
    }
    const body = (await res.json().catch(() => ({}))) as { spans?: { from: string; to: string }[] };
    this.spans = body.spans?.map((s) => ({ from: Date.parse(s.from), to: Date.parse(s.to) }));
  }

  private async askThumbs(q: URLSearchParams, from: number): Promise<void> {
    if (this.refused.thumbs) return;
    const url = `${this.base}/thumbs.vtt?${q}`;
    const res = await fetch(url).catch(() => undefined);
    if (!res?.ok) {
      // A server without FFmpeg has no pictures at all.
      this.refused.thumbs = res?.status === 403 || res?.status === 501;
      return;
    }
    this.cues = readThumbs(await res.text(), url, from);
  }
}
