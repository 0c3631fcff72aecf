import type { EngineName } from "./engine";
import type { WatchAnswer, WatchInfo } from "./watch";

/**
 * Sound that begins when an engine plays already is heard by none that has only set up a picture: a playlist's list of
 * variants is read once, browsers add no sound to a source that plays, and a WebRTC session has what it was agreed on.
 * So where a stream had no sound the server is asked now and then, and the engine begins anew once there is some.
 */

const often = 3000;
const seldom = 15_000;
/** After so long a stream without sound is taken for a camera that has none. */
const hopeful = 90_000;

/** Whether the stream has sound that comes; one that was only announced has no bit rate. A server that tells of none is believed. */
export function sounds(info: WatchInfo | undefined): boolean {
  return !info?.tracks || info.tracks.some((t) => t.kind === "audio" && t.bitrate_bps !== 0);
}

export class LateSound {
  private readonly began: number;
  private readonly enough: number;
  private askedAt: number;
  private seen = 0;
  private waits: boolean;

  constructor(info: WatchInfo | undefined, now: number, engine: EngineName) {
    this.waits = !sounds(info);
    this.began = now;
    // A manifest keeps the time without sound for a while, and players take what they set up from its beginning.
    this.enough = engine === "dash" ? 6 : 2;
    this.askedAt = now;
  }

  /** Whether it is time to ask. */
  due(now: number): boolean {
    return this.waits && now - this.askedAt >= (now - this.began < hopeful || this.seen > 0 ? often : seldom);
  }

  /** Takes the answer; true once there has been sound for a while that this engine does not give. */
  take(answer: WatchAnswer, now: number, heard: boolean): boolean {
    this.askedAt = now;
    if (heard) this.waits = false;
    if (!this.waits || answer.kind !== "info") return false;
    this.seen = answer.info.state === "live" && sounds(answer.info) ? this.seen + 1 : 0;
    return this.seen >= this.enough;
  }
}

interface Sounding {
  webkitAudioDecodedByteCount?: number;
  mozHasAudio?: boolean;
}

/** Whether the element gives sound; true where a browser does not say. */
export function gives(video: HTMLVideoElement): boolean {
  if (video.srcObject instanceof MediaStream) return video.srcObject.getAudioTracks().some((t) => !t.muted);
  const v = video as Sounding;
  if (v.webkitAudioDecodedByteCount !== undefined) return v.webkitAudioDecodedByteCount > 0;
  return v.mozHasAudio ?? true;
}
