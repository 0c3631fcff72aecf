import type { Finding } from "../../api/types";
import { serverText } from "../../i18n/server";

export function findingText(lang: string, f: Finding): { message: string; remedy?: string } {
  return serverText(lang, f.code, { message: f.message, remedy: f.remedy }, f.values);
}
