import { copyText } from "../lib/clipboard";
import { type Brain, Director, type Mode, modes, type View } from "./brain";
import { type Commands, Controls, type Look } from "./controls";
import { el } from "./dom";
import { bufferedEnd, type Engine, type EngineName, type EngineStats, engineNames } from "./engine";
import { type Keys, keyAction } from "./keys";
import { canDecode, codecsOf, LazyEngine } from "./lazy";
import { recall, remember } from "./memory";
import { latencyChoices, qualityChoices, qualityText, reasonText, secondsText, statRows } from "./menus";
import { Sheets } from "./sheets";
import { nearest, type Translate, translator } from "./strings";
import { css } from "./style";
import { askWatch } from "./watch";

/**
 * <weir-player src="live/show"></weir-player>
 *
 * Attributes: src (stream name), server (origin; by default the one this script
 * came from), playback-key, mode (whep, flv, ll-hls, hls or dash: only that
 * engine), latency (realtime, low, stable), muted, autoplay="off", lang,
 * hotkeys="page" (keys work wherever the focus is), controls="none".
 * Properties: video, view, engine. Events: weir-view (detail: View).
 */
export class WeirPlayer extends HTMLElement {
  static observedAttributes = ["src", "mode", "latency", "lang", "playback-key", "server"];

  readonly video: HTMLVideoElement;
  private readonly stage: HTMLElement;
  private readonly last: HTMLCanvasElement;
  private readonly shadow: ShadowRoot;
  private t: Translate = translator("en");
  private controls: Controls | undefined;
  private sheets: Sheets | undefined;
  private director: Director | undefined;
  private tick: ReturnType<typeof setInterval> | undefined;
  private sleep: ReturnType<typeof setTimeout> | undefined;
  private notice = "";
  private noticeTimer: ReturnType<typeof setTimeout> | undefined;
  private blocked: "no" | "sound" | "all" = "no";
  private wantPaused = false;
  private offLive = false;

  constructor() {
    super();
    this.shadow = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    this.shadow.adoptedStyleSheets = [sheet];
    this.video = el("video", { playsinline: true, part: "video" });
    this.last = el("canvas", { class: "last", hidden: true });
    this.stage = el("div", { class: "stage" }, this.video, this.last);
    this.shadow.append(this.stage);
    this.video.addEventListener("click", () => (this.sheets?.close() ? undefined : this.toggle()));
    for (const type of ["loadeddata", "playing"])
      this.video.addEventListener(type, () => {
        this.last.hidden = true;
        void this.begin();
      });
    for (const type of ["volumechange", "pause", "play", "seeked"])
      this.video.addEventListener(type, () => this.draw());
    for (const type of ["pointermove", "pointerdown", "focusin", "keydown"])
      this.addEventListener(type, () => this.stir());
    this.addEventListener("dblclick", (e) => e.composedPath()[0] === this.video && this.fullscreen());
  }

  connectedCallback(): void {
    if (!this.hasAttribute("tabindex")) this.tabIndex = 0;
    this.setAttribute("role", "region");
    this.video.muted = this.hasAttribute("muted") || recall("muted") === "true";
    this.video.volume = Number(recall("volume") ?? 1);
    this.build();
    document.addEventListener("keydown", this.onkey);
    document.addEventListener("fullscreenchange", this.draw);
    this.tick = setInterval(() => void this.refresh(), 500);
    this.open();
  }

  disconnectedCallback(): void {
    clearInterval(this.tick);
    clearTimeout(this.sleep);
    document.removeEventListener("keydown", this.onkey);
    document.removeEventListener("fullscreenchange", this.draw);
    this.director?.stop();
    this.director = undefined;
  }

  attributeChangedCallback(name: string, was: string | null, now: string | null): void {
    if (!this.isConnected || was === now || !this.controls) return;
    if (name === "lang") this.build();
    else this.open();
  }

  /** What the player is doing, for pages and tests. */
  get view(): View | undefined {
    return this.director?.state;
  }

  get engine(): Engine | undefined {
    return this.director?.engine;
  }

  private get server(): string {
    return this.getAttribute("server") ?? new URL(import.meta.url).origin;
  }

  private get forced(): EngineName | undefined {
    const asked = this.getAttribute("mode");
    return engineNames.find((n) => n === asked);
  }

