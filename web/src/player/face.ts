import { clockText } from "../lib/moment";
import type { View } from "./brain";
import type { Look } from "./controls";
import type { Engine } from "./engine";
import { overlayOf, shownMode, waitingOf } from "./look";
import { qualityText, secondsText } from "./menus";
import type { Rewind } from "./rewind";
import type { ScrubLook } from "./scrub";
import { speedText } from "./speeds";
import type { Translate } from "./strings";
import { leading } from "./watch";

/** From what the player is doing to what its controls show. Nothing is kept here, and nothing is changed. */

export interface Doing {
  t: Translate;
  video: HTMLVideoElement;
  view: View | undefined;
  engine: Engine | undefined;
  rewind: Rewind | undefined;
  /** Seconds the live picture is late by. */
  latency: number | undefined;
  /** What the browser does not let begin without a press. */
  blocked: "no" | "sound" | "all";
  wantPaused: boolean;
  /** The viewer went back from the live edge within what is buffered. */
  offLive: boolean;
  notice: string;
  title: string;
  fullscreen: boolean;
  pip: boolean;
}

export function lookOf(d: Doing): Look {
  const { t, video, view, engine, rewind } = d;
  const playing = view?.phase === "playing";
  const latency = playing ? engine?.latency() : undefined;
  const seconds = latency === undefined ? "" : secondsText(t, latency);
  const past = rewind?.past;
  const scrub = scrubOf(d);
  return {
    paused: video.paused,
    muted: video.muted,
    volume: video.volume,
    live: playing && !video.paused && !past,
    behind: behindOf(d, scrub),
    latencyText: [t(`mode.${shownMode(view)}`), seconds].filter(Boolean).join(" · "),
    qualityText: qualityText(t, engine, video),
    window: windowOf(d),
    scrub,
    time: scrub ? clockText(scrub.at) : "",
    past: past !== undefined,
    closed: rewind?.closed ?? false,
    speedText: speedText(past?.speed ?? 1),
    fullscreen: d.fullscreen,
    pip: d.pip && !soundAlone(d),
    soundAlone: soundAlone(d),
    tapForSound: d.blocked === "sound" && playing,
    tapToPlay: d.blocked === "all" || (video.paused && d.wantPaused),
    notice: d.notice,
    overlay: seeking(d) ? { kind: "seeking" } : overlayOf(t, view),
    waitingText: waitingOf(t, view),
    title: d.title,
  };
}

/** There is nothing to see, and there will not be. */
function soundAlone({ view, video }: Doing): boolean {
  if (video.videoWidth > 0) return false;
  const tracks = view?.info?.tracks ?? [];
  if (tracks.length > 0) return leading(view?.info)?.kind === "audio";
  return view?.phase === "playing" && video.readyState >= 2;
}

function scrubOf({ rewind, latency }: Doing): ScrubLook | undefined {
  const view = rewind?.window();
  if (!rewind || !view) return undefined;
  return { view, at: rewind.wall(latency), gaps: rewind.gaps(), live: !rewind.closed };
}

/** Seconds behind the live edge by the viewer's own doing. */
function behindOf(d: Doing, scrub: ScrubLook | undefined): number {
  const past = d.rewind?.past;
  if (scrub?.live && (past || (d.video.paused && d.wantPaused))) return (scrub.view.to - scrub.at) / 1000;
  const edge = d.engine?.edge();
  return past || edge === undefined || !d.offLive ? 0 : edge - d.video.currentTime;
}

/** What can be sought in, where there is enough of it to be worth a bar. */
function windowOf({ video, engine }: Doing): Look["window"] {
  if (engine?.name === "whep" || engine?.name === "flv" || video.seekable.length === 0) return undefined;
  const start = video.seekable.start(0);
  const end = engine?.edge();
  return end && end - start > 12 ? { start, end, at: video.currentTime } : undefined;
}

/** The last picture stays, and only the line of water says that another is on its way. */
function seeking({ rewind, view, video }: Doing): boolean {
  const past = rewind?.past;
  if (!past || view?.phase === "error") return false;
  return past.phase === "loading" || (video.readyState < 3 && !video.ended);
}
