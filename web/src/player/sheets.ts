import { drawing, el, label, setText } from "./dom";
import { icon } from "./icons";
import type { Translate } from "./strings";

/** Menus and sheets over the picture: one open at a time, closed by Escape or a press elsewhere, focus goes back. */

export interface Choice {
  id: string;
  text: string;
  hint?: string;
  /** Why this cannot be chosen now. */
  why?: string;
  disabled?: boolean;
  chosen: boolean;
  /** Does something rather than being one of several. */
  action?: boolean;
}

export class Sheets {
  private open: { node: HTMLElement; opener: HTMLElement | null; kind: string } | undefined;
  private readonly host: HTMLElement | ShadowRoot;
  private readonly t: Translate;

  constructor(host: HTMLElement | ShadowRoot, t: Translate) {
    this.host = host;
    this.t = t;
  }

  get kind(): string | undefined {
    return this.open?.kind;
  }

  close(): boolean {
    const was = this.open;
    if (!was) return false;
    this.open = undefined;
    was.node.remove();
    was.opener?.setAttribute("aria-expanded", "false");
    was.opener?.focus();
    return true;
  }

  private put(node: HTMLElement, kind: string, opener: HTMLElement | null): void {
    this.close();
    this.open = { node, kind, opener };
    opener?.setAttribute("aria-expanded", "true");
    this.host.append(node);
  }

  menu(
    kind: string,
    title: string,
    opener: HTMLElement,
    choices: Choice[],
    pick: (id: string) => void,
  ): void {
    if (this.kind === kind) {
      this.close();
      return;
    }
    const menu = el("div", { role: "menu", "aria-label": title });
    for (const c of choices) menu.append(this.choice(c, pick));
    // On a small picture a menu covers the button that opened it: there it has a line of its own to close it by.
    const box = el("div", { class: "menu" }, this.heading(title), menu);
    menu.addEventListener("keydown", (e) => {
      const items = [...menu.querySelectorAll<HTMLElement>("[role]")];
      const at = items.indexOf((menu.getRootNode() as ShadowRoot).activeElement as HTMLElement);
      const step = e.key === "ArrowDown" ? 1 : e.key === "ArrowUp" ? -1 : 0;
      if (!step) return;
      items[(at + step + items.length) % items.length]?.focus();
      e.preventDefault();
      e.stopPropagation();
    });
    this.put(box, kind, opener);
    (
      menu.querySelector<HTMLElement>("[aria-checked=true]") ?? menu.querySelector<HTMLElement>("[role]")
    )?.focus();
  }

  private choice(c: Choice, pick: (id: string) => void): HTMLElement {
    const item = el("button", {
      type: "button",
      role: c.action ? "menuitem" : "menuitemradio",
      "aria-checked": c.action ? undefined : String(c.chosen),
      "aria-disabled": c.disabled ? "true" : undefined,
    });
    const mark = el("span", { "aria-hidden": "true" });
    if (c.chosen) mark.append(drawing(icon("check")));
    item.append(mark, el("span", {}, c.text), el("span", { class: "hint" }, c.hint ?? ""));
    if (c.why) item.append(el("span", { class: "why" }, c.why));
    item.addEventListener("click", () => {
      if (c.disabled) return;
      this.close();
      pick(c.id);
    });
    return item;
  }

  sheet(
    kind: string,
    title: string,
    rows: [term: Node | string, value: string][],
    opener: HTMLElement | null,
  ): void {
    if (this.kind === kind) {
      this.close();
      return;
    }
    const head = this.heading(title);
    const node = el("div", { class: "sheet", role: "dialog", "aria-label": title }, head, el("dl"));
    this.put(node, kind, opener);
    this.fill(kind, rows);
    head.querySelector("button")?.focus();
  }

  private heading(title: string): HTMLElement {
    const shut = el("button", { class: "b", type: "button" }, drawing(icon("close")));
    label(shut, this.t("close"));
    shut.addEventListener("click", () => this.close());
    return el("header", {}, title, shut);
  }

  /** Asks for one value; the answer says what is wrong with it, or nothing. */
  ask(
    kind: string,
    title: string,
    opener: HTMLElement,
    input: HTMLInputElement,
    take: (value: string) => string | undefined,
  ): void {
    if (this.kind === kind) {
      this.close();
      return;
    }
    input.setAttribute("aria-label", title);
    const wrong = el("p", { class: "why", role: "alert" });
    const form = el(
      "form",
      { class: "ask" },
      input,
      el("button", { class: "act", type: "submit" }, this.t("go")),
      wrong,
    );
    form.addEventListener("submit", (e) => {
      e.preventDefault();
      const said = take(input.value);
      if (said === undefined) this.close();
      else setText(wrong, said);
    });
    this.put(
      el("div", { class: "sheet", role: "dialog", "aria-label": title }, this.heading(title), form),
      kind,
      opener,
    );
    input.focus();
  }

  /** Writes fresh values into an open sheet without moving the focus. */
  fill(kind: string, rows: [term: Node | string, value: string][]): void {
    const list = this.open?.kind === kind ? this.open.node.querySelector("dl") : null;
    if (!list) return;
    if (list.children.length !== rows.length * 2) {
      list.replaceChildren(...rows.flatMap(([term, value]) => [el("dt", {}, term), el("dd", {}, value)]));
      return;
    }
    rows.forEach(([term, value], i) => {
      const dt = list.children[i * 2];
      const dd = list.children[i * 2 + 1];
      if (dt && typeof term === "string") setText(dt, term);
      if (dd) setText(dd, value);
    });
  }
}
