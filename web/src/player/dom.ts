/** Small helpers to build and change the player's controls. */

type Props = Record<string, string | boolean | undefined>;

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false) continue;
    if (name === "class") node.className = String(value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children);
  return node;
}

/** Markup from icons.ts only; never text from outside. */
export function drawing(svg: string): Node {
  const holder = document.createElement("template");
  holder.innerHTML = svg;
  return holder.content;
}

/** Sets text only when it changes: assistive technology re-reads what is written again. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

export function label(button: HTMLElement, text: string, key?: string): void {
  if (button.getAttribute("aria-label") !== text) button.setAttribute("aria-label", text);
  const title = key ? `${text} (${key})` : text;
  if (button.title !== title) button.title = title;
}
