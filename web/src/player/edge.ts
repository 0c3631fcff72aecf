/** Keeps playback a steady, small distance behind the newest data by bending the speed, and jumps only when far off. */

export interface EdgePlan {
  /** Seconds of data to keep ahead of the picture. */
  target: number;
  /** Farther behind than this, jump instead of hurrying. */
  jump: number;
  /** The target grows up to this when the data comes unevenly. */
  ceiling: number;
}

/** What to do at `ahead` seconds of data in hand. Pure, so that it can be held to its promises in a test. */
export function steer(ahead: number, target: number, jump: number): { rate: number } | "jump" {
  if (ahead > jump) return "jump";
  const off = ahead - target;
  // A dead band keeps the sound untouched while all is well; steps instead of a curve,
  // because every change of speed restarts the time stretcher.
  if (off > 0.5) return { rate: 1.25 };
  if (off > 0.2) return { rate: 1.1 };
  if (off > 0.07) return { rate: 1.04 };
  if (ahead < target * 0.3) return { rate: 0.94 };
  return { rate: 1 };
}

export class EdgeKeeper {
  private timer: ReturnType<typeof setInterval> | undefined;
  private target: number;
  private calmSince = 0;
  private settled = false;
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
    this.timer = setInterval(() => this.tick(performance.now()), 50);
  }

  stop(): void {
    clearInterval(this.timer);
    this.video.removeEventListener("waiting", this.starved);
    this.video.playbackRate = 1;
  }

  goLive(): void {
    const ranges = this.video.buffered;
    if (ranges.length === 0) return;
    const last = ranges.length - 1;
    this.video.currentTime = Math.max(ranges.start(last), ranges.end(last) - this.target);
    this.enabled = true;
  }

  private starved = () => {
    if (!this.settled) return; // the first wait is the start itself
    this.target = Math.min(this.plan.ceiling, this.target + 0.08);
    this.calmSince = performance.now();
  };

  private tick(now: number): void {
    const { video } = this;
    const ranges = video.buffered;
    if (ranges.length === 0 || !this.enabled) return;
    const end = ranges.end(ranges.length - 1);
    const from = ranges.start(ranges.length - 1);
    if (!this.settled) {
      // The server begins with the last key frame, up to a whole interval ago: start near its end at once.
      if (end - Math.max(video.currentTime, from) > this.target) this.goLive();
      this.settled = video.readyState >= 2;
      return;
    }
    if (video.paused || video.seeking) return;
    // A hole: the publisher was away and the stream goes on after it.
    if (video.currentTime < from - 0.05 && video.readyState <= 2) {
      this.goLive();
      return;
    }
    if (this.target > this.plan.target && now - this.calmSince > 20_000) {
      this.target = Math.max(this.plan.target, this.target - 0.04);
      this.calmSince = now;
    }
    const move = steer(end - video.currentTime, this.target, this.plan.jump);
    if (move === "jump") this.goLive();
    else if (video.playbackRate !== move.rate) video.playbackRate = move.rate;
  }
}