  private open(): void {
    this.director?.stop();
    const name = (this.getAttribute("src") ?? "").replace(/^\/+|\/+$/g, "");
    if (!name) return;
    const asked = this.getAttribute("latency") ?? recall("latency");
    const mode = modes.find((m) => m === asked) ?? "realtime";
    this.director = new Director(this.senses(name), mode, this.forced);
    this.director.start();
    this.draw();
  }

  private senses(name: string): Brain {
    const key = this.getAttribute("playback-key");
    const query = key ? `?key=${encodeURIComponent(key)}` : "";
    const base = `${this.server}/${name.split("/").map(encodeURIComponent).join("/")}`;
    return {
      ask: () => askWatch(this.server, name, query),
      make: (engine, info) =>
        new LazyEngine(engine, { video: this.video, base, query, codecs: codecsOf(info) }),
      canDecode: (info) => canDecode(codecsOf(info)),
      progress: () => this.progress(),
      freeze: () => this.freeze(),
      changed: (view) => this.changed(view),
    };
  }

  private progress(): number {
    const v = this.video;
    if ((v.paused && (this.wantPaused || this.blocked === "all")) || document.hidden) return -1;
    const frames = v.getVideoPlaybackQuality?.().totalVideoFrames ?? 0;
    return v.videoWidth > 0 && frames > 0 ? frames : Math.round(v.currentTime * 1000);
  }

  /** Leaves the last picture on screen while no engine plays. */
  private freeze(): void {
    const v = this.video;
    if (!v.videoWidth || v.readyState < 2) return;
    this.last.width = v.videoWidth;
    this.last.height = v.videoHeight;
    this.last.getContext("2d")?.drawImage(v, 0, 0);
    this.last.style.objectFit = "contain";
    this.last.hidden = false;
  }

  private changed(view: View): void {
    const wanted = view.phase === "playing" && !this.forced ? view.skipped : undefined;
    const first = wanted && Object.entries(wanted)[0];
    if (first && view.engine && this.notice === "") {
      const said = this.t("fallback", {
        wanted: this.t(`engine.${first[0]}`),
        reason: reasonText(this.t, first[1]),
        engine: this.t(`engine.${view.engine}`),
      });
      if (recall("noticed", "session") !== said) this.tell(said);
      remember("noticed", said, "session");
    }
    this.draw();
    this.dispatchEvent(new CustomEvent("weir-view", { detail: view, bubbles: true, composed: true }));
  }

  private tell(text: string): void {
    this.notice = text;
    clearTimeout(this.noticeTimer);
    this.noticeTimer = setTimeout(() => {
      this.notice = "";
      this.draw();
    }, 8000);
  }

  /** Starts with sound where the browser lets it, muted where it does not, and waits for a press where neither. */
  private async begin(): Promise<void> {
    const v = this.video;
    if (!v.paused || this.wantPaused || (this.getAttribute("autoplay") === "off" && this.blocked === "no")) {
      if (v.paused && !this.wantPaused) this.blocked = "all";
      return this.draw();
    }
    try {
      await v.play();
      if (this.blocked === "all") this.blocked = "no";
    } catch (e) {
      if ((e as Error).name !== "NotAllowedError") return;
      if (v.muted) this.blocked = "all";
      else {
        v.muted = true;
        this.blocked = "sound";
        await v.play().catch(() => {
          this.blocked = "all";
        });
      }
    }
    this.draw();
  }

  toggle(): void {
    if (this.video.paused) {
      this.wantPaused = false;
      this.blocked = this.blocked === "all" ? "no" : this.blocked;
      const live = this.engine?.name === "flv" || this.engine?.name === "whep";
      if (live) this.engine?.goLive();
      else void this.video.play().catch(() => undefined);
    } else {
      this.wantPaused = true;
      this.video.pause();
    }
  }

  goLive(): void {
    this.wantPaused = false;
    this.offLive = false;
    this.engine?.goLive();
  }

  private unmute(): void {
    this.video.muted = false;
    if (this.video.volume === 0) this.video.volume = 0.7;
    this.blocked = "no";
    remember("muted", "false");
    void this.video.play().catch(() => undefined);
  }

  private mute(): void {
    if (this.video.muted) this.unmute();
    else {
      this.video.muted = true;
      remember("muted", "true");
    }
  }

