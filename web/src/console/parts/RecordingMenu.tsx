import { ActionIcon, Button, Group, Menu, Radio, Stack, Text } from "@mantine/core";
import {
  IconCalendarTime,
  IconDots,
  IconLink,
  IconPencil,
  IconPlayerStopFilled,
  IconTimeline,
  IconTrash,
} from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useLocation } from "wouter";
import { call, patch, post } from "../../api/client";
import { useChange, useTimelines } from "../../api/hooks";
import type { Recording } from "../../api/types";
import { keepKind } from "../../lib/forecast";
import { bytes, moment } from "../../lib/format";
import { choices, spanText, untilOf } from "../../lib/keep";
import { timelinePage } from "../paths";
import { Dialog } from "./Dialog";
import { copyLink, notifyDone, notifyError } from "./notify";

/** What can be done with a recording besides watching it. */
export function RecordingMenu({ recording, onRename }: { recording: Recording; onRename?: () => void }) {
  const { t } = useTranslation();
  const [, go] = useLocation();
  const [dialog, setDialog] = useState<"delete" | "keep" | null>(null);
  const stop = useChange((_: void) => post(`/recordings/${recording.id}/stop`), "recordings", "timeline");
  const copy = (path: string) => void copyLink(new URL(path, location.origin).href);
  const title = recording.title || recording.stream;
  const at = `?from=${encodeURIComponent(recording.from)}`;
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon size={36} aria-label={t("recording.menu", { title })}>
            <IconDots size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {recording.state === "running" && (
            <Menu.Item
              leftSection={<IconPlayerStopFilled size={18} />}
              onClick={() => stop.mutate(undefined, { onError: notifyError })}
            >
              {t("recording.stop")}
            </Menu.Item>
          )}
          {onRename && (
            <Menu.Item leftSection={<IconPencil size={18} stroke={1.7} />} onClick={onRename}>
              {t("recording.rename")}
            </Menu.Item>
          )}
          <Menu.Item
            leftSection={<IconCalendarTime size={18} stroke={1.7} />}
            onClick={() => setDialog("keep")}
          >
            {t("recording.keep")}
          </Menu.Item>
          <Menu.Item
            leftSection={<IconTimeline size={18} stroke={1.7} />}
            onClick={() => go(timelinePage(recording.stream) + at)}
          >
            {t("recording.onTimeline")}
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item leftSection={<IconLink size={18} stroke={1.7} />} onClick={() => copy(recording.watch)}>
            {t("recording.copyWatch")}
          </Menu.Item>
          <Menu.Item leftSection={<IconLink size={18} stroke={1.7} />} onClick={() => copy(recording.hls)}>
            {t("recording.copyHls")}
          </Menu.Item>
          <Menu.Item leftSection={<IconLink size={18} stroke={1.7} />} onClick={() => copy(recording.dash)}>
            {t("recording.copyDash")}
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item
            className="danger"
            leftSection={<IconTrash size={18} stroke={1.7} />}
            onClick={() => setDialog("delete")}
          >
            {t("recording.delete")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {dialog === "delete" && <DeleteDialog recording={recording} onClose={() => setDialog(null)} />}
      {dialog === "keep" && <KeepDialog recording={recording} onClose={() => setDialog(null)} />}
    </>
  );
}

/** Two different things are called deleting: taking the name off, and taking the pictures away. */
function DeleteDialog({ recording, onClose }: { recording: Recording; onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  const [footage, setFootage] = useState("false");
  const remove = useChange(
    (gone: string) => call<void>("DELETE", `/recordings/${recording.id}?footage=${gone}`),
    "recordings",
    "timeline",
    "timelines",
    "storage",
  );
  const keep = useTimelines().data?.find((x) => x.name === recording.stream);
  const kind = keep && keepKind(keep.keep_s);
  const rest =
    kind === "ever"
      ? t("recording.restEver")
      : kind === "time"
        ? t("recording.restTime", { span: spanText(lang, keep?.keep_s ?? 0) })
        : t("recording.restWindow");
  const submit = () =>
    remove.mutate(footage, {
      onSuccess: () => {
        notifyDone(t("recording.deleted"));
        onClose();
      },
      onError: notifyError,
    });
  return (
    <Dialog
      opened
      onClose={onClose}
      title={t("recording.deleteTitle", { title: recording.title || recording.stream })}
    >
      <Stack gap="sm">
        {recording.state === "running" && <Text>{t("recording.deleteRunning")}</Text>}
        <Radio.Group value={footage} onChange={setFootage} label={t("recording.deleteHow")}>
          <Stack gap="xs" mt="xs">
            <Radio value="false" label={t("recording.deleteName")} description={rest} />
            <Radio
              value="true"
              label={t("recording.deleteFootage")}
              description={t("recording.deleteFootageText", { size: bytes(lang, recording.bytes) })}
            />
          </Stack>
        </Radio.Group>
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose} data-autofocus>
            {t("cancel")}
          </Button>
          <Button color="red" loading={remove.isPending} onClick={submit}>
            {t(footage === "true" ? "recording.deleteAll" : "recording.delete")}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}

function KeepDialog({ recording, onClose }: { recording: Recording; onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const [choice, setChoice] = useState<string>(recording.until ? "30" : "ever");
  const change = useChange(
    (until: string | null) =>
      patch<Recording>(`/recordings/${recording.id}`, until ? { until } : { forever: true }),
    "recordings",
    "timeline",
  );
  const until = untilOf(choice, Date.now());
  return (
    <Dialog opened onClose={onClose} title={t("recording.keep")}>
      <Radio.Group value={choice} onChange={setChoice} label={t("recording.keepText")}>
        <Stack gap="xs" mt="xs">
          {choices.map((c) => (
            <Radio key={c} value={c} label={keepText(t, i18n.language, c)} />
          ))}
        </Stack>
      </Radio.Group>
      <Text mt="sm" c="dimmed" className="num">
        {until ? t("recording.keepUntil", { date: moment(i18n.language, until) }) : t("recording.keepNever")}
      </Text>
      <Group justify="flex-end" mt="md">
        <Button variant="default" onClick={onClose}>
          {t("cancel")}
        </Button>
        <Button
          loading={change.isPending}
          onClick={() => change.mutate(until, { onSuccess: onClose, onError: notifyError })}
        >
          {t("recording.keepSave")}
        </Button>
      </Group>
    </Dialog>
  );
}

export function keepText(t: (key: string) => string, lang: string, choice: string): string {
  return choice === "ever" ? t("recording.ever") : spanText(lang, Number(choice) * 86_400);
}
