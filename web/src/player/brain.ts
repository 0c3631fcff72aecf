import { type Engine, EngineError, type EngineName } from "./engine";
import { LateSound } from "./late";
import { leading, type WatchAnswer, type WatchInfo } from "./watch";

/**
 * Decides which engine plays, when to try again and when to fall back. It draws
 * nothing: the element shows what `view` says.
 */

export type Mode = "realtime" | "low" | "stable";
export const modes: Mode[] = ["realtime", "low", "stable"];

export const ladders: Record<Mode, EngineName[]> = {
  realtime: ["whep", "flv", "ll-hls", "hls"],
  low: ["flv", "ll-hls", "hls"],
  stable: ["hls", "dash"],
};

export interface Reason {
  code: string;
  text: string;
  /** The codec that this is about, where it is known. */
  codec?: string;
}

export interface View {
  phase: "starting" | "playing" | "waiting" | "unreachable" | "error";
  mode: Mode;
  engine?: EngineName;
  /** Why an engine that the mode asks for first is not the one that plays. */
  skipped: Partial<Record<EngineName, Reason>>;
  error?: Reason;
  info?: WatchInfo;
  /** Something of it was seen. */
  played?: boolean;
  /** What plays is not live: the viewer went back, or the address asked for a time. */
  past?: boolean;
}

export interface Brain {
  make(name: EngineName, info: WatchInfo | undefined): Engine;
  ask(): Promise<WatchAnswer>;
  /** Whether this browser can decode the stream through Media Source. */
  canDecode(info: WatchInfo): boolean;
  /** A number that grows while pictures (or sound, where there is no picture) come out; negative while nobody asks for them. */
  progress(): number;
  /** Whether sound comes out, or would if it were not muted; true where nobody can say. */
  heard(): boolean;
  /** Called before an engine goes, so that its last picture can stay on screen. */
  freeze(): void;
  changed(view: View): void;
}

const stallNotice = 1500;
const stallRestart = 7000;
/** After an outage: how long an engine that stayed connected may take to go on by itself. */
const returnLimit = 1500;
const startLimit = 8000;

export class Director {
  private view: View;
  private engineNow: Engine | undefined;
  private generation = 0;
  private wake: (() => void) | undefined;
  private readonly brain: Brain;
  private readonly forced: EngineName | undefined;
  private failures = new Map<EngineName, number>();

  constructor(brain: Brain, mode: Mode, forced?: EngineName) {
    this.brain = brain;
    this.forced = forced;
    this.view = { phase: "starting", mode, skipped: {} };
  }

  get engine(): Engine | undefined {
    return this.engineNow;
  }

  get state(): View {
    return this.view;
  }

  start(): void {
    const g = ++this.generation;
    void this.run(g);
  }

  stop(): void {
    this.generation++;
    this.wake?.();
    this.drop();
  }

  setMode(mode: Mode): void {
    this.stop();
    this.failures.clear();
    this.show({ mode, skipped: {}, phase: "starting", error: undefined });
    this.start();
  }

  /** Begins again at the first engine, as "Try again" and a browser that came back online ask for. */
  again(): void {
    this.setMode(this.view.mode);
  }

  private show(part: Partial<View>): void {
    this.view = { ...this.view, ...part };
    if (part.phase === "playing") this.view.played = true;
    this.brain.changed(this.view);
  }

  private drop(): void {
    if (!this.engineNow) return;
    this.brain.freeze();
    this.engineNow.stop();
    this.engineNow = undefined;
  }

  private async run(g: number): Promise<void> {
    let pause = 0;
    while (g === this.generation) {
      if (pause > 0) await this.rest(pause);
      if (g !== this.generation) return;
      const answer = await this.brain.ask();
      if (g !== this.generation) return;
      pause = await this.step(g, answer);
    }
  }

  /** One try: wait, or play until it ends. Answers how long to rest before the next. */
  private async step(g: number, answer: WatchAnswer): Promise<number> {
    if (answer.kind === "unreachable") {
      this.show({ phase: "unreachable" });
      return 1000;
    }
    if (answer.kind === "refused") {
      this.show({ phase: "error", error: { code: answer.code, text: answer.text } });
      return 5000;
    }
    const info = answer.kind === "info" ? answer.info : undefined;
    if (info && info.state !== "live") {
      this.failures.clear();
      this.show({ phase: "waiting", info, skipped: {} });
      return 700;
    }
    const name = this.pick(info);
    if (!name) {
      const last = Object.values(this.view.skipped).at(-1);
      this.show({ phase: "error", error: last ?? { code: "no_engine", text: "" }, info });
      this.failures.clear();
      await this.rest(6000);
      if (g === this.generation) this.show({ skipped: {} });
      return 0;
    }
    this.show({ phase: this.view.phase === "playing" ? "playing" : "starting", info, engine: name });
    return this.play(g, name, info);
  }

