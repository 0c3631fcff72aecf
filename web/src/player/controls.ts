import { drawing, el, label, setText } from "./dom";
import { icon } from "./icons";
import { Scrub, type ScrubCommands, type ScrubLook } from "./scrub";
import type { Translate } from "./strings";

/** The control bar and what lies over the picture. It knows no engine: it is told what to show and tells what was pressed. */

export type MenuKind = "latency" | "quality" | "speed" | "more";

export interface Commands extends ScrubCommands {
  toggle(): void;
  mute(): void;
  volume(v: number): void;
  seek(to: number): void;
  pip(): void;
  fullscreen(): void;
  openMenu(kind: MenuKind, opener: HTMLElement): void;
  openSheet(kind: "stats" | "help"): void;
  openJump(opener: HTMLElement): void;
  unmute(): void;
  again(): void;
  copyDetails(): void;
  /** Tries a key for watching that somebody typed. */
  unlock(key: string): void;
}

export interface Look {
  paused: boolean;
  muted: boolean;
  volume: number;
  live: boolean;
  /** Seconds behind the live edge by the viewer's own doing. */
  behind: number;
  latencyText: string;
  qualityText: string;
  window?: { start: number; end: number; at: number };
  /** The bar of time, where there is a past. */
  scrub?: ScrubLook;
  /** The moment on screen, as a clock shows it. */
  time: string;
  /** What plays is not live. */
  past: boolean;
  /** There is no live to go to. */
  closed: boolean;
  speedText: string;
  fullscreen: boolean;
  pip: boolean;
  soundAlone: boolean;
  tapForSound: boolean;
  tapToPlay: boolean;
  notice: string;
  overlay:
    | { kind: "none" | "starting" | "waiting" | "seeking" }
    | { kind: "error"; text: string; help: string; code: string };
  waitingText: string;
  title: string;
}

export class Controls {
  readonly root: HTMLElement;
  private readonly t: Translate;
  private readonly parts = new Map<string, HTMLElement>();
  private readonly scrub: Scrub;

  constructor(t: Translate, commands: Commands) {
    this.t = t;
    this.scrub = new Scrub(t, commands);
    this.root = el("div", { class: "controls" });
    this.root.append(this.overlay(commands), this.top(commands), this.bar(commands));
  }

  private keep<T extends HTMLElement>(name: string, node: T): T {
    this.parts.set(name, node);
    return node;
  }

  private button(name: string, press: () => void, klass = ""): HTMLButtonElement {
    const b = this.keep(name, el("button", { class: `b ${klass}`, type: "button", part: name }));
    b.addEventListener("click", press);
    return b;
  }

  private bar(c: Commands): HTMLElement {
    const dvr = this.keep(
      "dvr",
      el("input", { type: "range", class: "dvr", step: "any", min: "0", hidden: true }),
    );
    dvr.setAttribute("aria-label", this.t("seek"));
    dvr.addEventListener("input", () => c.seek(Number(dvr.value)));
    const vol = this.keep("vol", el("input", { type: "range", min: "0", max: "1", step: "0.05" }));
    vol.setAttribute("aria-label", this.t("volume"));
    vol.addEventListener("input", () => c.volume(Number(vol.value)));
    const live = this.button("live", c.goLive, "livebtn text");
    live.append(
      el("span", { class: "dot" }),
      this.keep("liveText", el("span")),
      this.keep("goLive", el("span", { class: "wide" })),
    );
    const row = el(
      "div",
      { class: "row" },
      this.button("play", c.toggle),
      live,
      this.jump(c),
      el("div", { class: "vol" }, this.button("mute", c.mute), vol),
      el("span", { class: "gap" }),
      this.menuButton(c, "speed", "text wide"),
      this.menuButton(c, "latency", "text wide"),
      this.menuButton(c, "quality", "text wide"),
      this.button("info", () => c.openSheet("stats"), "wide"),
      this.button("help", () => c.openSheet("help"), "wide help"),
      this.menuButton(c, "more", "slim"),
      this.button("pip", c.pip, "nopip"),
      this.button("full", c.fullscreen),
    );
    return el("div", { class: "bar", part: "bar" }, dvr, this.scrub.root, row);
  }

