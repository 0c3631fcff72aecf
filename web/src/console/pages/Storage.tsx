import { Card, Text, Title } from "@mantine/core";
import { IconAlertTriangle, IconCircleCheck } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { useStorage, useTimelines } from "../../api/hooks";
import type { Storage as StorageInfo, Volume } from "../../api/types";
import { forecast, longestKeep } from "../../lib/forecast";
import { bitrate, bytes, count, moment } from "../../lib/format";
import { spanText } from "../../lib/keep";
import { ErrorText } from "../parts/ErrorText";
import { HeldFootage } from "../parts/HeldFootage";
import { PastRoom } from "../parts/PastRoom";
import { Section } from "../parts/Section";
import { stopped, useVolumeText } from "../parts/StorageAlarm";
import { TimelineTable } from "../parts/TimelineTable";

/** Where the past lies: how full, how fast it fills, what stays how long. */
export default function Storage() {
  const { t } = useTranslation();
  const query = useStorage(5000);
  const storage = query.data;
  const timelines = useTimelines().data ?? [];
  return (
    <PastRoom title={t("storage.title")} path="/storage">
      <ErrorText error={query.error} />
      {storage && (
        <>
          <HeldFootage volumes={storage.volumes ?? []} timelines={timelines} />
          <div className="volumes">
            {(storage.volumes ?? []).map((v) => (
              <VolumeCard
                key={v.dir}
                volume={v}
                storage={storage}
                longest={longestKeep(timelines, storage.keep.dvr_s)}
              />
            ))}
            <Rules storage={storage} />
          </div>
        </>
      )}
      {storage === null && <Text c="dimmed">{t("storage.none")}</Text>}
      {timelines.length > 0 && (
        <section aria-labelledby="timelines-title">
          <Title order={2} size="h3" id="timelines-title" mb="xs">
            {t("storage.byStream")}
          </Title>
          <TimelineTable items={timelines.toSorted((a, b) => b.bytes - a.bytes)} />
        </section>
      )}
    </PastRoom>
  );
}

interface VolumeProps {
  volume: Volume;
  storage: StorageInfo;
  longest: number | undefined;
}

function VolumeCard({ volume: v, storage, longest }: VolumeProps) {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  const said = useVolumeText(v, storage.keep.min_free);
  const ok = !stopped(v);
  const Icon = ok ? IconCircleCheck : IconAlertTriangle;
  return (
    <Card component="section" className={`volume verdict ${ok ? "good" : "bad"}`} aria-label={v.dir}>
      <div className="verdict-head">
        <Icon size={22} stroke={1.8} aria-hidden />
        <div>
          <Title order={2} size="h3">
            {said.title}
          </Title>
          <code className="mono muted">{v.dir}</code>
        </div>
      </div>
      {!ok && (
        <div className="findings">
          <p className="volume-why">
            {said.remedy}
            {said.cause && <span className="volume-cause">{t("storage.cause", { cause: said.cause })}</span>}
          </p>
        </div>
      )}
      <Usage volume={v} />
      <p className="forecast num">
        <strong>{forecastText()}</strong>
      </p>
      <dl className="facts num">
        <dt>{t("storage.rate")}</dt>
        <dd>
          {t("storage.perDay", { size: bytes(lang, v.bytes_per_day) })}{" "}
          <span className="muted">({bitrate(lang, (v.bytes_per_day * 8) / 86_400)})</span>
        </dd>
        <dt>{t("storage.sync")}</dt>
        <dd>{t("unit.ms", { n: count(lang, v.sync_max_ms) })}</dd>
        <dt>{t("storage.lost")}</dt>
        <dd className={v.lost > 0 ? "bad-text" : ""}>
          {v.lost > 0
            ? t("storage.lostSome", { n: count(lang, v.lost), since: v.since ? moment(lang, v.since) : "–" })
            : t("storage.lostNone")}
        </dd>
      </dl>
    </Card>
  );

  function forecastText(): string {
    const f = forecast(v, storage.keep, longest);
    if (f.kind === "steady") return t("storage.forecast.steady", { span: spanText(lang, f.seconds) });
    if (f.kind === "deletes") {
      const span = spanText(lang, f.reach);
      return f.days < 1
        ? t("storage.forecast.deletesNow", { span })
        : t("storage.forecast.deletes", { count: f.days, n: count(lang, f.days), span });
    }
    if (f.kind === "full") return t("storage.forecast.full", { count: f.days, n: count(lang, f.days) });
    if (f.kind === "soon") return t("storage.forecast.soon", { count: f.hours, n: count(lang, f.hours) });
    return t(`storage.forecast.${f.kind}`);
  }
}

/** One bar: Weir's footage, of it what is held, what others use, what is free. */
function Usage({ volume: v }: { volume: Volume }) {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  const other = Math.max(0, v.total - v.free - v.used);
  const parts = [
    { key: "footage", n: Math.max(0, v.used - v.held), text: t("storage.used") },
    { key: "held", n: v.held, text: t("storage.held") },
    { key: "other", n: other, text: t("storage.other") },
    { key: "free", n: v.free, text: t("storage.free") },
  ].filter((p) => p.n > 0 || p.key === "free");
  const said = parts.map((p) => `${p.text} ${bytes(lang, p.n)}`).join(t("comma"));
  return (
    <div className="usage">
      <div className="usage-bar" role="img" aria-label={said}>
        {parts.map((p) => (
          <i key={p.key} className={p.key} style={{ flexGrow: p.n / Math.max(1, v.total) }} />
        ))}
      </div>
      <ul className="usage-key num">
        {parts.map((p) => (
          <li key={p.key}>
            <i className={p.key} aria-hidden="true" /> {p.text} <strong>{bytes(lang, p.n)}</strong>
          </li>
        ))}
        <li className="muted">{t("storage.total", { size: bytes(lang, v.total) })}</li>
      </ul>
    </div>
  );
}

function Rules({ storage }: { storage: StorageInfo }) {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  const { keep } = storage;
  return (
    <Section id="rules-title" title={t("storage.rules")}>
      <dl className="facts num">
        <dt>{t("storage.dvr")}</dt>
        <dd>{keep.dvr_s > 0 ? spanText(lang, keep.dvr_s) : t("gateway.off")}</dd>
        <dt>{t("storage.most")}</dt>
        <dd>{keep.total_bytes > 0 ? bytes(lang, keep.total_bytes) : t("storage.noLimit")}</dd>
        <dt>{t("storage.minFree")}</dt>
        <dd>{bytes(lang, keep.min_free)}</dd>
        <dt>{t("timeline.list")}</dt>
        <dd>{count(lang, storage.timelines)}</dd>
      </dl>
      <Text c="dimmed" mt="xs">
        {t("storage.rulesText")}
      </Text>
    </Section>
  );
}
