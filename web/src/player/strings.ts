import en from "../i18n/player.en.json";
import zh from "../i18n/player.zh-CN.json";

/** The player's own few words. It is embedded in other people's pages, where a whole i18n library would weigh more than the player. */

export type Lang = "en" | "zh-CN";
type Values = Record<string, string | number>;
export type Translate = (key: string, values?: Values) => string;

const tables: Record<Lang, unknown> = { en, "zh-CN": zh };

/** The nearest language that there is for a BCP 47 tag. */
export function nearest(tag: string | null | undefined): Lang {
  return tag?.toLowerCase().startsWith("zh") ? "zh-CN" : "en";
}

function look(table: unknown, key: string): string | undefined {
  let at = table;
  for (const part of key.split(".")) {
    if (typeof at !== "object" || at === null) return undefined;
    at = (at as Record<string, unknown>)[part];
  }
  return typeof at === "string" ? at : undefined;
}

export function translator(lang: Lang): Translate {
  return (key, values = {}) => {
    const text = look(tables[lang], key) ?? look(en, key) ?? key;
    return text.replace(/\{\{(\w+)\}\}/g, (_, name: string) => String(values[name] ?? ""));
  };
}

export function has(key: string): boolean {
  return look(en, key) !== undefined;
}