  private menuButton(c: Commands, kind: MenuKind, klass: string): HTMLElement {
    const b = this.button(kind, () => c.openMenu(kind, b), klass);
    b.setAttribute("aria-haspopup", "menu");
    b.setAttribute("aria-expanded", "false");
    return b;
  }

  private jump(c: Commands): HTMLElement {
    const b = this.button("time", () => c.openJump(b), "text time");
    b.setAttribute("aria-haspopup", "dialog");
    b.setAttribute("aria-expanded", "false");
    return b;
  }

  private top(c: Commands): HTMLElement {
    const sound = this.keep("sound", el("button", { class: "sound", type: "button", hidden: true }));
    sound.append(drawing(icon("mute")), this.t("tapForSound"));
    sound.style.pointerEvents = "auto";
    sound.addEventListener("click", c.unmute);
    const note = this.keep("note", el("div", { class: "note", role: "status", hidden: true }));
    return el("div", {}, sound, el("div", { class: "top" }, el("span"), note));
  }

  private overlay(c: Commands): HTMLElement {
    const again = el("button", { class: "act", type: "button" }, this.t("error.again"));
    again.addEventListener("click", c.again);
    const copy = this.keep("copy", el("button", { class: "act", type: "button" }, this.t("error.copy")));
    copy.addEventListener("click", c.copyDetails);
    const big = this.keep("big", el("button", { class: "big", type: "button", hidden: true }));
    big.append(drawing(icon("play")));
    label(big, this.t("tapToPlay"));
    big.addEventListener("click", c.toggle);
    const waiting = el("div", { class: "center", role: "status" }, wave(), this.keep("waitText", el("p")));
    const error = el(
      "div",
      { class: "center", role: "alert" },
      el("p", { class: "title" }, this.t("error.title")),
      this.keep("errText", el("p")),
      this.keep("errHelp", el("p")),
      this.keep("errCode", el("p", { class: "code" })),
      this.unlocking(c),
      this.keep("acts", el("div", { class: "acts" }, again, copy)),
    );
    return el(
      "div",
      {},
      this.voice(),
      this.keep("waiting", waiting),
      this.keep("error", error),
      this.keep("tap", el("div", { class: "center" }, big)),
    );
  }

  /** In the place of a picture where there is none: a press on it is a press on the picture. */
  private voice(): HTMLElement {
    const sign = el("span", { class: "sign", "aria-hidden": "true" });
    sign.append(drawing(icon("sound")));
    return this.keep(
      "voice",
      el("div", { class: "center voice" }, sign, el("p", {}, this.t("soundAlone")), wave()),
    );
  }

  /** Where a key is typed by whose link has none, or a wrong one. */
  private unlocking(c: Commands): HTMLElement {
    const key = this.keep("key", el("input", { type: "text", autocomplete: "off", spellcheck: "false" }));
    key.setAttribute("aria-label", this.t("key"));
    key.placeholder = this.t("key");
    const form = el("form", { class: "ask" }, key, el("button", { class: "act" }, this.t("unlock")));
    form.addEventListener("submit", (e) => {
      e.preventDefault();
      if (key.value.trim()) c.unlock(key.value.trim());
    });
    return this.keep("unlock", form);
  }

  part(name: string): HTMLElement {
    const node = this.parts.get(name);
    if (!node) throw new Error(`no control ${name}`);
    return node;
  }

  show(look: Look): void {
    const { t } = this;
    this.icon("play", look.paused ? "play" : "pause", t(look.paused ? "play" : "pause"), t("spaceKey"));
    this.icon("mute", look.muted ? "mute" : "sound", t(look.muted ? "unmute" : "mute"), "m");
    this.icon(
      "full",
      look.fullscreen ? "exit" : "full",
      t(look.fullscreen ? "exitFullscreen" : "fullscreen"),
      "f",
    );
    this.icon("pip", "pip", t("pip"), "p");
    this.icon("info", "info", t("stats"), "i");
    this.icon("help", "keys", t("help"), "?");
    this.icon("more", "more", t("more"));
    this.part("pip").hidden = !look.pip;
    this.slider("vol", 0, 1, look.muted ? 0 : look.volume);
    this.liveButton(look);
    setText(this.part("latency"), look.latencyText);
    label(this.part("latency"), named(t, t("latency"), look.latencyText));
    setText(this.part("quality"), look.qualityText);
    label(this.part("quality"), named(t, t("quality"), look.qualityText));
    this.part("quality").hidden = look.qualityText === "";
    this.part("latency").hidden = look.past;
    this.timeRow(look);
    this.part("dvr").hidden = !look.window || look.scrub !== undefined;
    this.scrub.show(look.scrub);
    if (look.window) this.slider("dvr", look.window.start, look.window.end, look.window.at);
    this.part("sound").hidden = !look.tapForSound;
    this.part("note").hidden = look.notice === "";
    setText(this.part("note"), look.notice);
    this.overlays(look);
  }

