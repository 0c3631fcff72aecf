import type { EngineContext } from "./engine";
import { isDamaged, ShakaEngine, type ShakaError, type ShakaPlayer } from "./shaka";
import { Joiner } from "./wall";

/** A playlist of the past in Shaka, played by the clock on the wall. */

const manifestRequest = 0; // shaka.net.NetworkingEngine.RequestType.MANIFEST

export class PastEngine extends ShakaEngine {
  private readonly joiner = new Joiner();
  private readonly url: string;
  private readonly begin: number;

  constructor(cx: EngineContext, url: string, begin: number) {
    super("hls", cx);
    this.url = url;
    this.begin = begin;
  }

  protected override source() {
    return { url: this.url, start: this.begin, mime: "application/x-mpegurl" };
  }

  protected override prepare(player: ShakaPlayer): void {
    player.configure({
      // What was not recorded will not be so later: a refusal is an answer.
      manifest: { retryParameters: { maxAttempts: 2, baseDelay: 300 } },
      streaming: { bufferingGoal: 20, rebufferingGoal: 0.3, bufferBehind: 60 },
    });
    player.getNetworkingEngine()?.registerResponseFilter((type, response) => {
      if (type !== manifestRequest) return;
      const text = new TextDecoder().decode(response.data);
      if (text.includes("#EXTINF")) response.data = new TextEncoder().encode(this.joiner.take(text)).buffer;
    });
  }

  /** The list that is loaded offers it for ever. */
  protected override ends(e: ShakaError): boolean {
    return isDamaged(e);
  }

  /** Shaka goes to where it was told to begin once there is metadata; only then can anybody correct it. */
  override async start(): Promise<void> {
    await super.start();
    const { video } = this.cx;
    if (video.readyState > 0) return;
    await new Promise((done) => video.addEventListener("loadedmetadata", done, { once: true }));
  }

  /** The moment on screen. */
  wall(): number | undefined {
    return this.joiner.map?.wallAt(this.cx.video.currentTime);
  }

  spans() {
    return this.joiner.map?.spans();
  }

  /** Goes to a moment of the loaded playlist; false where that does not reach so far. */
  seekWall(wall: number, growing: boolean): boolean {
    const { player } = this;
    const { map } = this.joiner;
    const { video } = this.cx;
    if (!player || !map || wall < map.from - 1500 || (!growing && wall > map.to + 1500)) return false;
    const range = player.seekRange();
    // Not the very start: what has not moved from there is moved again by Shaka.
    const first = range.start + 0.02;
    const inside = (s: number) => Math.min(Math.max(s, first), Math.max(first, range.end - 0.2));
    video.currentTime = inside(map.mediaAt(wall));
    return true;
  }

  /** Seconds of the loaded past that lie ahead. */
  ahead(): number {
    return this.player ? this.player.seekRange().end - this.cx.video.currentTime : 0;
  }

  /** Whether there are key frames on their own, for speeds that no decoder keeps up with. */
  get trick(): boolean {
    return this.player?.getManifest()?.variants.some((v) => v.video?.trickModeVideo) ?? false;
  }

  setSpeed(rate: number): void {
    const { video } = this.cx;
    if (rate > 2 && this.player) {
      this.player.trickPlay(rate, true);
      return;
    }
    this.player?.cancelTrickPlay();
    video.defaultPlaybackRate = rate;
    video.playbackRate = rate;
  }

  override stop(): void {
    this.cx.video.defaultPlaybackRate = 1;
    this.cx.video.playbackRate = 1;
    super.stop();
  }
}
