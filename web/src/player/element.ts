import { type Brain, Director, type Mode, modes, type View } from "./brain";
import { type Commands, Controls, type Look } from "./controls";
import { el } from "./dom";
import { type Engine, type EngineContext, type EngineName, engineNames } from "./engine";
import { type Doing, lookOf } from "./face";
import { type Keys, keyAction } from "./keys";
import { gives } from "./late";
import { canDecode, codecsOf, LazyEngine } from "./lazy";
import { recall, remember } from "./memory";
import { reasonText } from "./menus";
import { Panels, type PanelWorld } from "./panels";
import { Rewind } from "./rewind";
import { nearest, type Translate, translator } from "./strings";
import { css } from "./style";
import { askWatch, queryOf, type WatchInfo } from "./watch";

/**
 * <weir-player src="live/show"></weir-player>
 *
 * Attributes: src (stream name), server (origin; by default the one this script
 * came from), playback-key, mode (whep, flv, ll-hls, hls or dash: only that
 * engine), latency (realtime, low, stable), muted, autoplay="off", lang,
 * hotkeys="page" (keys work wherever the focus is), controls="none"; at (a
 * moment to begin at), from and to (a range of the past), each as RFC 3339, Unix
 * seconds or "-90s".
 * Properties: video, view, engine, wall (the moment on screen, epoch ms, where
 * the stream has a past). Methods: seekWall(ms), goLive(). Events: weir-view
 * (detail: View).
 */
export class WeirPlayer extends HTMLElement {
  static observedAttributes = [
    "src",
    "mode",
    "latency",
    "lang",
    "playback-key",
    "server",
    "at",
    "from",
    "to",
  ];