  private seekBy(seconds: number): void {
    this.seekTo(this.video.currentTime + seconds);
  }

  private seekTo(to: number): void {
    const edge = this.engine?.edge();
    if (edge === undefined) return;
    if (to >= edge - 0.5) {
      this.goLive();
      return;
    }
    const ranges = this.video.seekable;
    const start = ranges.length > 0 ? ranges.start(0) : 0;
    this.engine?.leaveEdge?.();
    this.video.currentTime = Math.max(start, to);
    this.offLive = true;
  }

  private async pip(): Promise<void> {
    if (document.pictureInPictureElement) await document.exitPictureInPicture();
    else await this.video.requestPictureInPicture().catch(() => undefined);
  }

  private fullscreen(): void {
    if (document.fullscreenElement) void document.exitFullscreen();
    else if (this.requestFullscreen) void this.requestFullscreen().catch(() => undefined);
    else (this.video as HTMLVideoElement & { webkitEnterFullscreen?(): void }).webkitEnterFullscreen?.();
  }

  private build(): void {
    this.t = translator(
      nearest(this.getAttribute("lang") ?? (document.documentElement.lang || navigator.language)),
    );
    this.setAttribute("aria-label", this.t("player"));
    this.controls?.root.remove();
    this.sheets?.close();
    this.controls = new Controls(this.t, this.commands());
    this.sheets = new Sheets(this.shadow, this.t);
    if (this.getAttribute("controls") !== "none") this.stage.append(this.controls.root);
    this.draw();
  }

  private commands(): Commands {
    return {
      toggle: () => this.toggle(),
      goLive: () => this.goLive(),
      mute: () => this.mute(),
      volume: (v) => {
        this.video.volume = v;
        this.video.muted = v === 0;
        this.blocked = "no";
        remember("volume", String(v));
      },
      seek: (to) => this.seekTo(to),
      pip: () => void this.pip(),
      fullscreen: () => this.fullscreen(),
      openMenu: (kind, opener) => (kind === "latency" ? this.latencyMenu(opener) : this.qualityMenu(opener)),
      openSheet: (kind) => this.openSheet(kind),
      unmute: () => this.unmute(),
      again: () => this.director?.again(),
      copyDetails: () => void this.copyDetails(),
    };
  }

  private latencyMenu(opener: HTMLElement): void {
    const choices = latencyChoices(this.t, this.view, this.engine);
    this.sheets?.menu("latency", this.t("latency"), opener, choices, (id) => {
      const mode = modes.find((m) => m === id) as Mode;
      remember("latency", mode);
      this.notice = "";
      this.director?.setMode(mode);
    });
  }

  private qualityMenu(opener: HTMLElement): void {
    this.sheets?.menu(
      "quality",
      this.t("quality"),
      opener,
      qualityChoices(this.t, this.engine, this.video),
      (id) => this.engine?.setQuality(id === "auto" || id === "source" ? null : id),
    );
  }

  private openSheet(kind: "stats" | "help"): void {
    const opener = this.controls?.part(kind === "stats" ? "info" : "help") ?? null;
    if (kind === "stats") {
      this.sheets?.sheet("stats", this.t("stats"), [], opener);
      void this.refresh();
      return;
    }
    const rows = (["space", "arrows", "jl", "L", "m", "f", "p", "i", "help"] as const).map(
      (k): [Node, string] => [el("kbd", {}, keyCaps[k]), this.t(`keys.${k}`)],
    );
    this.sheets?.sheet("help", this.t("help"), rows, opener);
  }

  private async copyDetails(): Promise<void> {
    const view = this.view;
    const text = JSON.stringify({
      page: location.href,
      agent: navigator.userAgent,
      at: new Date().toISOString(),
      view,
    });
    const ok = await copyText(text);
    const button = this.controls?.part("copy");
    if (ok && button) button.textContent = this.t("error.copied");
  }

