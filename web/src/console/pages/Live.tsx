import {
  Alert,
  Button,
  Card,
  Group,
  Menu,
  SegmentedControl,
  SimpleGrid,
  Stack,
  Text,
  Title,
} from "@mantine/core";
import { IconChevronDown, IconCloudDownload, IconPlus, IconTestPipe, IconVideo } from "@tabler/icons-react";
import { Fragment, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useLocation } from "wouter";
import { get, maybe, post, streamPath } from "../../api/client";
import { useChange, useSession, useStreams, useSystem } from "../../api/hooks";
import type { History, Stream, TestSource } from "../../api/types";
import { bitrate, bytes, count } from "../../lib/format";
import { seedLevel } from "../../lib/levels";
import { useTitle } from "../../lib/page";
import { recall, remember } from "../../player/memory";
import { NameModal } from "../parts/NameModal";
import { notifyError } from "../parts/notify";
import { PullModal } from "../parts/PullModal";
import { RoomTabs } from "../parts/RoomTabs";
import { StreamCard } from "../parts/StreamCard";
import { StreamTable } from "../parts/StreamTable";
import { publishPath, streamPage } from "../paths";

type Filter = "all" | "live" | "away" | "trouble";
const filters: Filter[] = ["all", "live", "away", "trouble"];

const passes: Record<Filter, (s: Stream) => boolean> = {
  all: () => true,
  live: (s) => s.state === "live",
  away: (s) => s.state === "away",
  trouble: (s) => s.verdict?.grade === "fair" || s.verdict?.grade === "bad",
};

/** What is on comes first; within a state the order by name stays. */
const rank: Record<Stream["state"], number> = { live: 0, away: 1, idle: 2 };

type Dialog = "name" | "pull" | null;

export default function Live() {
  const { t } = useTranslation();
  const streams = useStreams();
  const [filter, setFilter] = useState<Filter>("all");
  const [view, setView] = useState(recall("live.view") ?? "cards");
  const [dialog, setDialog] = useState<Dialog>(null);
  const [, go] = useLocation();
  const test = useTestSource();
  useTitle(t("nav.live"));
  const all = streams.data ?? [];
  useSeeds(all);
  const shown = all.filter(passes[filter]).toSorted((a, b) => rank[a.state] - rank[b.state]);
  return (
    <Stack gap="md">
      <Group justify="space-between" align="flex-start" gap="sm">
        <div>
          <Title order={1} size="h2">
            {t("nav.live")}
          </Title>
          <Numbers streams={all} />
        </div>
        <AddMenu
          onTest={() => test.mutate()}
          onName={() => setDialog("name")}
          onPull={() => setDialog("pull")}
        />
      </Group>
      <RoomTabs />
      <FfmpegNote />
      {streams.isSuccess && all.length === 0 ? (
        <Empty onTest={() => test.mutate()} busy={test.isPending} open={setDialog} />
      ) : (
        <>
          <Group justify="space-between" gap="xs">
            <Chips filter={filter} setFilter={setFilter} streams={all} />
            <SegmentedControl
              size="xs"
              value={view}
              aria-label={t("live.view")}
              onChange={(v) => {
                setView(v);
                remember("live.view", v);
              }}
              data={[
                { value: "cards", label: t("live.cards") },
                { value: "table", label: t("live.table") },
              ]}
            />
          </Group>
          {view === "table" ? (
            <StreamTable streams={shown} />
          ) : (
            <div className="cards">
              {shown.map((s) => (
                <StreamCard key={s.name} stream={s} />
              ))}
            </div>
          )}
          {shown.length === 0 && all.length > 0 && <Text c="dimmed">{t("live.noneMatch")}</Text>}
        </>
      )}
      <NameModal
        opened={dialog === "name"}
        onClose={() => setDialog(null)}
        onName={(n) => go(publishPath(n))}
      />
      <PullModal opened={dialog === "pull"} onClose={() => setDialog(null)} />
    </Stack>
  );
}

function useTestSource() {
  const [, go] = useLocation();
  const change = useChange((_: void) => post<TestSource>("/test-sources", {}), "streams", "test-sources");
  return {
    isPending: change.isPending,
    mutate: () =>
      change.mutate(undefined, { onSuccess: (s) => go(streamPage(s.stream)), onError: notifyError }),
  };
}

