import { Group, Progress, Stack, Text, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useSession, useSystem } from "../../api/hooks";
import type { SystemInfo } from "../../api/types";
import { hostPart } from "../../lib/addresses";
import { bitrate, bytes, count, runningTime, when } from "../../lib/format";
import { useLevel } from "../../lib/levels";
import { useTitle } from "../../lib/page";
import { Curl } from "../parts/Curl";
import { LevelLine } from "../parts/LevelLine";
import { Section } from "../parts/Section";
import { Webhooks } from "../parts/Webhooks";

export default function System() {
  const { t } = useTranslation();
  const system = useSystem(2000).data;
  useTitle(t("nav.system"));
  return (
    <Stack gap="md">
      <Group justify="space-between">
        <Title order={1} size="h2">
          {t("nav.system")}
        </Title>
        <Curl path="/system" />
      </Group>
      {system && (
        <div className="twocol">
          <Traffic system={system} />
          <Server system={system} />
          <Addresses system={system} />
          <Gateways system={system} />
          <Ffmpeg />
          <Disk system={system} />
        </div>
      )}
      <Webhooks />
    </Stack>
  );
}

function Traffic({ system }: { system: SystemInfo }) {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  const inward = useLevel("\0in");
  const out = useLevel("\0out");
  const past = system.history ?? [];
  const line = (live: number[], of: "in_bps" | "out_bps") =>
    live.length > 30 ? live : past.slice(-60).map((h) => h[of]);
  return (
    <Section title={t("system.traffic")} id="traffic">
      <div className="traffic num">
        <div>
          <span className="muted">{t("system.in")}</span>
          <strong>{bitrate(lang, system.totals.in_bps)}</strong>
          <LevelLine values={line(inward, "in_bps")} height={40} />
        </div>
        <div>
          <span className="muted">{t("system.out")}</span>
          <strong>{bitrate(lang, system.totals.out_bps)}</strong>
          <LevelLine values={line(out, "out_bps")} height={40} />
        </div>
      </div>
      <p className="num muted">
        {[
          t("system.streams", { count: system.totals.streams, n: count(lang, system.totals.streams) }),
          t("system.publishers", {
            count: system.totals.publishers,
            n: count(lang, system.totals.publishers),
          }),
          t("live.watching", { n: count(lang, system.totals.viewers) }),
        ].join(" · ")}
      </p>
    </Section>
  );
}

function Server({ system }: { system: SystemInfo }) {
  const { t, i18n } = useTranslation();
  return (
    <Section title={t("system.server")} id="server">
      <dl className="facts num">
        <dt>{t("system.version")}</dt>
        <dd>
          {system.version} {system.commit && <span className="muted mono">{system.commit.slice(0, 12)}</span>}
        </dd>
        <dt>{t("system.started")}</dt>
        <dd>{when(i18n.language, system.started_at)}</dd>
        <dt>{t("system.uptime")}</dt>
        <dd>{runningTime(system.uptime_s)}</dd>
        <dt>{t("system.data")}</dt>
        <dd className="mono">{system.data_dir}</dd>
      </dl>
    </Section>
  );
}

function Addresses({ system }: { system: SystemInfo }) {
  const { t } = useTranslation();
  const port = system.ports.http ?? 0;
  return (
    <Section title={t("system.addresses")} id="addresses">
      <ul className="plainlist">
        {system.addresses.map((a) => (
          <li key={a.host}>
            <code className="mono">{port ? `http://${hostPart(a.host)}:${port}` : a.host}</code>
            <span className="muted"> {t(`kind.${a.kind}`, { defaultValue: a.kind })}</span>
            {a.recommended && <span className="tag">{t("system.recommended")}</span>}
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Gateways({ system }: { system: SystemInfo }) {
  const { t } = useTranslation();
  return (
    <Section title={t("system.gateways")} id="gateways">
      <ul className="plainlist">
        {(system.gateways ?? []).map((g) => (
          <li key={`${g.name} ${g.address}`}>
            <span className={`dot ${g.state}`} aria-hidden="true" />
            <strong>{g.name === "webrtc" ? "WebRTC" : g.name.toUpperCase()}</strong>{" "}
            <code className="mono">{g.address}</code> <span className="muted">{t(`gateway.${g.state}`)}</span>
            {g.error && <p className="bad-text">{g.error}</p>}
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Ffmpeg() {
  const { t } = useTranslation();
  const ffmpeg = useSession().data?.ffmpeg;
  return (
    <Section title="FFmpeg" id="ffmpeg">
      {ffmpeg?.available ? (
        <p>
          <span className="dot on" aria-hidden="true" />{" "}
          {t("ffmpeg.found", { version: ffmpeg.version ?? "" })}
        </p>
      ) : (
        <>
          <p>
            <span className="dot failed" aria-hidden="true" /> {t("ffmpeg.missingText")}
          </p>
          <p>
            <code className="mono">sudo apt-get install ffmpeg</code>
          </p>
        </>
      )}
    </Section>
  );
}

function Disk({ system }: { system: SystemInfo }) {
  const { t, i18n } = useTranslation();
  const { free_bytes: free, total_bytes: total } = system.disk;
  const used = total > 0 ? ((total - free) / total) * 100 : 0;
  return (
    <Section title={t("system.disk")} id="disk">
      <Progress value={used} color={used > 90 ? "red" : "water"} aria-label={t("system.diskUsed")} mb="xs" />
      <Text className="num">
        {t("system.diskText", { free: bytes(i18n.language, free), total: bytes(i18n.language, total) })}
      </Text>
    </Section>
  );
}
