import { ActionIcon, Button, Tooltip } from "@mantine/core";
import { IconPlugConnectedX } from "@tabler/icons-react";
import type { TFunction } from "i18next";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { del } from "../../api/client";
import { shownSessions, useChange, useSessions } from "../../api/hooks";
import type { Stream } from "../../api/types";
import { bitrate, count } from "../../lib/format";
import { Curl } from "./Curl";
import { notifyError } from "./notify";
import { Section } from "./Section";

export function WatchingCard({ name, stream }: { name: string; stream: Stream | null }) {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  const [open, setOpen] = useState(false);
  const rows = Object.entries(stream?.viewers_by_protocol ?? {})
    .filter(([, n]) => n > 0)
    .sort((a, b) => b[1] - a[1]);
  const most = Math.max(1, ...rows.map(([, n]) => n));
  return (
    <Section
      id="watching-title"
      title={
        <>
          {t("watching.title")} <span className="num muted">{count(lang, stream?.viewers)}</span>
        </>
      }
      aside={<Curl path={`/sessions?stream=${encodeURIComponent(name)}&action=play`} />}
    >
      {rows.length === 0 ? (
        <p className="muted">{t("watching.none")}</p>
      ) : (
        <ul className="bars num">
          {rows.map(([protocol, n]) => (
            <li key={protocol}>
              <span>{protocolText(t, protocol)}</span>
              <span className="bar" aria-hidden="true">
                <span style={{ width: `${(n / most) * 100}%` }} />
              </span>
              <span>{count(lang, n)}</span>
            </li>
          ))}
        </ul>
      )}
      {rows.length > 0 && (
        <Button
          variant="subtle"
          size="compact-sm"
          mt="xs"
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          {t(open ? "watching.hide" : "watching.show")}
        </Button>
      )}
      {open && <Viewers name={name} all={stream?.viewers ?? 0} />}
    </Section>
  );
}

const protocolText = (t: TFunction, protocol: string) =>
  t(`protocol.${protocol}`, { defaultValue: protocol.toUpperCase() });

function Viewers({ name, all }: { name: string; all: number }) {
  const { t, i18n } = useTranslation();
  const sessions = useSessions(name, "play").data ?? [];
  const kick = useChange((id: string) => del(`/sessions/${id}`), "sessions", "stream");
  return (
    <ul className="viewers num">
      {sessions.map((s) => (
        <li key={s.id}>
          <span title={s.user_agent}>
            <span className="mono">{s.remote}</span>
            <span className="muted">
              {" "}
              {protocolText(t, s.protocol)} · {bitrate(i18n.language, s.bps)}
            </span>
          </span>
          <Tooltip label={t("watching.kick")}>
            <ActionIcon
              variant="subtle"
              color="red"
              aria-label={t("watching.kickLabel", { remote: s.remote })}
              onClick={() => kick.mutate(s.id, { onError: notifyError })}
            >
              <IconPlugConnectedX size={16} />
            </ActionIcon>
          </Tooltip>
        </li>
      ))}
      {all > sessions.length && sessions.length >= shownSessions && (
        <li className="muted">{t("watching.more", { n: count(i18n.language, all - sessions.length) })}</li>
      )}
    </ul>
  );
}
