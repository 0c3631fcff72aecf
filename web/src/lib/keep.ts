import { amount } from "./forecast";

/** How long things are kept, as menus offer it. */

export const choices = ["ever", "7", "30", "90", "365"] as const;
export type KeepChoice = (typeof choices)[number];

/** The moment until which a recording made or changed now is kept; null: for ever. */
export function untilOf(choice: string, now: number): string | null {
  const days = Number(choice);
  return choice === "ever" || !(days > 0) ? null : new Date(now + days * 86_400_000).toISOString();
}

/** "7 days", "36 hours" in the language's own words. */
export function spanText(lang: string, seconds: number): string {
  const [n, unit] = amount(seconds);
  const said = new Intl.NumberFormat(lang, { style: "unit", unit, unitDisplay: "long" }).format(n);
  return said.replace(/(\d)(?=\p{Script=Han})/gu, "$1 ");
}
