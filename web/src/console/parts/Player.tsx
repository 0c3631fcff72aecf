import { lazy, Suspense } from "react";
import { useTranslation } from "react-i18next";

const Element = lazy(async () => {
  await import("../../player/element");
  return { default: (p: { name: string; lang: string }) => <weir-player src={p.name} lang={p.lang} muted /> };
});

/** The watch page's player, muted: what viewers get, with the same choice of latency. */
export function Player({ name }: { name: string }) {
  const { i18n } = useTranslation();
  return (
    <div className="player">
      <Suspense>
        <Element name={name} lang={i18n.language} />
      </Suspense>
    </div>
  );
}