  private timeRow(look: Look): void {
    const { t } = this;
    this.part("time").hidden = !look.scrub;
    setText(this.part("time"), look.time);
    label(this.part("time"), named(t, t("jump"), look.time), "t");
    this.part("speed").hidden = !look.past;
    setText(this.part("speed"), look.speedText);
    label(this.part("speed"), named(t, t("speed"), look.speedText));
  }

  private overlays(look: Look): void {
    const o = look.overlay;
    this.part("waiting").hidden = o.kind !== "waiting" && o.kind !== "starting" && o.kind !== "seeking";
    setText(this.part("waitText"), o.kind === "seeking" ? "" : look.waitingText);
    this.part("error").hidden = o.kind !== "error";
    if (o.kind === "error") {
      const locked = o.code.startsWith("key_");
      this.part("unlock").hidden = !locked;
      this.part("acts").hidden = locked;
      this.part("errCode").hidden = locked;
      setText(this.part("errText"), o.text);
      setText(this.part("errHelp"), o.help);
      this.part("errHelp").hidden = o.help === "";
      setText(this.part("errCode"), o.code);
    }
    this.part("voice").hidden = !look.soundAlone || o.kind !== "none" || look.tapToPlay;
    this.part("voice").classList.toggle("still", look.paused);
    this.part("tap").hidden = !look.tapToPlay || o.kind !== "none";
    this.part("big").hidden = !look.tapToPlay;
  }

  private liveButton(look: Look): void {
    const { t } = this;
    const b = this.part("live");
    b.hidden = look.closed;
    const behind = look.behind > 3;
    b.classList.toggle("edge", look.live && !behind);
    const time = clock(look.behind);
    setText(this.part("liveText"), behind ? `−${time}` : t("live"));
    setText(this.part("goLive"), behind ? ` ${t("goLive")}` : "");
    // The name holds what is written: who speaks to the machine says what is seen.
    label(b, behind ? `−${time} ${t("goLive")}` : t("live"), "L");
  }

  private icon(name: string, drawingName: Parameters<typeof icon>[0], text: string, key?: string): void {
    const b = this.part(name);
    if (b.dataset.icon !== drawingName) {
      b.dataset.icon = drawingName;
      b.replaceChildren(drawing(icon(drawingName)));
    }
    label(b, text, key);
  }

  private slider(name: string, min: number, max: number, at: number): void {
    const s = this.part(name) as HTMLInputElement;
    s.min = String(min);
    s.max = String(max);
    s.value = String(at);
    const share = max > min ? ((at - min) / (max - min)) * 100 : 0;
    s.style.setProperty("--at", `${Math.min(100, Math.max(0, share)).toFixed(1)}%`);
  }
}

/** The line of water: something is on its way. */
function wave(): HTMLElement {
  const line = el("div", { class: "wave", "aria-hidden": "true" });
  line.append(
    drawing(
      '<svg viewBox="0 0 144 20" fill="none" stroke-width="2.500"><path d="M0 10q9-12 18 0t18 0 18 0 18 0 18 0 18 0 18 0 18 0"/></svg>',
    ),
  );
  return line;
}

const named = (t: Translate, what: string, now: string) => (now ? t("named", { what, now }) : what);

/** 62 → "1:02" */
export function clock(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const h = Math.floor(s / 3600);
  const m = Math.floor(s / 60) % 60;
  const two = (n: number) => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}
