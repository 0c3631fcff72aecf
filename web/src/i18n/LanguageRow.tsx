import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { type Language, languages, setLanguage } from ".";

/** The languages to choose from; children: what else stands in the row. */
export function LanguageRow({ children }: { children?: ReactNode }) {
  const { t, i18n } = useTranslation();
  return (
    <nav aria-label={t("language")} className="langrow">
      {Object.entries(languages).map(([id, name]) => (
        <button
          key={id}
          type="button"
          lang={id}
          aria-pressed={id === i18n.language}
          onClick={() => setLanguage(id as Language)}
        >
          {name}
        </button>
      ))}
      {children}
    </nav>
  );
}
