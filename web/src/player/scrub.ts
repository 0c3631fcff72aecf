import { clockText } from "../lib/moment";
import { clamp, type Span, tOf, type View, xOf } from "../lib/timebar";
import type { Cue } from "../lib/vtt";
import { clock } from "./controls";
import { el, setText } from "./dom";
import type { Translate } from "./strings";

/** The bar of time under the picture: what there is of the past, where the viewer is in it, a small picture under the pointer. */

export interface ScrubLook {
  view: View;
  at: number;
  gaps: Span[];
  /** The right end is now. */
  live: boolean;
}

export interface ScrubCommands {
  seekWall(at: number): void;
  goLive(): void;
  cue(at: number): Cue | undefined;
  /** Somebody looks at the bar: what it shows should be fresh. */
  stirred(): void;
}

/** Widest and highest a small picture is drawn. */
const picture = { w: 176, h: 132 };

/** How far a key goes, in milliseconds; Infinity: to that end. */
const keys: Record<string, number> = {
  ArrowLeft: -10_000,
  ArrowRight: 10_000,
  ArrowDown: -60_000,
  ArrowUp: 60_000,
  PageDown: -600_000,
  PageUp: 600_000,
  Home: Number.NEGATIVE_INFINITY,
  End: Number.POSITIVE_INFINITY,
};

export class Scrub {
  readonly root: HTMLElement;
  private readonly t: Translate;
  private readonly commands: ScrubCommands;
  private readonly holes = el("div", { class: "holes" });
  private readonly fill = el("div", { class: "fill" });
  private readonly knob = el("div", { class: "knob" });
  private readonly pic = el("div", { class: "pic", hidden: true });
  private readonly time = el("div", { class: "when" });
  private readonly tip = el(
    "div",
    { class: "tip", hidden: true, "aria-hidden": "true" },
    this.pic,
    this.time,
  );
  private look: ScrubLook | undefined;
  private drawn = "";
  private dragged: number | undefined;

  constructor(t: Translate, commands: ScrubCommands) {
    this.t = t;
    this.commands = commands;
    const track = el("div", { class: "track" }, this.fill, this.holes);
    this.root = el(
      "div",
      { class: "scrub", role: "slider", tabindex: "0", "aria-label": t("seek"), part: "scrub", hidden: true },
      track,
      this.knob,
      this.tip,
    );
    this.listen();
  }

  private listen(): void {
    const { root } = this;
    root.addEventListener("pointerdown", (e) => {
      if (e.button !== 0 || !this.look) return;
      root.setPointerCapture?.(e.pointerId);
      this.dragged = this.under(e);
      this.point(e);
      this.draw();
    });
    root.addEventListener("pointermove", (e) => {
      this.commands.stirred();
      if (this.dragged !== undefined) this.dragged = this.under(e);
      this.point(e);
      this.draw();
    });
    root.addEventListener("pointerup", () => this.drop(true));
    root.addEventListener("pointercancel", () => this.drop(false));
    root.addEventListener("pointerleave", () => {
      if (this.dragged === undefined) this.tip.hidden = true;
    });
    root.addEventListener("keydown", (e) => this.key(e));
  }

  private under(e: PointerEvent): number {
    const box = this.root.getBoundingClientRect();
    const view = this.look?.view ?? { from: 0, to: 0 };
    return tOf(view, clamp(e.clientX - box.left, 0, box.width), box.width);
  }

  private drop(wanted: boolean): void {
    const { dragged, look } = this;
    this.dragged = undefined;
    this.tip.hidden = true;
    if (wanted && dragged !== undefined && look) this.go(dragged, look);
    this.draw();
  }

  /** Near the right end is live: nobody hits the last pixel. */
  private go(at: number, look: ScrubLook): void {
    const near = Math.max(3000, (look.view.to - look.view.from) * 0.008);
    if (look.live && at >= look.view.to - near) this.commands.goLive();
    else this.commands.seekWall(clamp(at, look.view.from, look.view.to - 1000));
  }