  private onkey = (e: KeyboardEvent): void => {
    const inside = e.composedPath().includes(this);
    if (!inside && this.getAttribute("hotkeys") !== "page") return;
    const act = keyAction(e, inside);
    if (!act) return;
    const doing: Record<Keys, () => void> = {
      toggle: () => this.toggle(),
      back5: () => this.seekBy(-5),
      forward5: () => this.seekBy(5),
      back10: () => this.seekBy(-10),
      forward10: () => this.seekBy(10),
      live: () => this.goLive(),
      mute: () => this.mute(),
      fullscreen: () => this.fullscreen(),
      pip: () => void this.pip(),
      stats: () => this.openSheet("stats"),
      help: () => this.openSheet("help"),
      close: () => void this.sheets?.close(),
    };
    if (act === "close" && !this.sheets?.kind) return;
    e.preventDefault();
    doing[act]();
    this.stir();
  };

  /** Controls hide three seconds after the last sign of the viewer, never under an open menu or a pause. */
  private stir(): void {
    this.stage.classList.remove("idle");
    clearTimeout(this.sleep);
    this.sleep = setTimeout(() => {
      if (!this.video.paused && !this.sheets?.kind) this.stage.classList.add("idle");
    }, 3000);
  }

  private async refresh(): Promise<void> {
    this.draw();
    if (this.sheets?.kind !== "stats") return;
    const stats: EngineStats | undefined = await this.engine?.stats();
    const end = bufferedEnd(this.video);
    const buffer = end === undefined ? undefined : Math.max(0, end - this.video.currentTime);
    this.sheets.fill("stats", statRows(this.t, stats, this.video, buffer, new URL(this.server).host));
  }

  private draw = (): void => {
    if (!this.controls) return;
    const look = this.look();
    this.stage.classList.toggle("dim", look.overlay.kind === "waiting" || look.overlay.kind === "error");
    this.controls.show(look);
  };

  private look(): Look {
    const { t, video, view, engine } = this;
    const latency = view?.phase === "playing" ? engine?.latency() : undefined;
    const range =
      engine?.name === "whep" || engine?.name === "flv" || video.seekable.length === 0
        ? undefined
        : video.seekable;
    const edge = engine?.edge();
    const behind = edge === undefined || !this.offLive ? 0 : edge - video.currentTime;
    const window = range && edge ? { start: range.start(0), end: edge, at: video.currentTime } : undefined;
    const seconds = latency === undefined ? "" : secondsText(t, latency);
    return {
      paused: video.paused,
      muted: video.muted,
      volume: video.volume,
      live: view?.phase === "playing" && !video.paused,
      behind,
      latencyText: [t(`mode.${shownMode(view)}`), seconds].filter(Boolean).join(" · "),
      qualityText: qualityText(t, engine, video),
      window: window && window.end - window.start > 12 ? window : undefined,
      fullscreen: document.fullscreenElement === this,
      pip: document.pictureInPictureEnabled === true,
      tapForSound: this.blocked === "sound" && view?.phase === "playing",
      tapToPlay: this.blocked === "all" || (video.paused && this.wantPaused),
      notice: this.notice,
      overlay: overlayOf(t, view),
      waitingText: waitingOf(t, view),
      title: this.getAttribute("src") ?? "",
    };
  }
}

const keyCaps = {
  space: "space",
  arrows: "← →",
  jl: "j l",
  L: "L",
  m: "m",
  f: "f",
  p: "p",
  i: "i",
  help: "?",
} as const;

/** The mode that is in effect: the one whose engines include what plays. */
function shownMode(view: View | undefined): Mode {
  if (!view?.engine) return view?.mode ?? "realtime";
  if (view.engine === "whep") return "realtime";
  return view.engine === "flv" || view.engine === "ll-hls" ? "low" : "stable";
}

function overlayOf(t: Translate, view: View | undefined): Look["overlay"] {
  if (!view || view.phase === "playing") return { kind: "none" };
  if (view.phase === "error")
    return { kind: "error", text: view.error ? reasonText(t, view.error) : "", code: view.error?.code ?? "" };
  return { kind: view.phase === "starting" ? "starting" : "waiting" };
}

function waitingOf(t: Translate, view: View | undefined): string {
  if (view?.phase === "unreachable") return t("waiting.unreachable");
  if (view?.phase === "waiting") return t(view.info?.state === "away" ? "waiting.away" : "waiting.idle");
  return t("starting");
}

if (!customElements.get("weir-player")) customElements.define("weir-player", WeirPlayer);

declare global {
  interface HTMLElementTagNameMap {
    "weir-player": WeirPlayer;
  }
}
