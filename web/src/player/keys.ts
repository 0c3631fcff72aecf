/** Which key does what; nothing while somebody types. */
export type Keys =
  | "toggle"
  | "back5"
  | "forward5"
  | "back10"
  | "forward10"
  | "live"
  | "mute"
  | "fullscreen"
  | "pip"
  | "stats"
  | "jump"
  | "help"
  | "close";

const table: Record<string, Keys> = {
  " ": "toggle",
  k: "toggle",
  ArrowLeft: "back5",
  ArrowRight: "forward5",
  j: "back10",
  l: "forward10",
  L: "live",
  m: "mute",
  f: "fullscreen",
  p: "pip",
  i: "stats",
  t: "jump",
  "?": "help",
  Escape: "close",
};

export function keyAction(e: KeyboardEvent, inside: boolean): Keys | undefined {
  if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented) return undefined;
  const target = e.composedPath()[0];
  if (target instanceof HTMLElement) {
    const slider = target instanceof HTMLInputElement && target.type === "range";
    const typing = !slider && (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.isContentEditable);
    if (typing && !(inside && e.key === "Escape")) return undefined;
    if (slider && (!inside || /^Arrow|^ $/.test(e.key))) return undefined;
    // A focused button keeps its own space; the page's other buttons keep everything.
    if (e.key === " " && /^(BUTTON|A|SUMMARY)$/.test(target.tagName)) return undefined;
  }
  return table[e.key];
}
