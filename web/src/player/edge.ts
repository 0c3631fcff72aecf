/**
 * Keeps playback a steady, small distance behind the newest data by bending the
 * speed, and jumps only when far off.
 *
 * What counts is not the data in hand at one moment, which rises and falls with
 * every frame or part that arrives, but the least there was in the last second:
 * that is the reserve that stands between the viewer and a stall.
 */

export interface EdgePlan {
  /** Seconds of reserve to keep. */
  target: number;
  /** With more data in hand than this, jump instead of hurrying. */
  jump: number;
  /** The reserve grows up to this when data comes unevenly. */
  ceiling: number;
  /** Look for pictures that stand still while sound plays on, and grow the reserve up to this against it. */
  freeze?: number;
}

const sampleEvery = 50;
const window = 20; // samples: one second
/** Every change of speed restarts the time stretcher of the sound, so changes keep apart. */
const changeEvery = 400;

/**
 * The speed for this reserve. It knows the speed now, so that it starts to hurry, and to linger, later than it stops:
 * without that gap it would change back and forth with every frame.
 */
export function speedFor(reserve: number, target: number, now: number): number {
  const over = reserve - target;
  if (over > 0.8) return 1.25;
  if (over > 0.3) return 1.1;
  if (over > 0.1) return 1.05;
  if (over > 0.02 && now > 1) return Math.min(now, 1.05);
  if (reserve < target * 0.3) return 0.9;
  if (reserve < target * 0.65) return 0.95;
  if (reserve < target * 0.9 && now < 1) return 0.95;
  return 1;
}

export class EdgeKeeper {
  private timer: ReturnType<typeof setInterval> | undefined;
  private target: number;
  private samples: number[] = [];
  private changedAt = 0;
  private calmSince = 0;
  private landedAt = 0;
  private firstAt = 0;
  private lostAt = 0;
  private pace = { at: 0, frames: 0, time: 0, most: 0 };
  private readonly video: HTMLVideoElement;
  private readonly plan: EdgePlan;
  /** Off while the viewer has chosen to be behind. */
  enabled = true;

  constructor(video: HTMLVideoElement, plan: EdgePlan) {
    this.video = video;
    this.plan = plan;
    this.target = plan.target;
  }

  start(): void {
    this.video.addEventListener("waiting", this.starved);
    this.timer = setInterval(() => this.tick(performance.now()), sampleEvery);
  }

  stop(): void {
    clearInterval(this.timer);
    this.video.removeEventListener("waiting", this.starved);
    this.setRate(1);
  }

  goLive(): void {
    const ranges = this.video.buffered;
    if (ranges.length === 0) return;
    const last = ranges.length - 1;
    this.video.currentTime = Math.max(ranges.start(last), ranges.end(last) - this.target - 0.1);
    this.enabled = true;
    this.landedAt = performance.now();
    this.samples = [];
  }

  /** Both rates, because Shaka puts the default one back at every turn. */
  private setRate(rate: number): void {
    this.video.defaultPlaybackRate = rate;
    this.video.playbackRate = rate;
  }

  private starved = () => {
    const now = performance.now();
    // The wait that a jump brings with it says nothing about the reserve.
    if (this.landedAt === 0 || now - this.landedAt < 1000 || this.video.seeking) return;
    this.target = Math.min(this.plan.ceiling, this.target + 0.06);
    this.calmSince = now;
    this.samples = [];
  };

  private tick(now: number): void {
    const { video } = this;
    const ranges = video.buffered;
    if (ranges.length === 0 || !this.enabled || this.inHole(now)) return;
    const end = ranges.end(ranges.length - 1);
    const from = ranges.start(ranges.length - 1);
    if (this.landedAt === 0) {
      this.land(now, end - Math.max(video.currentTime, from));
      return;
    }
    if (video.paused || video.seeking) return;
    const ahead = end - video.currentTime;
    const frozen = this.frozen(now);
    if (frozen) this.target += 0.1;
    if (frozen || ahead > this.plan.jump) {
      this.goLive();
      return;
    }
    this.samples = [...this.samples, ahead].slice(-window);
    this.relax(now);
    if (this.samples.length < window / 2 || now - this.changedAt < changeEvery) return;
    const rate = speedFor(Math.min(...this.samples), this.target, video.playbackRate);
    if (rate === video.playbackRate) return;
    this.setRate(rate);
    this.changedAt = now;
  }

  /** Playback that stands between two pieces of data, as after a lost part, is brought to the newer one. */
  private inHole(now: number): boolean {
    const { video } = this;
    const ranges = video.buffered;
    const at = video.currentTime;
    let later = false;
    for (let i = 0; i < ranges.length; i++) {
      if (at >= ranges.start(i) - 0.05 && at < ranges.end(i)) {
        this.lostAt = 0;
        return false;
      }
      later ||= ranges.start(i) > at;
    }
    if (!later || video.readyState >= 2) return false;
    this.lostAt ||= now;
    if (now - this.lostAt < 400) return true;
    this.lostAt = 0;
    this.goLive();
    return true;
  }

  /**
   * Where the decoder has read all there is, Chromium goes on with the next key frame only: sound plays on over a few
   * pictures a second, and no event tells. A jump back to a larger reserve ends it.
   */
  private frozen(now: number): boolean {
    const { video, pace, plan } = this;
    if (plan.freeze === undefined || this.target >= plan.freeze || now - pace.at < 1500) return false;
    const frames = video.getVideoPlaybackQuality?.().totalVideoFrames ?? 0;
    const seconds = (now - pace.at) / 1000;
    const rate = (frames - pace.frames) / seconds;
    const played = !document.hidden && pace.at > 0 && video.currentTime - pace.time > seconds * 0.8;
    const frozen = played && rate < pace.most / 3;
    // A stream whose frame rate itself fell is mistaken for this once at most: the new rate is learnt.
    this.pace = {
      at: now,
      frames,
      time: video.currentTime,
      most: played && !frozen ? Math.max(pace.most, rate) : frozen ? 0 : pace.most,
    };
    return frozen;
  }

  /**
   * The server begins with the last key frame, up to a whole interval ago. One jump, once that burst
   * is in, brings the viewer to its end before the first second has passed.
   */
  private land(now: number, ahead: number): void {
    this.firstAt ||= now;
    if (now - this.firstAt < 120) return;
    if (ahead > this.target + 0.25) this.goLive();
    this.landedAt = now;
  }

  /** After calm times the reserve shrinks again, slowly. */
  private relax(now: number): void {
    if (this.target <= this.plan.target || now - this.calmSince < 30_000) return;
    this.target = Math.max(this.plan.target, this.target - 0.04);
    this.calmSince = now;
  }
}
