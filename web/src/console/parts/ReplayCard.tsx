import { Button } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { del } from "../../api/client";
import { useChange, useReplays } from "../../api/hooks";
import type { Replay } from "../../api/types";
import { moment, momentRange } from "../../lib/format";
import { speedText } from "../../player/speeds";
import { streamPage } from "../paths";
import { Curl } from "./Curl";
import { notifyError } from "./notify";
import { Section } from "./Section";

/** What of the past is being sent out live: of one stream, or all of it. */
export function ReplayCard({ of }: { of?: string }) {
  const { t } = useTranslation();
  const running = (useReplays().data ?? []).filter((r) => of === undefined || r.stream === of);
  if (running.length === 0) return null;
  return (
    <Section id="replays-title" title={t("replay.running")} aside={<Curl path="/replays" />}>
      <ul className="relays num">
        {running.map((r) => (
          <Row key={r.id} replay={r} named={of === undefined} />
        ))}
      </ul>
    </Section>
  );
}

function Row({ replay: r, named }: { replay: Replay; named: boolean }) {
  const { t, i18n } = useTranslation();
  const stop = useChange((_: void) => del(`/replays/${r.id}`), "replays", "streams");
  const facts = [
    named && t("replay.of", { stream: r.stream }),
    rangeText(),
    r.speed !== 1 && speedText(r.speed),
    r.loop && t("replay.looped"),
  ];
  return (
    <li className="relay">
      <div>
        <Link to={streamPage(r.as)} className="mono">
          {r.as}
        </Link>
        <p className="muted">{facts.filter(Boolean).join(" · ")}</p>
      </div>
      <Button
        variant="default"
        size="xs"
        loading={stop.isPending}
        aria-label={t("replay.stopLabel", { name: r.as })}
        onClick={() => stop.mutate(undefined, { onError: notifyError })}
      >
        {t("replay.stop")}
      </Button>
    </li>
  );

  function rangeText(): string {
    const lang = i18n.language;
    if (r.from && r.to) return momentRange(lang, Date.parse(r.from), Date.parse(r.to));
    const end = (at: string | null, open: string) => (at ? moment(lang, at) : t(open));
    return `${end(r.from, "timeline.oldest")} – ${end(r.to, "timeline.now")}`;
  }
}
