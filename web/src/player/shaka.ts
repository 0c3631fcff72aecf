import { EdgeKeeper } from "./edge";
import {
  bufferedEnd,
  type Engine,
  type EngineContext,
  EngineError,
  type EngineName,
  type EngineStats,
  frameCounts,
  type Quality,
} from "./engine";

/** HLS, LL-HLS and DASH by Shaka Player. The builds for HLS and for DASH are separate chunks. */

interface Variant {
  id: number;
  active: boolean;
  height: number | null;
  bandwidth: number;
  videoCodec: string | null;
  audioCodec: string | null;
  videoId: number | null;
}

export interface ShakaError {
  severity: number;
  category: number;
  code: number;
  message?: string;
  data?: unknown[];
}

export interface ShakaPlayer {
  attach(video: HTMLVideoElement): Promise<void>;
  load(url: string, start?: number | null, mime?: string): Promise<void>;
  configure(config: object): boolean;
  destroy(): Promise<void>;
  addEventListener(type: string, f: (e: Event & { detail?: ShakaError }) => void): void;
  seekRange(): { start: number; end: number };
  getVariantTracks(): Variant[];
  selectVariantTrack(track: Variant, clear?: boolean): void;
  getStats(): { liveLatency: number; estimatedBandwidth: number; streamBandwidth: number };
  retryStreaming(delay?: number): boolean;
  goToLive(): void;
  getNetworkingEngine(): {
    registerResponseFilter(f: (type: number, response: { data: BufferSource }) => void): void;
  } | null;
  getManifest(): { variants: { video?: { trickModeVideo?: unknown } | null }[] } | null;
  trickPlay(rate: number, useTrickPlayTrack?: boolean): void;
  cancelTrickPlay(): void;
}

interface Shaka {
  Player: { new (): ShakaPlayer; isBrowserSupported(): boolean };
  polyfill: { installAll(): void };
}

async function library(name: EngineName): Promise<Shaka> {
  const module = (
    name === "dash"
      ? await import("shaka-player/dist/shaka-player.dash-es2021.js")
      : await import("shaka-player/dist/shaka-player.hls-es2021.js")
  ) as { default: Shaka };
  return module.default;
}

/** Seconds that pass before the newest data can be fetched at all; the server's defaults. */
const partLength = 0.2;
const segmentLength = 2;

/** Patient: an outage of the publisher or a restart of the server must not become a fatal error. */
const retry = { maxAttempts: 6, baseDelay: 250, backoffFactor: 1.6, fuzzFactor: 0.3, timeout: 15_000 };

export function configuration(name: EngineName): object {
  const low = name === "ll-hls";
  return {
    manifest: {
      retryParameters: { ...retry, maxAttempts: 12 },
      // Looking for captions inside the video would need a whole first segment; a run that has just begun
      // has only parts, and loading it would fail.
      hls: { disableClosedCaptionsDetection: true },
    },
    streaming: {
      lowLatencyMode: low,
      retryParameters: retry,
      bufferingGoal: low ? 6 : 12,
      rebufferingGoal: low ? 0.1 : 1,
      bufferBehind: 60,
      stallThreshold: 0.5,
      gapDetectionThreshold: 0.2,
      // EdgeKeeper holds the distance: Shaka measures its own from the end of the seek range, which already
      // lies the hold-back behind the newest part.
      liveSync: { enabled: false },
    },
  };
}

/** A player that is on its way out still takes the source off the element: the next one has to wait for it. */
const leaving = new WeakMap<HTMLVideoElement, Promise<unknown>>();

export class ShakaEngine implements Engine {
  readonly name: EngineName;
  onend?: (why: EngineError) => void;
  protected readonly cx: EngineContext;
  protected player: ShakaPlayer | undefined;
  private auto = true;
  private stopped = false;
  private running = false;
  private keeper: EdgeKeeper | undefined;

  constructor(name: EngineName, cx: EngineContext) {
    this.name = name;
    this.cx = cx;
  }

  async start(): Promise<void> {
    const shaka = await library(this.name);
    await leaving.get(this.cx.video);
    if (this.stopped) return;
    shaka.polyfill.installAll();
    if (!shaka.Player.isBrowserSupported())
      throw new EngineError("no_mse", "This browser has no Media Source.", false);
    const player = new shaka.Player();
    this.player = player;
    player.configure(configuration(this.name));
    this.prepare(player);
    player.addEventListener("error", (e) => this.failed(e.detail));
    await player.attach(this.cx.video);
    const { url, start, mime } = this.source();
    try {
      await player.load(url, start, mime);
    } catch (e) {
      throw shakaError(e as ShakaError);
    }
    this.running = true;
    if (this.name !== "ll-hls") return;
    // Decoder and renderer hold some 0.3 s of pictures between them: with less in hand the pictures freeze.
    this.keeper = new EdgeKeeper(this.cx.video, { target: 0.55, jump: 4, ceiling: 2, freeze: 0.8 });
    this.keeper.start();
  }

