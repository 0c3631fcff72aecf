import { writeMoment } from "../lib/moment";
import { hour, minute, type Span } from "../lib/timebar";
import type { Reason } from "./brain";
import { type EngineContext, EngineError } from "./engine";
import type { PastEngine } from "./pastengine";

/**
 * Plays what has been. It loads the playlist around the asked moment, moves within it as long as it reaches, and
 * loads another where it does not. It draws nothing.
 */

/** A playlist of days would be megabytes that are asked for anew with each segment: longer pasts come in pieces. */
const longest = 3 * hour;
/** Going back a little must not load anew. */
const lead = 2 * minute;
const startLimit = 15_000;
/** Damaged segments in a row that are gone over; with more the disk is no place to play from. */
const mostDamaged = 30;

export interface PastRange {
  from: number;
  /** Absent: it grows with the stream. */
  to?: number;
}

/** Which part of the past to load to play at a moment. */
export function pastRange(at: number, oldest: number, now: number, end?: number): PastRange {
  const from = Math.floor(Math.max(oldest, Math.min(at, now) - lead) / 1000) * 1000;
  if (end !== undefined) return { from, to: Math.min(end, from + longest) };
  return now - from > longest ? { from, to: from + longest } : { from };
}

export function pastUrl(base: string, query: string, range: PastRange): string {
  const q = new URLSearchParams(query);
  q.set("from", writeMoment(range.from));
  if (range.to !== undefined) q.set("to", writeMoment(range.to));
  return `${base}/index.m3u8?${q}`;
}

export interface PastWorld {
  cx(): EngineContext;
  now(): number;
  /** What can be gone to: the oldest moment, and the end of a range that does not grow. */
  limits(): { from: number; to?: number };
  make(cx: EngineContext, url: string, begin: number): Promise<PastEngine>;
  freeze(): void;
  changed(): void;
  /** Faster than life, the viewer has caught up with it. */
  caughtUp(): void;
}

export class Past {
  phase: "loading" | "playing" | "error" = "loading";
  error: Reason | undefined;
  engine: PastEngine | undefined;
  speed = 1;
  private readonly world: PastWorld;
  private target = 0;
  private range: PastRange | undefined;
  private generation = 0;
  private failures = 0;
  private damaged = 0;

  constructor(world: PastWorld) {
    this.world = world;
  }

  /** The moment on screen, or the one that is being fetched. */
  wall(): number {
    return this.phase === "playing" ? (this.engine?.wall() ?? this.target) : this.target;
  }

  spans(): Span[] | undefined {
    return this.engine?.spans();
  }

  seek(wall: number): void {
    this.target = wall;
    this.failures = this.damaged = 0;
    // What loads now is corrected when it is there: many presses of a key load once.
    const waits = this.phase === "loading" && this.holds(wall);
    const growing = this.range?.to === undefined;
    if (waits || (this.phase === "playing" && this.engine?.seekWall(wall, growing))) this.world.changed();
    else void this.load();
  }

  private holds(wall: number): boolean {
    const { range } = this;
    return range !== undefined && wall >= range.from && wall <= (range.to ?? this.world.now());
  }

  private async load(): Promise<void> {
    const g = ++this.generation;
    const { world } = this;
    const limits = world.limits();
    this.phase = "loading";
    this.error = undefined;
    world.freeze();
    this.engine?.stop();
    this.engine = undefined;
    this.range = pastRange(this.target, limits.from, world.now(), limits.to);
    world.changed();
    const cx = world.cx();
    const begin = Math.max(0, (this.target - this.range.from) / 1000);
    try {
      const engine = await world.make(cx, pastUrl(cx.base, cx.query, this.range), begin);
      if (g !== this.generation) return;
      this.engine = engine;
      engine.onend = (why) => g === this.generation && this.failed(why);
      await limited(engine.start());
      if (g !== this.generation) return;
      engine.seekWall(this.target, this.range.to === undefined);
      this.phase = "playing";
      this.setSpeed(this.speed);
      world.changed();
    } catch (e) {
      if (g === this.generation) this.failed(e);
    }
  }

  private failed(e: unknown): void {
    const why = e instanceof EngineError ? e : new EngineError("engine_failed", String(e));
    if (this.phase === "playing") this.target = this.wall();
    // The new list tells of it as a gap.
    if (why.code === "footage_damaged" && ++this.damaged < mostDamaged) {
      void this.load();
      return;
    }
    if (why.retry && !why.code.startsWith("http_4") && ++this.failures < 3) {
      void this.load();
      return;
    }
    this.generation++;
    this.engine?.stop();
    this.engine = undefined;
    this.phase = "error";
    this.error = {
      code: why.code === "http_404" ? "no_footage" : why.code,
      text: why.message,
    };
    this.world.changed();
  }

  /** Called now and then: goes on with the next piece, and home when the present is reached. */
  tick(video: HTMLVideoElement): void {
    if (this.phase !== "playing" || !this.engine || !this.range) return;
    const { to } = this.range;
    const end = this.world.limits().to;
    if (to !== undefined && (end === undefined || to < end) && (video.ended || this.engine.ahead() < 0.3)) {
      this.target = to;
      void this.load();
    } else if (to === undefined && this.speed > 1 && this.engine.ahead() < 2) this.world.caughtUp();
  }

  setSpeed(rate: number): void {
    this.speed = rate;
    this.engine?.setSpeed(rate);
  }

  again(): void {
    this.failures = this.damaged = 0;
    void this.load();
  }

  stop(): void {
    this.generation++;
    this.engine?.stop();
    this.engine = undefined;
  }
}

function limited(work: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout>;
  const limit = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new EngineError("start_timeout", "Nothing came within 15 s.")), startLimit);
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
}
