import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Logo } from "../console/parts/Logo";
import { LanguageRow } from "../i18n/LanguageRow";

/** What every public page has: the name on top, the language below. */
export function Frame({ children, dark = false }: { children: ReactNode; dark?: boolean }) {
  const { t, i18n } = useTranslation();
  return (
    <div className={dark ? "frame dark" : "frame"}>
      <header className="frame-head">
        <a href="/" className="brand">
          <Logo size={28} />
          <span>{i18n.language === "zh-CN" ? "堰 Weir" : "Weir"}</span>
        </a>
        <LanguageRow>
          <a href="/console">{t("watch.console")}</a>
        </LanguageRow>
      </header>
      <main>{children}</main>
    </div>
  );
}
