import { Alert, Button, Group, Text } from "@mantine/core";
import { IconLock } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { post } from "../../api/client";
import { useChange } from "../../api/hooks";
import type { Timeline, Volume } from "../../api/types";
import { bytes } from "../../lib/format";
import { timelinePage } from "../paths";
import { Confirm } from "./Confirm";
import { notifyDone, notifyError } from "./notify";

/** What is to be released; without a timeline: all. */
interface Asked {
  timeline?: string;
  size: string;
}

interface Props {
  volumes: Volume[];
  timelines: Timeline[];
}

/** Footage that the index did not know: nothing deletes it until somebody has looked. */
export function HeldFootage({ volumes, timelines }: Props) {
  const { t, i18n } = useTranslation();
  const [asked, setAsked] = useState<Asked | null>(null);
  const release = useChange(
    (timeline: string | undefined) => post<unknown>("/storage/release", { timeline }),
    "storage",
    "timelines",
    "timeline",
  );
  const all = volumes.reduce((n, v) => n + v.held, 0);
  if (all <= 0) return null;
  const size = bytes(i18n.language, all);
  const held = timelines.filter((x) => x.held_bytes > 0).toSorted((a, b) => b.held_bytes - a.held_bytes);
  const busy = (timeline?: string) => release.isPending && release.variables === timeline;
  return (
    <>
      <Alert className="note-warn" icon={<IconLock size={20} />} title={t("storage.heldTitle", { size })}>
        <Text mb="sm">{t("storage.heldText")}</Text>
        {held.length > 1 && (
          <ul className="relays heldlist">
            {held.map((x) => (
              <HeldRow
                key={x.name}
                timeline={x}
                busy={busy(x.name)}
                onRelease={(size) => setAsked({ timeline: x.name, size })}
              />
            ))}
          </ul>
        )}
        <Button variant="default" loading={busy()} onClick={() => setAsked({ size })}>
          {t(held.length > 1 ? "storage.releaseAll" : "storage.release")}
        </Button>
      </Alert>
      <Confirm
        opened={asked !== null}
        title={
          asked?.timeline ? t("storage.releaseOneTitle", { ...asked }) : t("storage.releaseTitle", { size })
        }
        text={t("storage.releaseText")}
        action={t("storage.release")}
        onClose={() => setAsked(null)}
        onConfirm={() =>
          release.mutate(asked?.timeline, {
            onSuccess: () => notifyDone(t("storage.released")),
            onError: notifyError,
          })
        }
      />
    </>
  );
}

interface RowProps {
  timeline: Timeline;
  busy: boolean;
  onRelease(size: string): void;
}

function HeldRow({ timeline, busy, onRelease }: RowProps) {
  const { t, i18n } = useTranslation();
  const size = bytes(i18n.language, timeline.held_bytes);
  return (
    <li className="relay">
      <Link to={timelinePage(timeline.name)} className="mono">
        {timeline.name}
      </Link>
      <Group gap="sm" wrap="nowrap">
        <span className="num">{size}</span>
        <Button
          variant="default"
          size="xs"
          loading={busy}
          aria-label={t("storage.releaseOneLabel", { timeline: timeline.name })}
          onClick={() => onRelease(size)}
        >
          {t("storage.releaseOne")}
        </Button>
      </Group>
    </li>
  );
}
