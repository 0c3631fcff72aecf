import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { runningTime } from "../../lib/format";

/** Live is a filled pill with a dot and the word, so that it never rests on the colour alone. */
export function StatePill({ state, since }: { state: string; since?: string }) {
  const { t } = useTranslation();
  const now = useNow(state === "live" && since !== undefined);
  const running = since ? (now - new Date(since).getTime()) / 1000 : 0;
  return (
    <span className={`pill ${state}`}>
      <span className="pill-dot" aria-hidden="true" />
      {t(`state.${state}`)}
      {state === "live" && since && <span className="num"> {runningTime(running)}</span>}
    </span>
  );
}

export function useNow(on: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [on]);
  return now;
}
