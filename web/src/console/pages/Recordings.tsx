import {
  ActionIcon,
  Button,
  Drawer,
  Group,
  NativeSelect,
  Stack,
  Table,
  Text,
  TextInput,
} from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import {
  IconAlertTriangle,
  IconCircleCheck,
  IconDownload,
  IconPencil,
  IconPlayerPlayFilled,
  IconSearch,
} from "@tabler/icons-react";
import { type KeyboardEvent, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { patch } from "../../api/client";
import { useChange, useRecordings, useTimelines } from "../../api/hooks";
import type { Recording } from "../../api/types";
import { bytes, moment, runningTime } from "../../lib/format";
import { ErrorText } from "../parts/ErrorText";
import { notifyError } from "../parts/notify";
import { PastRoom } from "../parts/PastRoom";
import { PastPlayer } from "../parts/Player";
import { RunningTime } from "../parts/RecordButton";
import { RecordingMenu } from "../parts/RecordingMenu";
import { timelinePage } from "../paths";

const states = ["", "running", "finished"] as const;

export default function Recordings() {
  const { t } = useTranslation();
  const [search, setSearch] = useState("");
  const [q] = useDebouncedValue(search.trim(), 250);
  const [stream, setStream] = useState("");
  const [state, setState] = useState("");
  const [playing, setPlaying] = useState<Recording | null>(null);
  const query = useRecordings({ q, stream, state });
  const items = query.data?.pages.flatMap((p) => p.items ?? []) ?? [];
  const narrowed = q !== "" || stream !== "" || state !== "";
  return (
    <PastRoom title={t("nav.recordings")} path="/recordings">
      <Group gap="xs" align="flex-end">
        <TextInput
          className="grow"
          leftSection={<IconSearch size={16} />}
          aria-label={t("recording.search")}
          placeholder={t("recording.search")}
          value={search}
          onChange={(e) => setSearch(e.currentTarget.value)}
        />
        <StreamSelect value={stream} onChange={setStream} />
        <fieldset className="chips">
          <legend className="visually-hidden">{t("stream.state")}</legend>
          {states.map((s) => (
            <button key={s} type="button" aria-pressed={s === state} onClick={() => setState(s)}>
              {t(`recording.filter.${s || "all"}`)}
            </button>
          ))}
        </fieldset>
      </Group>
      <ErrorText error={query.error} />
      {items.length > 0 && <List items={items} onPlay={setPlaying} />}
      {query.isSuccess && items.length === 0 && (
        <Text c="dimmed">{t(narrowed ? "recording.noneMatch" : "recording.none")}</Text>
      )}
      {query.hasNextPage && (
        <Button
          variant="default"
          className="fit"
          loading={query.isFetchingNextPage}
          onClick={() => query.fetchNextPage()}
        >
          {t("recording.more")}
        </Button>
      )}
      <PlayDrawer recording={playing} onClose={() => setPlaying(null)} />
    </PastRoom>
  );
}

function StreamSelect({ value, onChange }: { value: string; onChange: (v: string) => void }) {
  const { t } = useTranslation();
  const names = useTimelines().data?.map((x) => x.name) ?? [];
  return (
    <NativeSelect
      aria-label={t("stream.name")}
      value={value}
      onChange={(e) => onChange(e.currentTarget.value)}
      data={[{ value: "", label: t("recording.allStreams") }, ...names]}
    />
  );
}

function List({ items, onPlay }: { items: Recording[]; onPlay: (r: Recording) => void }) {
  const { t } = useTranslation();
  return (
    <Table className="rows comfortable recordings" verticalSpacing={6}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{t("recording.title")}</Table.Th>
          <Table.Th>{t("recording.from")}</Table.Th>
          <Table.Th ta="right">{t("recording.duration")}</Table.Th>
          <Table.Th ta="right">{t("recording.size")}</Table.Th>
          <Table.Th>{t("recording.until")}</Table.Th>
          <Table.Th>{t("recording.whole")}</Table.Th>
          <Table.Th>
            <span className="visually-hidden">{t("recording.actions")}</span>
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {items.map((r) => (
          <Row key={r.id} recording={r} onPlay={onPlay} />
        ))}
      </Table.Tbody>
    </Table>
  );
}

function Row({ recording: r, onPlay }: { recording: Recording; onPlay: (r: Recording) => void }) {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  const [renaming, setRenaming] = useState(false);
  const title = r.title || r.stream;
  return (
    <Table.Tr>
      <Table.Td className="rec-title">
        {renaming ? (
          <Rename recording={r} onDone={() => setRenaming(false)} />
        ) : (
          <div className="rec-name">
            <strong>{title}</strong>
            <ActionIcon aria-label={t("recording.renameLabel", { title })} onClick={() => setRenaming(true)}>
              <IconPencil size={16} stroke={1.7} />
            </ActionIcon>
          </div>
        )}
        <div className="rec-sub">
          <State recording={r} />
          <Link to={`${timelinePage(r.stream)}?from=${encodeURIComponent(r.from)}`} className="mono">
            {r.stream}
          </Link>
        </div>
      </Table.Td>
      <Table.Td className="num" data-label={t("recording.from")}>
        {moment(lang, r.from)}
      </Table.Td>
      <Table.Td ta="right" className="num" data-label={t("recording.duration")}>
        {r.state === "running" ? <RunningTime since={r.from} /> : runningTime(r.duration_s)}
      </Table.Td>
      <Table.Td ta="right" className="num" data-label={t("recording.size")}>
        {bytes(lang, r.bytes)}
      </Table.Td>
      <Table.Td className="num" data-label={t("recording.until")}>
        {r.until ? moment(lang, r.until) : t("recording.ever")}
      </Table.Td>
      <Table.Td data-label={t("recording.whole")}>
        <Whole complete={r.complete} />
      </Table.Td>
      <Table.Td className="rec-acts">
        <Group gap={0} wrap="nowrap" justify="flex-end">
          <ActionIcon size={36} aria-label={t("recording.play", { title })} onClick={() => onPlay(r)}>
            <IconPlayerPlayFilled size={16} />
          </ActionIcon>
          <ActionIcon
            component="a"
            href={r.mp4}
            download
            size={36}
            aria-label={t("recording.download", { title })}
          >
            <IconDownload size={18} stroke={1.7} />
          </ActionIcon>
          <RecordingMenu recording={r} onRename={() => setRenaming(true)} />
        </Group>
      </Table.Td>
    </Table.Tr>
  );
}

function State({ recording: r }: { recording: Recording }) {
  const { t } = useTranslation();
  const running = r.state === "running";
  return (
    <span className={`pill ${running ? "live" : ""}`}>
      {running && <span className="pill-dot" aria-hidden="true" />}
      {t(running ? "recording.running" : `recording.kind.${r.kind}`)}
    </span>
  );
}

function Whole({ complete }: { complete: boolean }) {
  const { t } = useTranslation();
  const Icon = complete ? IconCircleCheck : IconAlertTriangle;
  return (
    <span className={`whole-mark ${complete ? "ok" : "warn"}`}>
      <Icon size={16} stroke={1.8} aria-hidden /> {t(complete ? "recording.complete" : "recording.hasGaps")}
    </span>
  );
}

function Rename({ recording, onDone }: { recording: Recording; onDone: () => void }) {
  const { t } = useTranslation();
  const [title, setTitle] = useState(recording.title);
  const change = useChange(
    (next: string) => patch<Recording>(`/recordings/${recording.id}`, { title: next }),
    "recordings",
  );
  const save = () => {
    if (title.trim() === recording.title) return onDone();
    change.mutate(title.trim(), { onSuccess: onDone, onError: notifyError });
  };
  const onKey = (e: KeyboardEvent) => {
    if (e.key === "Enter") save();
    else if (e.key === "Escape") onDone();
  };
  return (
    <TextInput
      size="xs"
      autoFocus
      aria-label={t("recording.title")}
      value={title}
      maxLength={200}
      disabled={change.isPending}
      onChange={(e) => setTitle(e.currentTarget.value)}
      onKeyDown={onKey}
      onBlur={save}
    />
  );
}

function PlayDrawer({ recording: r, onClose }: { recording: Recording | null; onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  return (
    <Drawer
      opened={r !== null}
      onClose={onClose}
      position="right"
      size="xl"
      title={r ? r.title || r.stream : ""}
      closeButtonProps={{ "aria-label": t("close") }}
    >
      {r && (
        <Stack>
          <Suspense>
            <PastPlayer name={r.stream} from={r.from} to={r.to ?? undefined} />
          </Suspense>
          <dl className="facts num">
            <dt>{t("stream.name")}</dt>
            <dd className="mono">{r.stream}</dd>
            <dt>{t("recording.from")}</dt>
            <dd>{moment(lang, r.from)}</dd>
            <dt>{t("recording.to")}</dt>
            <dd>{r.to ? moment(lang, r.to) : t("recording.running")}</dd>
            <dt>{t("recording.size")}</dt>
            <dd>{bytes(lang, r.bytes)}</dd>
            <dt>{t("recording.until")}</dt>
            <dd>{r.until ? moment(lang, r.until) : t("recording.ever")}</dd>
          </dl>
          <Group gap="xs">
            <Button component="a" href={r.mp4} download leftSection={<IconDownload size={18} />}>
              {t("recording.mp4")}
            </Button>
            <Button component="a" href={r.watch} target="_blank" rel="noopener" variant="default">
              {t("stream.watchPage")}
            </Button>
            <RecordingMenu recording={r} />
          </Group>
        </Stack>
      )}
    </Drawer>
  );
}
