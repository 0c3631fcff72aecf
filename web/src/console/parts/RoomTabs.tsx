import { useTranslation } from "react-i18next";
import { Link, useLocation } from "wouter";

/** The two halves of the live room. */
export function RoomTabs() {
  const { t } = useTranslation();
  const [at] = useLocation();
  const tabs = [
    { to: "/live", text: t("live.streams") },
    { to: "/relays", text: t("relays.title") },
  ];
  return (
    <nav className="tabs" aria-label={t("nav.live")}>
      {tabs.map((x) => (
        <Link key={x.to} to={x.to} aria-current={at === x.to ? "page" : undefined}>
          {x.text}
        </Link>
      ))}
    </nav>
  );
}