  protected source(): { url: string; start: number | null; mime: string } {
    const dash = this.name === "dash";
    return {
      url: `${this.cx.base}/${dash ? "index.mpd" : "index.m3u8"}${this.cx.query}`,
      start: null,
      mime: dash ? "application/dash+xml" : "application/x-mpegurl",
    };
  }

  /** Called before anything is loaded. */
  protected prepare(_player: ShakaPlayer): void {}

  private failed(e: ShakaError | undefined): void {
    if (!e || this.stopped || !this.running) return;
    // Severity 1 is recoverable. Network errors of a stream that is merely away are asked again for ever.
    // An error without a code is a failure inside Shaka, which it repeats for ever: begin anew.
    if (e.severity === 1 && e.code) return;
    if (this.ends(e)) {
      this.onend?.(shakaError(e));
      return;
    }
    if (e.category === 1 && this.player?.retryStreaming(0.5)) return;
    this.onend?.(shakaError(e));
  }

  /** Whether trying the same again is of no use. */
  protected ends(_e: ShakaError): boolean {
    return false;
  }

  stop(): void {
    this.stopped = true;
    this.keeper?.stop();
    const { player } = this;
    this.player = undefined;
    if (player)
      leaving.set(
        this.cx.video,
        player.destroy().catch(() => undefined),
      );
  }

  latency(): number | undefined {
    if (!this.player || !this.running) return undefined;
    const end = bufferedEnd(this.cx.video);
    const inHand = end === undefined ? 0 : Math.max(0, end - this.cx.video.currentTime);
    if (this.name === "ll-hls") return inHand + partLength;
    // Shaka compares the stream's clock with this machine's. Where the two disagree, or an outage was cut
    // out of the timeline, its figure cannot be true: then the data in hand and a segment is nearer.
    const said = this.player.getStats().liveLatency;
    return said >= inHand && said < inHand + 10 ? said : inHand + segmentLength;
  }

  edge(): number | undefined {
    if (!this.player || !this.running) return bufferedEnd(this.cx.video);
    return this.player.seekRange().end;
  }

  leaveEdge(): void {
    if (this.keeper) this.keeper.enabled = false;
  }

  goLive(): void {
    if (this.keeper) this.keeper.goLive();
    else this.player?.goToLive();
    void this.cx.video.play().catch(() => undefined);
  }

  qualities(): { auto: boolean; list: Quality[] } {
    const seen = new Map<string, Quality>();
    for (const v of this.variants()) {
      const label = v.height ? `${v.height}p` : `${Math.round(v.bandwidth / 1000)} kbit/s`;
      const known = seen.get(label);
      if (known) known.active ||= v.active;
      else seen.set(label, { id: String(v.id), label, active: v.active });
    }
    return { auto: this.auto, list: [...seen.values()] };
  }

  private variants(): Variant[] {
    return (this.player?.getVariantTracks() ?? []).toSorted((a, b) => b.bandwidth - a.bandwidth);
  }

  setQuality(id: string | null): void {
    this.auto = id === null;
    this.player?.configure({ abr: { enabled: this.auto } });
    const track = this.variants().find((v) => String(v.id) === id);
    if (track) this.player?.selectVariantTrack(track, true);
  }

  async stats(): Promise<EngineStats> {
    const active = this.variants().find((v) => v.active);
    const protocol = this.name === "dash" ? "DASH" : this.name === "ll-hls" ? "LL-HLS" : "HLS";
    return {
      protocol,
      codecs: [active?.videoCodec, active?.audioCodec].filter(Boolean).join(", "),
      bitrate: active?.bandwidth,
      latency: this.latency(),
      ...frameCounts(this.cx.video),
    };
  }
}

export function shakaError(e: ShakaError): EngineError {
  if (isDamaged(e))
    return new EngineError("footage_damaged", "This piece of footage is damaged on the disk.");
  const status = e.code === 1001 ? Number(e.data?.[1] ?? 0) : 0;
  if (status) return new EngineError(`http_${status}`, `HTTP ${status}`, status >= 404);
  // 4032: no variant this browser can decode. 4012: restrictions leave none.
  if (e.code === 4032 || e.code === 4012)
    return new EngineError("codec_unsupported", "This browser cannot decode this stream.", false);
  return new EngineError(`shaka_${e.code ?? "unknown"}`, e.message ?? `Shaka ${e.code}`);
}

/** A segment that is not what was recorded; the next list tells of it as a gap. */
export function isDamaged(e: ShakaError): boolean {
  return e.code === 1001 && String(e.data?.[2] ?? "").includes('"footage_damaged"');
}
