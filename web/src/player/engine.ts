/** What every way of playing offers the player. Engines know nothing of controls, waiting or fall-back. */

export const engineNames = ["whep", "flv", "ll-hls", "hls", "dash"] as const;
export type EngineName = (typeof engineNames)[number];

export interface Quality {
  id: string;
  label: string;
  active: boolean;
}

/** Facts for the stats sheet; what an engine cannot know it leaves out. */
export interface EngineStats {
  protocol: string;
  codecs?: string;
  bitrate?: number;
  /** Seconds between the newest picture the player knows of and the one shown. */
  latency?: number;
  dropped?: number;
  decoded?: number;
  transport?: string;
  roundTrip?: number;
  lost?: number;
}

export class EngineError extends Error {
  readonly code: string;
  /** false: this stream or browser will never play this way; try another engine. */
  readonly retry: boolean;
  constructor(code: string, message: string, retry = true) {
    super(message);
    this.code = code;
    this.retry = retry;
  }
}

export interface Engine {
  readonly name: EngineName;
  /** Attaches to the video element. Rejects with EngineError; after that only stop may be called. */
  start(): Promise<void>;
  stop(): void;
  /** Called after a successful start when playing cannot go on. */
  onend?: (why: EngineError) => void;
  latency(): number | undefined;
  /** The newest moment that can be played, on the video's own clock. */
  edge(): number | undefined;
  goLive(): void;
  /** The viewer goes back on purpose: stop keeping close to the newest data. */
  leaveEdge?(): void;
  qualities(): { auto: boolean; list: Quality[] };
  setQuality(id: string | null): void;
  stats(): Promise<EngineStats>;
}

export interface EngineContext {
  video: HTMLVideoElement;
  /** Address of the stream without a trailing slash: https://host/live/show */
  base: string;
  /** The query of playback keys, "" or "?key=…", appended to each address. */
  query: string;
  /** RFC 6381 strings of the tracks, as far as they are known. */
  codecs: string[];
}

/** The last buffered moment, or undefined while nothing is buffered. */
export function bufferedEnd(video: HTMLVideoElement): number | undefined {
  const ranges = video.buffered;
  return ranges.length > 0 ? ranges.end(ranges.length - 1) : undefined;
}

/** Frame counts as every browser that has Media Source gives them. */
export function frameCounts(video: HTMLVideoElement): { dropped?: number; decoded?: number } {
  const q = video.getVideoPlaybackQuality?.();
  return q ? { dropped: q.droppedVideoFrames, decoded: q.totalVideoFrames } : {};
}
