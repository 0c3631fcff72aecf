import { EdgeKeeper } from "./edge";
import {
  bufferedEnd,
  type Engine,
  type EngineContext,
  EngineError,
  type EngineStats,
  frameCounts,
} from "./engine";

/** HTTP-FLV through Media Source, by mpegts.js. */

type Mpegts = typeof import("mpegts.js").default;
type Player = ReturnType<Mpegts["createPlayer"]>;

export class FlvEngine implements Engine {
  readonly name = "flv" as const;
  onend?: (why: EngineError) => void;
  private readonly cx: EngineContext;
  private player: Player | undefined;
  private keeper: EdgeKeeper | undefined;
  private speed = 0;
  private codecs: string | undefined;
  private stopped = false;

  constructor(cx: EngineContext) {
    this.cx = cx;
  }

  async start(): Promise<void> {
    const mpegts = (await import("mpegts.js")).default;
    if (this.stopped) return;
    if (!mpegts.isSupported()) throw new EngineError("no_mse", "This browser has no Media Source.", false);
    mpegts.LoggingControl.enableAll = false;
    const player = mpegts.createPlayer(
      { type: "flv", isLive: true, url: `${this.cx.base}/stream.flv${this.cx.query}` },
      {
        // Every byte goes to the decoder as it comes; EdgeKeeper holds the distance.
        enableStashBuffer: false,
        lazyLoad: false,
        liveSync: false,
        liveBufferLatencyChasing: false,
        autoCleanupSourceBuffer: true,
        autoCleanupMaxBackwardDuration: 60,
        autoCleanupMinBackwardDuration: 30,
        // An outage is filled with silence under the last picture, and EdgeKeeper jumps over it. Without this
        // the sound alone would close up, and run ahead of the picture by the length of the outage.
        fixAudioTimestampGap: true,
      },
    );
    this.player = player;
    player.attachMediaElement(this.cx.video);
    player.on(mpegts.Events.STATISTICS_INFO, (s: { speed?: number }) => {
      this.speed = (s.speed ?? 0) * 8192; // mpegts.js counts KiB per second
    });
    player.on(mpegts.Events.MEDIA_INFO, (m: { videoCodec?: string; audioCodec?: string }) => {
      this.codecs = [m.videoCodec, m.audioCodec].filter(Boolean).join(", ");
    });
    this.keeper = new EdgeKeeper(this.cx.video, { target: 0.16, jump: 2, ceiling: 1 });
    this.keeper.start();
    await this.firstData(mpegts, player);
  }

  private firstData(mpegts: Mpegts, player: Player): Promise<void> {
    return new Promise((done, fail) => {
      let started = false;
      const end = (why: EngineError) => {
        if (started) this.onend?.(why);
        else fail(why);
      };
      player.on(
        mpegts.Events.ERROR,
        (kind: string, detail: string, info: { code?: number; msg?: string }) => {
          end(flvError(kind, detail, info));
        },
      );
      player.on(mpegts.Events.LOADING_COMPLETE, () => {
        end(new EngineError("session_ended", "The server ended the stream."));
      });
      this.cx.video.addEventListener(
        "loadeddata",
        () => {
          started = true;
          done();
        },
        { once: true },
      );
      player.load();
    });
  }

  stop(): void {
    this.stopped = true;
    this.keeper?.stop();
    this.player?.destroy();
    this.player = undefined;
  }

  latency(): number | undefined {
    const end = bufferedEnd(this.cx.video);
    return end === undefined ? undefined : Math.max(0, end - this.cx.video.currentTime);
  }

  edge(): number | undefined {
    return bufferedEnd(this.cx.video);
  }

  leaveEdge(): void {
    if (this.keeper) this.keeper.enabled = false;
  }

  goLive(): void {
    this.keeper?.goLive();
    void this.cx.video.play().catch(() => undefined);
  }

  qualities() {
    return { auto: false, list: [] };
  }

  setQuality(): void {}

  async stats(): Promise<EngineStats> {
    return {
      protocol: "HTTP-FLV",
      codecs: this.codecs,
      bitrate: this.speed,
      latency: this.latency(),
      ...frameCounts(this.cx.video),
    };
  }
}

/** Turns what mpegts.js reports into one of our errors. */
export function flvError(kind: string, detail: string, info?: { code?: number; msg?: string }): EngineError {
  const text = [detail, info?.msg].filter(Boolean).join(": ");
  if (kind === "MediaError") {
    const never = detail === "CodecUnsupported" || detail === "FormatUnsupported";
    return new EngineError(never ? "codec_unsupported" : "media_error", text, !never);
  }
  const status = info?.code ?? 0;
  if (status >= 400 && status < 500 && status !== 404 && status !== 429)
    return new EngineError(`http_${status}`, text, false);
  return new EngineError(status > 0 ? `http_${status}` : "network", text);
}
