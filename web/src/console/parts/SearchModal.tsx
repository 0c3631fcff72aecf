import { Modal, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { type KeyboardEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { useLocation } from "wouter";
import { useStreams } from "../../api/hooks";
import { publishPath, streamPage, timelinePage } from "../paths";

interface Hit {
  to: string;
  text: string;
  kind: string;
}

export function SearchModal({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      withCloseButton={false}
      yOffset={80}
      centered={false}
      title={t("search.open")}
      classNames={{ header: "visually-hidden" }}
    >
      <Search onClose={onClose} />
    </Modal>
  );
}

function useHits(asked: string): Hit[] {
  const { t } = useTranslation();
  const streams = useStreams().data ?? [];
  const hits: Hit[] = streams.flatMap((s) => [
    { to: streamPage(s.name), text: s.name, kind: t("search.stream") },
    { to: publishPath(s.name), text: s.name, kind: t("publish.title") },
    { to: timelinePage(s.name), text: s.name, kind: t("timeline.title") },
  ]);
  hits.push(
    { to: "/live", text: t("nav.live"), kind: t("search.page") },
    { to: "/relays", text: t("relays.title"), kind: t("search.page") },
    { to: "/recordings", text: t("nav.recordings"), kind: t("search.page") },
    { to: "/storage", text: t("storage.title"), kind: t("search.page") },
    { to: "/access", text: t("nav.access"), kind: t("search.page") },
    { to: "/system", text: t("nav.system"), kind: t("search.page") },
  );
  const q = asked.trim().toLowerCase();
  return hits.filter((h) => q === "" || `${h.text} ${h.kind}`.toLowerCase().includes(q)).slice(0, 8);
}

function Search({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const [, go] = useLocation();
  const [asked, setAsked] = useState("");
  const [at, setAt] = useState(0);
  const hits = useHits(asked);
  const open = (h: Hit | undefined) => {
    if (!h) return;
    onClose();
    go(h.to);
  };
  const onKey = (e: KeyboardEvent) => {
    if (e.key === "ArrowDown") setAt((n) => Math.min(n + 1, hits.length - 1));
    else if (e.key === "ArrowUp") setAt((n) => Math.max(n - 1, 0));
    else if (e.key === "Enter") open(hits[at]);
    else return;
    e.preventDefault();
  };
  return (
    <>
      <TextInput
        data-autofocus
        aria-label={t("search.open")}
        placeholder={t("search.hint")}
        leftSection={<IconSearch size={16} />}
        value={asked}
        role="combobox"
        aria-expanded
        aria-controls="hits"
        aria-activedescendant={hits.length ? `hit-${at}` : undefined}
        onKeyDown={onKey}
        onChange={(e) => {
          setAsked(e.currentTarget.value);
          setAt(0);
        }}
      />
      <div id="hits" role="listbox" aria-label={t("search.open")} className="hits">
        {hits.map((h, i) => (
          <button
            type="button"
            className="bare"
            role="option"
            tabIndex={-1}
            id={`hit-${i}`}
            key={`${h.to} ${h.kind}`}
            aria-selected={i === at}
            onClick={() => open(h)}
          >
            <span>{h.text}</span>
            <span className="muted">{h.kind}</span>
          </button>
        ))}
      </div>
    </>
  );
}
