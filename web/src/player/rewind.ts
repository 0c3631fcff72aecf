import { parseMoment } from "../lib/moment";
import { clamp, type Span, type View as TimeView } from "../lib/timebar";
import type { View } from "./brain";
import { Dvr } from "./dvr";
import type { EngineContext } from "./engine";
import { Past } from "./past";
import { askWatch, type WatchInfo } from "./watch";

/** Going back and coming home again: what the element needs of the past, behind one face. */

export interface RewindWorld {
  server: string;
  name: string;
  base: string;
  query: string;
  video: HTMLVideoElement;
  cx(): EngineContext;
  freeze(): void;
  changed(): void;
  /** The live engine must let go of the picture. */
  leaveLive(): void;
  toLive(): void;
}

export interface Address {
  from: string | null;
  to: string | null;
  at: string | null;
}

export class Rewind {
  past: Past | undefined;
  private readonly world: RewindWorld;
  private readonly dvr: Dvr;
  private pausedAt: { wall: number; since: number } | undefined;
  private refused: { code: string; text: string } | undefined;
  private stopped = false;

  constructor(world: RewindWorld, address: Address) {
    this.world = world;
    this.dvr = new Dvr(world.server, world.name, world.base, world.query);
    const now = Date.now();
    const read = (s: string | null) => parseMoment(s, now);
    this.dvr.asked = { from: read(address.from), to: read(address.to), at: read(address.at) };
  }

  /** Whether the address asks for a time: then nothing live is begun. */
  get begins(): boolean {
    const { from, at } = this.dvr.asked;
    return from !== undefined || at !== undefined;
  }

  /** A range with an end has no present to go to. */
  get closed(): boolean {
    const { from, to } = this.dvr.asked;
    return from !== undefined && to !== undefined && to <= this.dvr.now();
  }

  get info(): WatchInfo | undefined {
    return this.dvr.info;
  }

  async begin(): Promise<void> {
    const { server, name, query } = this.world;
    this.past = this.make();
    const answer = await askWatch(server, name, query);
    if (this.stopped || !this.past) return;
    if (answer.kind === "info") this.dvr.heard(answer.info);
    if (answer.kind === "refused") {
      this.refused = { code: answer.code, text: answer.text };
      this.world.changed();
      return;
    }
    const { at, from } = this.dvr.asked;
    this.seek(at ?? from ?? this.dvr.now());
  }

  heard(info: WatchInfo | undefined): void {
    this.dvr.heard(info);
  }

  window(): TimeView | undefined {
    return this.dvr.window();
  }

  gaps(): Span[] {
    return this.dvr.gaps(this.past?.spans());
  }

  cue = (at: number) => this.dvr.cue(at);
  refresh = () => void this.dvr.refresh();

  /** The moment on screen. */
  wall(latency: number | undefined): number {
    if (this.past) return this.past.wall();
    return this.pausedAt?.wall ?? this.dvr.now() - (latency ?? 0) * 1000;
  }

  seek(wall: number): void {
    const view = this.window();
    const to = view ? clamp(wall, view.from, view.to) : wall;
    if (!this.past) {
      this.world.leaveLive();
      this.past = this.make();
    }
    this.pausedAt = undefined;
    this.past.seek(to);
    this.refresh();
  }

  private make(): Past {
    const { world, dvr } = this;
    return new Past({
      cx: world.cx,
      now: () => dvr.now(),
      limits: () => {
        const view = dvr.window();
        return { from: view?.from ?? dvr.asked.from ?? 0, to: this.closed ? dvr.asked.to : undefined };
      },
      make: async (cx, url, begin) => new (await import("./pastengine")).PastEngine(cx, url, begin),
      freeze: world.freeze,
      changed: world.changed,
      caughtUp: world.toLive,
    });
  }

  paused(latency: number | undefined): void {
    if (!this.past) this.pausedAt = { wall: this.wall(latency), since: Date.now() };
  }

  /** After a pause: true where the past goes on from it, so that nothing is missed. */
  resumes(): boolean {
    const was = this.pausedAt;
    this.pausedAt = undefined;
    if (!was || this.past || !this.window() || Date.now() - was.since < 3000) return false;
    this.seek(was.wall);
    return true;
  }

  /** Leaves the past; the caller starts what is live. */
  leave(): void {
    this.past?.stop();
    this.past = undefined;
    this.pausedAt = undefined;
    this.dvr.asked = {};
  }

  again(): void {
    if (this.refused) void this.begin();
    else this.past?.again();
    this.refused = undefined;
  }

  stop(): void {
    this.stopped = true;
    this.past?.stop();
  }

  /** How the page is told what the player does while it plays the past. */
  view(live: View | undefined): View | undefined {
    const { past, refused } = this;
    if (!past) return live;
    const phase =
      refused || past.phase === "error" ? "error" : past.phase === "loading" ? "starting" : "playing";
    const base: View = live ?? { phase, mode: "stable", skipped: {} };
    return {
      ...base,
      phase,
      engine: "hls",
      skipped: {},
      past: true,
      info: this.info,
      error: refused ?? past.error,
    };
  }
}