  private key(e: KeyboardEvent): void {
    const by = keys[e.key];
    const { look } = this;
    if (by === undefined || !look || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    e.stopPropagation();
    this.commands.stirred();
    const to =
      by === Number.POSITIVE_INFINITY ? look.view.to : clamp(look.at + by, look.view.from, look.view.to);
    if (by > 0 && by < 3_600_000 && look.live && to > look.view.to - 3000) this.commands.goLive();
    else if (look.live && by === Number.POSITIVE_INFINITY) this.commands.goLive();
    else this.commands.seekWall(Math.min(to, look.view.to - 1000));
  }

  /** The small picture over the pointer, kept inside the bar's width. */
  private point(e: PointerEvent): void {
    const { look } = this;
    if (!look) return;
    const box = this.root.getBoundingClientRect();
    const at = this.dragged ?? this.under(e);
    const cue = this.commands.cue(at);
    this.pic.hidden = !cue;
    let width = 64;
    if (cue) width = this.paint(cue);
    setText(this.time, this.timeText(at));
    this.tip.hidden = false;
    const half = Math.max(width, this.tip.offsetWidth || 0) / 2;
    const x = clamp(xOf(look.view, at, box.width), half, box.width - half);
    this.tip.style.left = `${x.toFixed(1)}px`;
  }

  private paint(cue: Cue): number {
    const w = cue.w || picture.w;
    const h = cue.h || (picture.w * 9) / 16;
    const scale = Math.min(picture.w / w, picture.h / h, 1.5);
    const { style } = this.pic;
    style.width = `${w}px`;
    style.height = `${h}px`;
    style.backgroundImage = `url("${cue.url.replaceAll('"', "%22")}")`;
    style.backgroundPosition = `-${cue.x}px -${cue.y}px`;
    style.backgroundSize = cue.w ? "auto" : "cover";
    style.zoom = String(scale);
    return w * scale;
  }

  private timeText(at: number): string {
    const { look } = this;
    if (!look) return "";
    const gap = look.gaps.some((g) => at >= g.from && at < g.to);
    const day = new Date(at).toDateString() === new Date(look.view.to).toDateString() ? "" : dayText(at);
    const back = look.live ? ` −${clock((look.view.to - at) / 1000)}` : "";
    return `${day}${clockText(at)}${gap ? ` · ${this.t("gap")}` : back}`;
  }

  show(look: ScrubLook | undefined): void {
    this.look = look;
    this.root.hidden = !look;
    if (look) this.draw();
  }

  private draw(): void {
    const { look, root } = this;
    if (!look) return;
    const { view, live } = look;
    const at = clamp(this.dragged ?? look.at, view.from, view.to);
    const share = (t: number) =>
      `${clamp(((t - view.from) / (view.to - view.from)) * 100, 0, 100).toFixed(2)}%`;
    this.fill.style.width = share(at);
    this.knob.style.left = share(at);
    const drawn = look.gaps.map((g) => `${share(g.from)} ${share(g.to)}`).join();
    if (drawn !== this.drawn) {
      this.drawn = drawn;
      this.holes.replaceChildren(
        ...look.gaps.map((g) => {
          const hole = el("i");
          hole.style.left = share(g.from);
          hole.style.right = `calc(100% - ${share(g.to)})`;
          return hole;
        }),
      );
    }
    const seconds = Math.round(at / 1000);
    root.setAttribute("aria-valuemin", String(Math.round(view.from / 1000)));
    root.setAttribute("aria-valuemax", String(Math.round(view.to / 1000)));
    root.setAttribute("aria-valuenow", String(seconds));
    const behind = clock((view.to - at) / 1000);
    const edge = live && view.to - at < 3000;
    const text = edge
      ? this.t("live")
      : live
        ? `${clockText(at)}, ${this.t("behind", { time: behind })}`
        : clockText(at);
    if (root.getAttribute("aria-valuetext") !== text) root.setAttribute("aria-valuetext", text);
  }
}

const two = (n: number) => String(n).padStart(2, "0");

/** "11-21 ": short, and the same order in both languages. */
function dayText(at: number): string {
  const d = new Date(at);
  return `${two(d.getMonth() + 1)}-${two(d.getDate())} `;
}
