import { ladders, modes, type Reason, type View } from "./brain";
import type { Look } from "./controls";
import type { Engine, EngineStats } from "./engine";
import type { Choice } from "./sheets";
import { has, type Translate } from "./strings";

/** What the player's menus and its stats sheet say. */

/** Tenths of a second; what is less is not worth a zero. */
export function secondsText(t: Translate, s: number): string {
  return t("seconds", { n: s < 0.1 ? "<0.1" : s.toFixed(1) });
}

export function reasonText(t: Translate, reason: Reason): string {
  if (reason.code === "codec_unsupported" && reason.codec) return t("reason.codec", { codec: reason.codec });
  const key = `reason.${reason.code}`;
  if (has(key)) return t(key);
  return reason.text || t("reason.other", { code: reason.code });
}

export function latencyChoices(t: Translate, view: View | undefined, engine: Engine | undefined): Choice[] {
  return modes.map((mode): Choice => {
    const chosen = view?.mode === mode;
    const now = chosen && view?.phase === "playing" ? engine?.latency() : undefined;
    const own = ladders[mode][0];
    const why = own ? (view?.skipped[own] ?? offered(view, own)) : undefined;
    return {
      id: mode,
      text: t(`mode.${mode}`),
      hint: now === undefined ? t(`modeHint.${mode}`) : secondsText(t, now),
      why: why ? reasonText(t, why) : undefined,
      chosen,
    };
  });
}

function offered(view: View | undefined, engine: string): Reason | undefined {
  const out = view?.info?.outputs?.[engine];
  return out && (!out.ok || out.code)
    ? { code: out.code ?? "not_offered", text: out.message ?? "" }
    : undefined;
}

export function qualityText(t: Translate, engine: Engine | undefined, video: HTMLVideoElement): string {
  const q = engine?.qualities();
  const now = q?.list.find((x) => x.active)?.label;
  if (q && q.list.length > 1) return q.auto ? t("autoNow", { label: now ?? "…" }) : (now ?? t("auto"));
  const lines = Math.min(video.videoWidth, video.videoHeight); // upright pictures are called by their short side, too
  return lines > 0 ? t("sourceNow", { label: `${lines}p` }) : "";
}

export function qualityChoices(t: Translate, engine: Engine | undefined, video: HTMLVideoElement): Choice[] {
  const q = engine?.qualities();
  if (!q || q.list.length < 2) return [{ id: "source", text: qualityText(t, engine, video), chosen: true }];
  const now = q.list.find((x) => x.active)?.label ?? "…";
  return [
    { id: "auto", text: q.auto ? t("autoNow", { label: now }) : t("auto"), chosen: q.auto },
    ...q.list.map((x) => ({ id: x.id, text: x.label, chosen: !q.auto && x.active })),
  ];
}

/** The menu behind the three dots: what a narrow picture's bar leaves out. */
export function moreChoices(t: Translate, look: Look): Choice[] {
  const all: (Choice | false)[] = [
    look.qualityText !== "" && { id: "quality", text: t("quality"), hint: look.qualityText, chosen: false },
    look.past
      ? { id: "speed", text: t("speed"), hint: look.speedText, chosen: false }
      : { id: "latency", text: t("latency"), hint: look.latencyText, chosen: false },
    { id: "stats", text: t("stats"), chosen: false },
    look.scrub !== undefined && { id: "share", text: t("shareAt", { time: look.time }), chosen: false },
  ];
  return all.filter((c) => c !== false).map((c) => ({ ...c, action: true }));
}

export function statRows(
  t: Translate,
  s: EngineStats | undefined,
  video: HTMLVideoElement,
  buffer: number | undefined,
  server: string,
): [string, string][] {
  const rows: [string, string | undefined][] = [
    ["protocol", s?.protocol],
    ["codecs", s?.codecs],
    ["resolution", video.videoWidth ? `${video.videoWidth}×${video.videoHeight}` : undefined],
    ["bitrate", s?.bitrate ? `${(s.bitrate / 1e6).toFixed(2)} Mbit/s` : undefined],
    ["latency", s?.latency === undefined ? undefined : secondsText(t, s.latency)],
    ["buffer", buffer === undefined ? undefined : t("seconds", { n: buffer.toFixed(2) })],
    [
      "frames",
      s?.decoded === undefined
        ? undefined
        : t("sheet.framesValue", { dropped: s.dropped ?? 0, total: s.decoded }),
    ],
    ["roundTrip", s?.roundTrip === undefined ? undefined : `${Math.round(s.roundTrip * 1000)} ms`],
    ["lost", s?.lost === undefined ? undefined : String(s.lost)],
    ["transport", s?.transport],
    ["server", server],
  ];
  return rows.map(([key, value]) => [t(`sheet.${key}`), value || "–"]);
}