/** Fills the level lines with what the server remembers, once for each stream. */
function useSeeds(streams: Stream[]) {
  const names = streams
    .filter((s) => s.state !== "idle")
    .slice(0, 24)
    .map((s) => s.name)
    .join("\n");
  useEffect(() => {
    for (const name of names.split("\n").filter(Boolean))
      void maybe(get<History>(`${streamPath(name)}/history`))
        .then((h) =>
          seedLevel(
            name,
            (h?.points ?? []).map((p) => p.in_bps),
          ),
        )
        .catch(() => undefined);
  }, [names]);
}

function Numbers({ streams }: { streams: Stream[] }) {
  const { t, i18n } = useTranslation();
  const system = useSystem().data;
  const live = streams.filter((s) => s.state === "live").length;
  const lang = i18n.language;
  const parts = [
    t("live.count", { count: live, n: count(lang, live) }),
    t("live.watching", { n: count(lang, system?.totals.viewers ?? 0) }),
    t("live.out", { rate: bitrate(lang, system?.totals.out_bps) }),
    system ? t("live.disk", { size: bytes(lang, system.disk.free_bytes) }) : "",
  ];
  return (
    <Text className="num" c="dimmed">
      {parts.filter(Boolean).map((p, i, all) => (
        <Fragment key={p}>
          <span className="whole">
            {p}
            {i < all.length - 1 && " ·"}
          </span>{" "}
        </Fragment>
      ))}
    </Text>
  );
}

function FfmpegNote() {
  const { t } = useTranslation();
  const ffmpeg = useSession().data?.ffmpeg;
  if (!ffmpeg || ffmpeg.available) return null;
  return (
    <Alert className="note-warn" title={t("ffmpeg.missingTitle")}>
      {t("ffmpeg.missingText")} <code className="mono">sudo apt-get install ffmpeg</code>
    </Alert>
  );
}

function Chips({
  filter,
  setFilter,
  streams,
}: {
  filter: Filter;
  setFilter: (f: Filter) => void;
  streams: Stream[];
}) {
  const { t } = useTranslation();
  return (
    <fieldset className="chips">
      <legend className="visually-hidden">{t("live.filter")}</legend>
      {filters.map((f) => (
        <button key={f} type="button" aria-pressed={f === filter} onClick={() => setFilter(f)}>
          {t(`live.filters.${f}`)} <span className="num">{streams.filter(passes[f]).length}</span>
        </button>
      ))}
    </fieldset>
  );
}

interface Adding {
  onTest: () => void;
  onName: () => void;
  onPull: () => void;
}

function AddMenu({ onTest, onName, onPull }: Adding) {
  const { t } = useTranslation();
  return (
    <Group gap="xs">
      <Button leftSection={<IconVideo size={18} />} onClick={onName}>
        {t("publish.title")}
      </Button>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button
            variant="default"
            rightSection={<IconChevronDown size={16} />}
            leftSection={<IconPlus size={18} />}
          >
            {t("live.add")}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconTestPipe size={18} stroke={1.7} />} onClick={onTest}>
            {t("test.title")}
          </Menu.Item>
          <Menu.Item leftSection={<IconCloudDownload size={18} stroke={1.7} />} onClick={onPull}>
            {t("pull.title")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </Group>
  );
}

function Empty({ onTest, busy, open }: { onTest: () => void; busy: boolean; open: (d: Dialog) => void }) {
  const { t } = useTranslation();
  return (
    <Stack gap="md" mt="md">
      <Text size="lg">{t("live.none")}</Text>
      <SimpleGrid cols={{ base: 1, sm: 3 }}>
        <Card className="start">
          <IconTestPipe size={28} stroke={1.5} aria-hidden />
          <Title order={2} size="h3">
            {t("test.title")}
          </Title>
          <Text c="dimmed">{t("test.text")}</Text>
          <Button mt="auto" loading={busy} onClick={onTest} data-testid="test-source">
            {t("test.start")}
          </Button>
        </Card>
        <Card className="start">
          <IconVideo size={28} stroke={1.5} aria-hidden />
          <Title order={2} size="h3">
            {t("publish.title")}
          </Title>
          <Text c="dimmed">{t("publish.cardText")}</Text>
          <Button mt="auto" variant="default" onClick={() => open("name")}>
            {t("publish.open")}
          </Button>
        </Card>
        <Card className="start">
          <IconCloudDownload size={28} stroke={1.5} aria-hidden />
          <Title order={2} size="h3">
            {t("pull.title")}
          </Title>
          <Text c="dimmed">{t("pull.text")}</Text>
          <Button mt="auto" variant="default" onClick={() => open("pull")}>
            {t("pull.add")}
          </Button>
        </Card>
      </SimpleGrid>
    </Stack>
  );
}
