import { Button, Card, Group, NativeSelect, Stack, Text, TextInput, Title } from "@mantine/core";
import {
  IconBookmark,
  IconBroadcast,
  IconDownload,
  IconLink,
  IconPlayerPlayFilled,
  IconScissors,
} from "@tabler/icons-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { post } from "../../api/client";
import { useChange } from "../../api/hooks";
import type { Recording } from "../../api/types";
import { bytes, pathOf, runningTime } from "../../lib/format";
import { choices, untilOf } from "../../lib/keep";
import { localValue, readLocal, titleOf, writeMoment } from "../../lib/moment";
import type { Span } from "../../lib/timebar";
import { Curl } from "./Curl";
import { copyLink, notifyDone, notifyError } from "./notify";
import { keepText } from "./RecordingMenu";
import { ReplayModal } from "./ReplayModal";

interface Props {
  name: string;
  range: Span | null;
  /** Bytes a second of the footage around it, for a guess at the size. */
  rate: number;
  onRange(r: Span | null): void;
  onMark(): void;
  onPreview(r: Span): void;
}

/** The marked range: look at it, take it along, keep it, send it to somebody. */
export function ClipCard({ name, range, rate, onRange, onMark, onPreview }: Props) {
  const { t } = useTranslation();
  return (
    <Card component="section" aria-labelledby="clip-title">
      <Group gap={6} mb="xs" mih={30}>
        <IconScissors size={18} stroke={1.7} aria-hidden />
        <Title order={2} size="h3" id="clip-title">
          {t("timeline.clip")}
        </Title>
        {range && (
          <Button variant="subtle" size="xs" ml="auto" onClick={() => onRange(null)}>
            {t("timeline.unmark")}
          </Button>
        )}
      </Group>
      {range ? (
        <Marked name={name} range={range} rate={rate} onRange={onRange} onPreview={onPreview} />
      ) : (
        <>
          <Text c="dimmed" mb="sm">
            {t("timeline.clipHow")}
          </Text>
          <Button variant="default" leftSection={<IconScissors size={18} stroke={1.7} />} onClick={onMark}>
            {t("timeline.mark")}
          </Button>
        </>
      )}
    </Card>
  );
}

function Marked({
  name,
  range,
  rate,
  onRange,
  onPreview,
}: Omit<Props, "onMark" | "range"> & { range: Span }) {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  const asked = `from=${writeMoment(range.from)}&to=${writeMoment(range.to)}`;
  const seconds = (range.to - range.from) / 1000;
  const [replaying, setReplaying] = useState(false);
  const set = (end: "from" | "to", value: string) => {
    const at = readLocal(value);
    if (at === undefined) return;
    const next = { ...range, [end]: at };
    if (next.to > next.from) onRange(next);
  };
  return (
    <Stack gap="sm">
      <div className="clip-ends num">
        {(["from", "to"] as const).map((end) => (
          <TextInput
            key={end}
            type="datetime-local"
            step={1}
            label={t(`recording.${end}`)}
            value={localValue(range[end])}
            onChange={(e) => set(end, e.currentTarget.value)}
          />
        ))}
      </div>
      <Text className="num" c="dimmed">
        {runningTime(seconds)}
        {rate > 0 && ` · ${t("timeline.about", { size: bytes(lang, seconds * rate) })}`}
      </Text>
      <Group gap="xs">
        <Button
          variant="default"
          leftSection={<IconPlayerPlayFilled size={16} />}
          onClick={() => onPreview(range)}
        >
          {t("timeline.preview")}
        </Button>
        <Button
          component="a"
          href={`/${pathOf(name)}/clip.mp4?${asked}`}
          download
          leftSection={<IconDownload size={18} stroke={1.7} />}
        >
          {t("recording.mp4")}
        </Button>
        <Button
          variant="default"
          leftSection={<IconLink size={18} stroke={1.7} />}
          onClick={() => void copyLink(`${location.origin}/${pathOf(name)}?${asked}`)}
        >
          {t("timeline.share")}
        </Button>
        <Button
          variant="default"
          leftSection={<IconBroadcast size={18} stroke={1.7} />}
          onClick={() => setReplaying(true)}
        >
          {t("replay.title")}
        </Button>
      </Group>
      <Save name={name} range={range} onDone={() => onRange(null)} />
      {replaying && <ReplayModal name={name} range={range} onClose={() => setReplaying(false)} />}
    </Stack>
  );
}

/** Retention leaves alone what has a name. */
function Save({ name, range, onDone }: { name: string; range: Span; onDone: () => void }) {
  const { t, i18n } = useTranslation();
  const [title, setTitle] = useState("");
  const [keep, setKeep] = useState<string>("ever");
  const body = {
    stream: name,
    kind: "clip",
    title: title.trim() || titleOf(name, range.from),
    from: writeMoment(range.from),
    to: writeMoment(range.to),
    until: untilOf(keep, Date.now()) ?? undefined,
  };
  const save = useChange((_: void) => post<Recording>("/recordings", body), "recordings", "timeline");
  const submit = (e: FormEvent) => {
    e.preventDefault();
    save.mutate(undefined, {
      onSuccess: () => {
        notifyDone(t("timeline.saved"));
        onDone();
      },
      onError: notifyError,
    });
  };
  return (
    <form onSubmit={submit} className="clip-save">
      <TextInput
        label={t("timeline.saveAs")}
        placeholder={t("recording.title")}
        value={title}
        maxLength={200}
        onChange={(e) => setTitle(e.currentTarget.value)}
      />
      <NativeSelect
        label={t("recording.keep")}
        value={keep}
        onChange={(e) => setKeep(e.currentTarget.value)}
        data={choices.map((c) => ({ value: c, label: keepText(t, i18n.language, c) }))}
      />
      <Group gap={4} wrap="nowrap">
        <Button
          type="submit"
          variant="default"
          loading={save.isPending}
          leftSection={<IconBookmark size={18} stroke={1.7} />}
        >
          {t("timeline.save")}
        </Button>
        <Curl method="POST" path="/recordings" body={body} />
      </Group>
    </form>
  );
}
