import zh from "./server.zh-CN.json";

/**
 * Sentences the server writes itself: in English they are shown as they come, in
 * Chinese they are written here by their code. A code unknown here keeps the
 * server's sentence: a foreign sentence is better than none.
 */
interface Said {
  message: string;
  remedy?: string;
}

const table = zh as Record<string, Said>;

export function serverText(
  lang: string,
  code: string,
  said: Said,
  values: Record<string, unknown> = {},
): Said {
  const own = lang.startsWith("zh") ? table[code] : undefined;
  if (!own) return said;
  const message = fill(own.message, values);
  // A value the server did not send would leave a hole in the sentence.
  if (message === undefined) return said;
  return { message, remedy: own.remedy && fill(own.remedy, values) };
}

/** What happened and what to do, in one line. */
export function saidOf(lang: string, error: { message: string; code?: string; remedy?: string }): string {
  const said = serverText(lang, error.code ?? "", error);
  return [said.message, said.remedy].filter(Boolean).join(lang.startsWith("zh") ? "" : " ");
}

function fill(text: string, values: Record<string, unknown>): string | undefined {
  let whole = true;
  const out = text.replace(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const v = values[name];
    if (v === undefined || v === null) whole = false;
    return typeof v === "number" ? String(Math.round(v * 100) / 100) : String(v ?? "");
  });
  return whole ? out : undefined;
}