  readonly video: HTMLVideoElement;
  private readonly stage: HTMLElement;
  private readonly last: HTMLCanvasElement;
  private readonly shadow: ShadowRoot;
  private t: Translate = translator("en");
  private controls: Controls | undefined;
  private panels: Panels | undefined;
  private director: Director | undefined;
  private rewind: Rewind | undefined;
  private reopening = false;
  private tick: ReturnType<typeof setInterval> | undefined;
  private sleep: ReturnType<typeof setTimeout> | undefined;
  private notice = "";
  private noticeTimer: ReturnType<typeof setTimeout> | undefined;
  private blocked: Doing["blocked"] = "no";
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
    this.video.addEventListener("click", () => (this.panels?.close() ? undefined : this.toggle()));
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
    this.tick = setInterval(() => this.refresh(), 500);
    this.open();
  }

  disconnectedCallback(): void {
    clearInterval(this.tick);
    clearTimeout(this.sleep);
    document.removeEventListener("keydown", this.onkey);
    document.removeEventListener("fullscreenchange", this.draw);
    this.director?.stop();
    this.rewind?.stop();
    this.director = undefined;
    this.rewind = undefined;
  }

  attributeChangedCallback(name: string, was: string | null, now: string | null): void {
    if (!this.isConnected || was === now || !this.controls) return;
    if (name === "lang") this.build();
    else if (!this.reopening) {
      // Several attributes that change together open once.
      this.reopening = true;
      queueMicrotask(() => {
        this.reopening = false;
        if (this.isConnected) this.open();
      });
    }
  }

  /** What the player is doing, for pages and tests. */
  get view(): View | undefined {
    return this.rewind ? this.rewind.view(this.director?.state) : this.director?.state;
  }

  get engine(): Engine | undefined {
    return this.rewind?.past ? this.rewind.past.engine : this.director?.engine;
  }

  /** The moment on screen, where the stream has a past. */
  get wall(): number | undefined {
    return this.rewind?.window() ? this.rewind.wall(this.latencyNow()) : undefined;
  }

  private latencyNow(): number | undefined {
    return this.director?.state.phase === "playing" ? this.director.engine?.latency() : undefined;
  }

  private get server(): string {
    return this.getAttribute("server") ?? new URL(import.meta.url).origin;
  }

  /** The stream's name. */
  private get source(): string {
    return (this.getAttribute("src") ?? "").replace(/^\/+|\/+$/g, "");
  }

  private get forced(): EngineName | undefined {
    const asked = this.getAttribute("mode");
    return engineNames.find((n) => n === asked);
  }

  private open(): void {
    this.director?.stop();
    this.rewind?.stop();
    const name = this.source;
    if (!name) return;
    const asked = this.getAttribute("latency") ?? recall("latency");
    const mode = modes.find((m) => m === asked) ?? "realtime";
    const where = this.where(name);
    this.director = new Director(this.senses(name, where), mode, this.forced);
    this.rewind = this.pastOf(name, where);
    if (this.rewind.begins) void this.rewind.begin();
    else this.director.start();
    this.draw();
  }

  private where(name: string): { base: string; query: string } {
    const key = this.getAttribute("playback-key");
    return {
      base: `${this.server}/${name.split("/").map(encodeURIComponent).join("/")}`,
      query: key ? `?key=${encodeURIComponent(key)}` : "",
    };
  }

  private cx(where: { base: string; query: string }, info: WatchInfo | undefined): EngineContext {
    return { video: this.video, base: where.base, query: queryOf(where.query, info), codecs: codecsOf(info) };
  }

  private senses(name: string, where: { base: string; query: string }): Brain {
    return {
      ask: () => askWatch(this.server, name, where.query),
      make: (engine, info) => new LazyEngine(engine, this.cx(where, info)),
      canDecode: (info) => canDecode(codecsOf(info)),
      progress: () => this.progress(),
      heard: () => gives(this.video),
      freeze: () => this.freeze(),
      changed: (view) => this.changed(view),
    };
  }

  private pastOf(name: string, where: { base: string; query: string }): Rewind {
    const address = {
      from: this.getAttribute("from"),
      to: this.getAttribute("to"),
      at: this.getAttribute("at"),
    };
    const world = {
      server: this.server,
      name,
      ...where,
      video: this.video,
      cx: () => this.cx(where, this.rewind?.info),
      freeze: () => this.freeze(),
      changed: () => this.told(),
      leaveLive: () => this.director?.stop(),
      toLive: () => this.goLive(),
    };
    return new Rewind(world, address);
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
    this.rewind?.heard(view.info);
    this.told();
  }

  private told(): void {
    this.draw();
    this.dispatchEvent(new CustomEvent("weir-view", { detail: this.view, bubbles: true, composed: true }));
  }

  private tell(text: string): void {
    this.notice = text;
    clearTimeout(this.noticeTimer);
    this.noticeTimer = setTimeout(() => {
      this.notice = "";
      this.draw();
    }, 8000);
    this.draw();
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
      if (this.rewind?.resumes()) return;
      const live = this.engine?.name === "flv" || this.engine?.name === "whep";
      if (live) this.engine?.goLive();
      else void this.video.play().catch(() => undefined);
    } else {
      this.wantPaused = true;
      this.rewind?.paused(this.latencyNow());
      this.video.pause();
    }
  }

  goLive(): void {
    this.wantPaused = false;
    this.offLive = false;
    if (!this.rewind?.past) this.engine?.goLive();
    else if (!this.rewind.closed) {
      this.freeze();
      this.rewind.leave();
      this.director?.again();
    }
  }

  /** Plays on from a moment of the past. */
  seekWall(at: number): void {
    this.rewind?.seek(at);
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
    const at = this.wall;
    const view = this.rewind?.window();
    if (at !== undefined && view) {
      const to = at + seconds * 1000;
      if (this.rewind?.past || seconds < 0) {
        if (to > view.to - 2000 && !this.rewind?.closed) this.goLive();
        else this.seekWall(to);
      }
      return;
    }
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
    this.panels?.close();
    this.controls = new Controls(this.t, this.commands());
    this.panels = new Panels(this.shadow, this.t, this.controls, this.world());
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
      seekWall: (at) => this.seekWall(at),
      cue: (at) => this.rewind?.cue(at),
      stirred: () => this.rewind?.refresh(),
      openMenu: (kind, opener) => this.panels?.openMenu(kind, opener),
      openJump: (opener) => this.panels?.openJump(opener),
      openSheet: (kind) => this.panels?.openSheet(kind),
      unmute: () => this.unmute(),
      again: () => (this.rewind?.past ? this.rewind.again() : this.director?.again()),
      copyDetails: () => void this.panels?.copyDetails(),
      unlock: (key) => this.setAttribute("playback-key", key),
    };
  }

  private world(): PanelWorld {
    return {
      video: this.video,
      server: () => this.server,
      address: () => this.where(this.source).base,
      view: () => this.view,
      engine: () => this.engine,
      rewind: () => this.rewind,
      wall: () => this.wall,
      look: () => this.look(),
      seekWall: (at) => this.seekWall(at),
      setMode: (mode) => this.setMode(mode),
      tell: (text) => this.tell(text),
      draw: this.draw,
    };
  }

  private setMode(mode: Mode): void {
    remember("latency", mode);
    this.notice = "";
    this.director?.setMode(mode);
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
      stats: () => this.panels?.openSheet("stats"),
      jump: () => this.controls && this.panels?.openJump(this.controls.part("time")),
      help: () => this.panels?.openSheet("help"),
      close: () => void this.panels?.close(),
    };
    if (act === "close" && !this.panels?.open) return;
    e.preventDefault();
    doing[act]();
    this.stir();
  };

  /** Controls hide three seconds after the last sign of the viewer, never under an open menu or a pause. */
  private stir(): void {
    this.stage.classList.remove("idle");
    clearTimeout(this.sleep);
    this.sleep = setTimeout(() => {
      if (!this.video.paused && !this.panels?.open) this.stage.classList.add("idle");
    }, 3000);
  }

  private refresh(): void {
    this.rewind?.past?.tick(this.video);
    this.draw();
    void this.panels?.refresh();
  }

  private draw = (): void => {
    if (!this.controls) return;
    const look = this.look();
    this.stage.classList.toggle("dim", look.overlay.kind === "waiting" || look.overlay.kind === "error");
    this.stage.classList.toggle("failed", look.overlay.kind === "error");
    this.controls.show(look);
  };

  private look(): Look {
    const { t, video, view, engine, rewind, blocked, wantPaused, offLive, notice } = this;
    return lookOf({
      ...{ t, video, view, engine, rewind, blocked, wantPaused, offLive, notice },
      latency: this.latencyNow(),
      title: this.getAttribute("src") ?? "",
      fullscreen: document.fullscreenElement === this,
      pip: document.pictureInPictureEnabled === true,
    });
  }
}

if (!customElements.get("weir-player")) customElements.define("weir-player", WeirPlayer);

declare global {
  interface HTMLElementTagNameMap {
    "weir-player": WeirPlayer;
  }
}
