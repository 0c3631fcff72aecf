import type { Engine, EngineContext, EngineName } from "./engine";
import type { WatchInfo } from "./watch";

export function codecsOf(info: WatchInfo | undefined): string[] {
  return (info?.tracks ?? []).map((t) => t.codecs).filter(Boolean);
}

export function canDecode(codecs: string[]): boolean {
  const source =
    window.MediaSource ?? (window as { ManagedMediaSource?: typeof MediaSource }).ManagedMediaSource;
  if (!source || codecs.length === 0) return true;
  const video = codecs.filter((c) => /^(avc|hvc|hev|av01|vp0)/.test(c));
  // A stream whose picture plays is worth showing even if its sound does not.
  if (video.length > 0) return video.some((c) => source.isTypeSupported(`video/mp4; codecs="${c}"`));
  return codecs.some((c) => source.isTypeSupported(`audio/mp4; codecs="${c}"`));
}

/** Loads the engine's code on first use; until then it is only a name. */
export class LazyEngine implements Engine {
  readonly name: EngineName;
  onend?: Engine["onend"];
  private readonly cx: EngineContext;
  private real: Engine | undefined;
  private stopped = false;

  constructor(name: EngineName, cx: EngineContext) {
    this.name = name;
    this.cx = cx;
  }

  async start(): Promise<void> {
    const { name, cx } = this;
    if (name === "whep") this.real = new (await import("./whep")).WhepEngine(cx);
    else if (name === "flv") this.real = new (await import("./flv")).FlvEngine(cx);
    else this.real = new (await import("./shaka")).ShakaEngine(name, cx);
    this.real.onend = (why) => this.onend?.(why);
    if (this.stopped) return;
    await this.real.start();
  }

  stop(): void {
    this.stopped = true;
    this.real?.stop();
  }

  latency = () => this.real?.latency();
  edge = () => this.real?.edge();
  leaveEdge = () => this.real?.leaveEdge?.();
  goLive = () => this.real?.goLive();
  qualities = () => this.real?.qualities() ?? { auto: false, list: [] };
  setQuality = (id: string | null) => this.real?.setQuality(id);
  stats = async () => (await this.real?.stats()) ?? { protocol: "" };
}
