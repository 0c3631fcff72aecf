/** What a viewer chose, kept in the browser. Private windows may forbid storage: then nothing is kept, and nothing breaks. */
type Where = "local" | "session";

const shelf = (where: Where) => (where === "local" ? localStorage : sessionStorage);

export function remember(name: string, value: string, where: Where = "local"): void {
  try {
    shelf(where).setItem(`weir.${name}`, value);
  } catch {
    // see above
  }
}

export function recall(name: string, where: Where = "local"): string | null {
  try {
    return shelf(where).getItem(`weir.${name}`);
  } catch {
    return null;
  }
}
