import { ActionIcon, Button, Group, Menu, Tooltip } from "@mantine/core";
import { IconChevronDown, IconPlayerRecordFilled, IconPlayerStopFilled } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { post } from "../../api/client";
import { useChange, useRunning } from "../../api/hooks";
import type { Recording } from "../../api/types";
import { runningTime } from "../../lib/format";
import { spanText } from "../../lib/keep";
import { titleOf } from "../../lib/moment";
import { notifyDone, notifyError } from "./notify";
import { useNow } from "./StatePill";

/** How far back a recording may begin before its button was pressed, in seconds. */
const rolls = [10, 60, 600];

export interface Recorder {
  running: Recording | undefined;
  busy: boolean;
  start(preRoll: number): void;
  stop(): void;
}

export function useRecorder(stream: string): Recorder {
  const { t } = useTranslation();
  const running = useRunning().data?.find((r) => r.stream === stream && r.kind === "recording");
  const start = useChange(
    (preRoll: number) =>
      post<Recording>("/recordings", {
        stream,
        title: titleOf(stream, Date.now() - preRoll * 1000),
        ...(preRoll > 0 && { pre_roll_s: preRoll }),
      }),
    "recordings",
    "timeline",
  );
  const stop = useChange((id: string) => post<Recording>(`/recordings/${id}/stop`), "recordings", "timeline");
  return {
    running,
    busy: start.isPending || stop.isPending,
    start: (preRoll) => start.mutate(preRoll, { onError: notifyError }),
    stop: () =>
      running &&
      stop.mutate(running.id, {
        onSuccess: () => notifyDone(t("recording.stopped", { title: running.title || running.stream })),
        onError: notifyError,
      }),
  };
}

/** Starts a recording, also some time back; while it runs, its clock and its end. */
export function RecordButton({ name, possible }: { name: string; possible: boolean }) {
  const { t, i18n } = useTranslation();
  const r = useRecorder(name);
  if (r.running)
    return (
      <Button
        variant="default"
        className="recbutton on num"
        loading={r.busy}
        leftSection={<IconPlayerStopFilled size={16} />}
        onClick={r.stop}
      >
        {t("recording.stop")} <RunningTime since={r.running.from} />
      </Button>
    );
  return (
    <Group gap={0} wrap="nowrap">
      <Button
        variant="default"
        className="recbutton joined"
        disabled={!possible}
        loading={r.busy}
        leftSection={<IconPlayerRecordFilled size={16} />}
        onClick={() => r.start(0)}
      >
        {t("recording.start")}
      </Button>
      <Menu position="bottom-end" disabled={!possible}>
        <Menu.Target>
          <Button
            variant="default"
            className="joined-end"
            disabled={!possible}
            aria-label={t("recording.preRoll")}
          >
            <IconChevronDown size={16} />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>{t("recording.preRoll")}</Menu.Label>
          {rolls.map((s) => (
            <Menu.Item key={s} onClick={() => r.start(s)}>
              {t("recording.back", { span: spanText(i18n.language, s) })}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
    </Group>
  );
}

/** The same in a row of a list. */
export function RecordIcon({ name, possible }: { name: string; possible: boolean }) {
  const { t } = useTranslation();
  const r = useRecorder(name);
  const on = r.running !== undefined;
  if (!on && !possible) return null;
  const label = t(on ? "recording.stopLabel" : "recording.startLabel", { name });
  return (
    <span className="recicon num">
      {r.running && <RunningTime since={r.running.from} />}
      <Tooltip label={label}>
        <ActionIcon
          className={`recbutton ${on ? "on" : ""}`}
          aria-label={label}
          loading={r.busy}
          onClick={() => (on ? r.stop() : r.start(0))}
        >
          {on ? <IconPlayerStopFilled size={16} /> : <IconPlayerRecordFilled size={16} />}
        </ActionIcon>
      </Tooltip>
    </span>
  );
}

export function RunningTime({ since }: { since: string }) {
  const now = useNow(true);
  return <span className="num rectime">{runningTime((now - new Date(since).getTime()) / 1000)}</span>;
}
