import { useTranslation } from "react-i18next";
import { Link, useLocation } from "wouter";

/** The two halves of the live room. */
export function RoomTabs() {
  const { t } = useTranslation();
  const tabs = [
    { to: "/live", text: t("live.streams") },
    { to: "/relays", text: t("relays.title") },
  ];
  return <Tabs title={t("nav.live")} tabs={tabs} />;
}

/** What there is of the past: named pieces, all of it, and where it lies. */
export function PastTabs() {
  const { t } = useTranslation();
  const tabs = [
    { to: "/recordings", text: t("nav.recordings") },
    { to: "/timelines", text: t("timeline.list") },
    { to: "/storage", text: t("storage.title") },
  ];
  return <Tabs title={t("nav.recordings")} tabs={tabs} />;
}

function Tabs({ title, tabs }: { title: string; tabs: { to: string; text: string }[] }) {
  const [at] = useLocation();
  return (
    <nav className="tabs" aria-label={title}>
      {tabs.map((x) => (
        <Link key={x.to} to={x.to} aria-current={at === x.to ? "page" : undefined}>
          {x.text}
        </Link>
      ))}
    </nav>
  );
}
