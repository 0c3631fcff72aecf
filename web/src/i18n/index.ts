import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import en from "./en.json";
import zh from "./zh-CN.json";

export const languages = { en: "English", "zh-CN": "简体中文" } as const;
export type Language = keyof typeof languages;

const shelf = "weir.lang";

/** The reader's own choice first, then the browser's list. */
export function detect(): Language {
  try {
    const kept = localStorage.getItem(shelf);
    if (kept === "en" || kept === "zh-CN") return kept;
  } catch {
    // no storage in this window
  }
  for (const tag of navigator.languages ?? [navigator.language]) {
    if (tag.toLowerCase().startsWith("zh")) return "zh-CN";
    if (tag.toLowerCase().startsWith("en")) return "en";
  }
  return "en";
}

export function setLanguage(lang: Language): void {
  try {
    localStorage.setItem(shelf, lang);
  } catch {
    // kept for this page only
  }
  void i18next.changeLanguage(lang);
  document.documentElement.lang = lang;
}

export function startI18n(): typeof i18next {
  const lang = detect();
  document.documentElement.lang = lang;
  void i18next.use(initReactI18next).init({
    lng: lang,
    fallbackLng: "en",
    resources: { en: { translation: en }, "zh-CN": { translation: zh } },
    interpolation: { escapeValue: false }, // React escapes
    returnNull: false,
    initAsync: false,
  });
  return i18next;
}
