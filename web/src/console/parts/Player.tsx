import { lazy, type Ref, Suspense } from "react";
import { useTranslation } from "react-i18next";
import type { WeirPlayer } from "../../player/element";

interface Range {
  from?: string;
  to?: string;
  at?: string;
}

type Inner = Range & { name: string; lang: string; player?: Ref<WeirPlayer> };

const Element = lazy(async () => {
  await import("../../player/element");
  return {
    default: ({ name, player, ...rest }: Inner) => <weir-player ref={player} src={name} {...rest} muted />,
  };
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

/** A range of the past. */
export function PastPlayer({ name, player, ...range }: Range & { name: string; player?: Ref<WeirPlayer> }) {
  const { i18n } = useTranslation();
  return (
    <div className="player">
      <Suspense>
        <Element name={name} lang={i18n.language} player={player} {...range} />
      </Suspense>
    </div>
  );
}
