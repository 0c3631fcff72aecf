import { copyText } from "../lib/clipboard";
import { clockText, clockWithin, localValue, readLocal, writeMoment } from "../lib/moment";
import { type Mode, modes, type View } from "./brain";
import type { Controls, Look, MenuKind } from "./controls";
import { el } from "./dom";
import { bufferedEnd, type Engine } from "./engine";
import { keyCaps } from "./look";
import { latencyChoices, moreChoices, qualityChoices, statRows } from "./menus";
import type { Rewind } from "./rewind";
import { Sheets } from "./sheets";
import { speedChoices } from "./speeds";
import type { Translate } from "./strings";

/** What opens over the picture: which menu or sheet holds what, and what comes of a choice. How one is drawn is sheets.ts. */

export interface PanelWorld {
  video: HTMLVideoElement;
  server(): string;
  /** The stream's own address. */
  address(): string;
  view(): View | undefined;
  engine(): Engine | undefined;
  rewind(): Rewind | undefined;
  /** The moment on screen, where the stream has a past. */
  wall(): number | undefined;
  look(): Look;
  seekWall(at: number): void;
  setMode(mode: Mode): void;
  tell(text: string): void;
  draw(): void;
}

export class Panels {
  private readonly t: Translate;
  private readonly controls: Controls;
  private readonly world: PanelWorld;
  private readonly sheets: Sheets;

  constructor(host: ShadowRoot, t: Translate, controls: Controls, world: PanelWorld) {
    this.t = t;
    this.controls = controls;
    this.world = world;
    this.sheets = new Sheets(host, t);
  }

  get open(): boolean {
    return this.sheets.kind !== undefined;
  }

  /** True where there was something to close. */
  close(): boolean {
    return this.sheets.close();
  }

  openMenu(kind: MenuKind, opener: HTMLElement): void {
    if (kind === "latency") this.latencyMenu(opener);
    else if (kind === "quality") this.qualityMenu(opener);
    else if (kind === "speed") this.speedMenu(opener);
    else this.moreMenu(opener);
  }

  private speedMenu(opener: HTMLElement): void {
    const past = this.world.rewind()?.past;
    if (!past) return;
    const choices = speedChoices(this.t, past.speed, past.engine);
    this.sheets.menu("speed", this.t("speed"), opener, choices, (id) => {
      past.setSpeed(Number(id));
      this.world.draw();
    });
  }

  /** What a narrow picture has no room for. */
  private moreMenu(opener: HTMLElement): void {
    this.sheets.menu("more", this.t("more"), opener, moreChoices(this.t, this.world.look()), (id) => {
      if (id === "stats") this.openSheet("stats");
      else if (id === "share") void this.share();
      else this.openMenu(id as MenuKind, opener);
    });
  }

  private latencyMenu(opener: HTMLElement): void {
    const { world } = this;
    const choices = latencyChoices(this.t, world.view(), world.engine());
    this.sheets.menu("latency", this.t("latency"), opener, choices, (id) => {
      const mode = modes.find((m) => m === id);
      if (mode) world.setMode(mode);
    });
  }

  private qualityMenu(opener: HTMLElement): void {
    const { world } = this;
    const choices = qualityChoices(this.t, world.engine(), world.video);
    this.sheets.menu("quality", this.t("quality"), opener, choices, (id) =>
      world.engine()?.setQuality(id === "auto" || id === "source" ? null : id),
    );
  }

  private async share(): Promise<void> {
    const at = this.world.wall() ?? Date.now();
    const url = new URL(this.world.address());
    url.searchParams.set("at", writeMoment(Math.floor(at / 1000) * 1000));
    this.world.tell((await copyText(url.href)) ? this.t("shared", { time: clockText(at) }) : url.href);
  }

  openJump(opener: HTMLElement): void {
    const view = this.world.rewind()?.window();
    if (!view) return;
    const days = new Date(view.from).toDateString() !== new Date(view.to).toDateString();
    const at = this.world.wall() ?? view.to;
    const input = el("input", { type: days ? "datetime-local" : "time", step: "1" });
    input.value = days ? localValue(at) : clockText(at);
    this.sheets.ask("jump", this.t("jump"), opener, input, (value) => {
      const to = days ? readLocal(value) : clockWithin(value, view.from, view.to);
      if (to === undefined || to < view.from - 1000 || to > view.to)
        return this.t("jumpOutside", { from: clockText(view.from), to: clockText(view.to) });
      this.world.seekWall(to);
      return undefined;
    });
  }

  openSheet(kind: "stats" | "help"): void {
    const own = this.controls.part(kind === "stats" ? "info" : "help");
    const opener = own.offsetParent ? own : this.controls.part("more");
    if (kind === "stats") {
      this.sheets.sheet("stats", this.t("stats"), [], opener);
      void this.refresh();
      return;
    }
    const rows = (["space", "arrows", "jl", "L", "t", "m", "f", "p", "i", "help"] as const).map(
      (k): [Node, string] => [
        el("kbd", {}, k === "space" ? this.t("spaceKey") : keyCaps[k]),
        this.t(`keys.${k}`),
      ],
    );
    this.sheets.sheet("help", this.t("help"), rows, opener);
  }

  /** Writes fresh figures into the open sheet of them. */
  async refresh(): Promise<void> {
    if (this.sheets.kind !== "stats") return;
    const { video } = this.world;
    const stats = await this.world.engine()?.stats();
    const end = bufferedEnd(video);
    const buffer = end === undefined ? undefined : Math.max(0, end - video.currentTime);
    this.sheets.fill("stats", statRows(this.t, stats, video, buffer, new URL(this.world.server()).host));
  }

  async copyDetails(): Promise<void> {
    const text = JSON.stringify({
      page: location.href,
      agent: navigator.userAgent,
      at: new Date().toISOString(),
      view: this.world.view(),
    });
    if (await copyText(text)) this.controls.part("copy").textContent = this.t("error.copied");
  }
}
