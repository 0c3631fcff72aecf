import type { Mode, View } from "./brain";
import type { Look } from "./controls";
import { reasonText } from "./menus";
import type { Translate } from "./strings";

/** What the view is called where people see it. */

export const keyCaps = {
  space: "space",
  arrows: "← →",
  jl: "j l",
  L: "L",
  t: "t",
  m: "m",
  f: "f",
  p: "p",
  i: "i",
  help: "?",
} as const;

/** The mode that is in effect: the one whose engines include what plays. */
export function shownMode(view: View | undefined): Mode {
  if (!view?.engine) return view?.mode ?? "realtime";
  if (view.engine === "whep") return "realtime";
  return view.engine === "flv" || view.engine === "ll-hls" ? "low" : "stable";
}

export function overlayOf(t: Translate, view: View | undefined): Look["overlay"] {
  if (!view || view.phase === "playing") return { kind: "none" };
  if (view.phase === "error")
    return {
      kind: "error",
      text: view.error ? reasonText(t, view.error) : "",
      help: remedyOf(t, view),
      code: view.error?.code ?? "",
    };
  return { kind: view.phase === "starting" ? "starting" : "waiting" };
}

/** What helps where the browser lacks a decoder: another browser, or to who publishes another codec. */
function remedyOf(t: Translate, { error, info }: View): string {
  if (error?.code !== "codec_unsupported") return "";
  if (info?.is_owner) return t("remedy.owner");
  return t(error.codec === "HEVC" ? "remedy.hevc" : "remedy.codec");
}

export function waitingOf(t: Translate, view: View | undefined): string {
  if (view?.phase === "unreachable") return t("waiting.unreachable");
  if (view?.phase === "waiting" && view.info?.state !== "away")
    return t(view.played ? "waiting.ended" : "waiting.idle");
  if (view?.phase === "waiting") return t("waiting.away");
  return t("starting");
}