  private pick(info: WatchInfo | undefined): EngineName | undefined {
    const ladder = this.forced ? [this.forced] : ladders[this.view.mode];
    const skipped = { ...this.view.skipped };
    for (const name of ladder) {
      const out = info?.outputs?.[name === "ll-hls" ? "hls" : name];
      // A picture without sound is no fair offer while another engine has both.
      if (out && (!out.ok || (out.code && !this.forced)))
        skipped[name] = { code: out.code ?? "not_offered", text: out.message ?? "" };
      else if (info && name !== "whep" && !this.brain.canDecode(info))
        skipped[name] = { code: "codec_unsupported", text: "", codec: leading(info)?.codec };
      if (skipped[name] && !(this.forced && (!out || out.ok))) continue;
      this.view = { ...this.view, skipped };
      return name;
    }
    this.view = { ...this.view, skipped };
    return undefined;
  }

  private async play(g: number, name: EngineName, info: WatchInfo | undefined): Promise<number> {
    const engine = this.brain.make(name, info);
    this.engineNow = engine;
    let ended: EngineError | undefined;
    const over = new Promise<void>((done) => {
      engine.onend = (why) => {
        ended = why;
        done();
      };
    });
    const began = performance.now();
    let late = false;
    try {
      await limited(engine.start(), startLimit);
      if (g !== this.generation) return 0;
      const sound = new LateSound(info, performance.now(), name);
      await Promise.race([over, this.supervise(g, sound).then((s) => (late = s))]);
    } catch (e) {
      ended = e instanceof EngineError ? e : new EngineError("engine_failed", String(e));
    }
    if (g !== this.generation) return 0;
    if (this.engineNow === engine) this.drop();
    if (late && !ended) return 50; // the same again, with its sound
    const why = ended ?? new EngineError("stalled", "No picture came for several seconds.");
    return this.failed(name, why, performance.now() - began);
  }

  /** What follows an end: at once again where it had played, otherwise the next engine after two tries. */
  private failed(name: EngineName, why: EngineError, lasted: number): number {
    const played = this.view.phase === "playing" || this.view.phase === "waiting";
    if (played && lasted > 3000) this.failures.delete(name);
    const count = (this.failures.get(name) ?? 0) + 1;
    this.failures.set(name, count);
    if (!why.retry || count >= 3) {
      const skipped = { ...this.view.skipped, [name]: { code: why.code, text: why.message } };
      this.show({ skipped, phase: "starting" });
      this.failures.delete(name);
      return this.forced ? 1000 : 0;
    }
    this.show({ phase: "starting" });
    return count === 1 ? 50 : 500 * count;
  }

  /** Watches the pictures come out; returns when the engine has to be started anew: true if it is for sound that has begun. */
  private async supervise(g: number, sound: LateSound): Promise<boolean> {
    const began = performance.now();
    let seen = -1;
    let seenAt = began;
    let first = true;
    let backAt = 0;
    let away = false;
    while (g === this.generation) {
      await this.rest(this.view.phase === "playing" ? 250 : 120);
      if (g !== this.generation) return false;
      const now = performance.now();
      const p = this.brain.progress();
      if (p < 0) {
        seenAt = now;
        continue;
      }
      if (p !== seen) {
        if (seen >= 0 || p > 0) {
          if (this.view.phase !== "playing") this.show({ phase: "playing", error: undefined });
          first = false;
          away = false;
          backAt = 0;
        }
        seen = p;
        seenAt = now;
        if (sound.due(now) && sound.take(await this.brain.ask(), now, this.brain.heard())) return true;
        continue;
      }
      const still = now - seenAt;
      if (still < stallNotice) continue;
      const answer = await this.brain.ask();
      if (g !== this.generation || this.brain.progress() !== seen) continue;
      if (answer.kind === "info" && answer.info.state === "away") {
        // The server holds the connection for its grace time; so do we.
        away = true;
        if (this.view.phase !== "waiting") this.show({ phase: "waiting", info: answer.info });
        seenAt = Math.max(seenAt, now - stallNotice);
      } else if (answer.kind === "info" && answer.info.state === "idle") {
        return false;
      } else if (away) {
        backAt ||= now;
        if (now - backAt > returnLimit) return false;
      } else if (still > (first ? startLimit : stallRestart)) {
        return false;
      }
      await this.rest(away ? 250 : 500);
    }
    return false;
  }

  private rest(ms: number): Promise<void> {
    return new Promise((done) => {
      const timer = setTimeout(done, ms);
      this.wake = () => {
        clearTimeout(timer);
        done();
      };
    });
  }
}

function limited<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const limit = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new EngineError("start_timeout", "Nothing came within 8 s.")), ms);
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
}
