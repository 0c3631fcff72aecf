import { Alert, Anchor } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { useStorage } from "../../api/hooks";
import type { Volume } from "../../api/types";
import { serverText } from "../../i18n/server";
import { type Alarm, putAway, useAlarms } from "../../lib/alarms";
import { bytes } from "../../lib/format";

/** On every page, while footage is not being kept: nobody should learn of it from a missing recording. */
export function StorageAlarm() {
  const storage = useStorage().data;
  const alarms = useAlarms();
  const bad = (storage?.volumes ?? []).filter(stopped);
  // The state of the volume says the same with more.
  const rest = alarms.filter((a) => !(bad.length > 0 && a.code === "recording_stopped"));
  return (
    <>
      {bad.map((v) => (
        <VolumeAlarm key={v.dir} volume={v} minFree={storage?.keep.min_free ?? 0} />
      ))}
      {rest.map((a) => (
        <OneAlarm key={`${a.code} ${a.timeline}`} alarm={a} />
      ))}
    </>
  );
}

function VolumeAlarm({ volume, minFree }: { volume: Volume; minFree: number }) {
  const { t } = useTranslation();
  const said = useVolumeText(volume, minFree);
  return (
    <Alert className="banner alarm" role="alert" icon={<IconAlertTriangle size={20} />} title={said.title}>
      {said.remedy}{" "}
      <Anchor component={Link} href="/storage" fw={600} underline="always">
        {t("storage.open")}
      </Anchor>
    </Alert>
  );
}

/** Nothing is being kept now. */
export const stopped = (v: Volume) => v.state !== "ok" && v.state !== "memory";

/** State, cause and remedy of a volume in words. */
export function useVolumeText(v: Volume, minFree: number): { title: string; cause: string; remedy: string } {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  const cause = v.cause ? serverText(lang, v.cause, { message: v.cause }).message : "";
  return {
    title: t(`storage.state.${v.state}`, { defaultValue: v.state }),
    cause,
    remedy: t(`storage.remedy.${v.state}`, { defaultValue: "", dir: v.dir, size: bytes(lang, minFree) }),
  };
}

function OneAlarm({ alarm }: { alarm: Alarm }) {
  const { t, i18n } = useTranslation();
  const said = serverText(i18n.language, alarm.code, alarm);
  const where = alarm.timeline ? ` · ${alarm.timeline}` : "";
  return (
    <Alert
      className="banner alarm"
      role="alert"
      icon={<IconAlertTriangle size={20} />}
      title={`${t("storage.alarm")}${where}`}
      withCloseButton
      closeButtonLabel={t("storage.putAway")}
      onClose={() => putAway(alarm)}
    >
      {said.message} {said.remedy}{" "}
      <Anchor component={Link} href="/storage" fw={600} underline="always">
        {t("storage.open")}
      </Anchor>
    </Alert>
  );
}
