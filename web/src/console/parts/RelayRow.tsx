import { ActionIcon, Tooltip } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { del } from "../../api/client";
import { useChange } from "../../api/hooks";
import type { Relay } from "../../api/types";
import { saidOf } from "../../i18n/server";
import { ago, bytes } from "../../lib/format";
import { Confirm } from "./Confirm";
import { notifyError } from "./notify";

/** One pull or push: where it goes, how it is, and why it waits. */
export function RelayRow({
  kind,
  relay,
  showStream = false,
}: {
  kind: "pulls" | "pushes";
  relay: Relay;
  showStream?: boolean;
}) {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  const [asking, setAsking] = useState(false);
  const remove = useChange((id: string) => del(`/${kind}/${id}`), kind);
  const failed = relay.last_error && relay.state !== "running" ? relay.last_error : null;
  const facts = [
    relay.on_demand ? t("pull.onDemandShort") : "",
    relay.bytes_out ? bytes(lang, relay.bytes_out) : "",
    relay.state === "waiting" && relay.next_retry_at && new Date(relay.next_retry_at).getTime() > Date.now()
      ? t("relays.next", { when: ago(lang, relay.next_retry_at) })
      : "",
    relay.attempts && relay.attempts > 1 ? t("relays.attempts", { n: relay.attempts }) : "",
  ];
  return (
    <li className="relay">
      <div>
        <code className="mono">{relay.url}</code>
        {showStream && (
          <p>
            {t(kind === "pulls" ? "relays.into" : "relays.from")} <code className="mono">{relay.stream}</code>
          </p>
        )}
        <p className="num">
          <span className={`dot ${relay.state}`} aria-hidden="true" /> {t(`relays.state.${relay.state}`)}
          <span className="muted"> {facts.filter(Boolean).join(" · ")}</span>
        </p>
        {failed && <p className="bad-text">{saidOf(lang, failed)}</p>}
      </div>
      <Tooltip label={t("remove")}>
        <ActionIcon
          size={36}
          aria-label={t("relays.remove", { url: relay.url })}
          onClick={() => setAsking(true)}
        >
          <IconTrash size={18} stroke={1.7} />
        </ActionIcon>
      </Tooltip>
      <Confirm
        opened={asking}
        title={t(kind === "pulls" ? "pull.removeTitle" : "push.removeTitle")}
        text={relay.url}
        action={t("remove")}
        onClose={() => setAsking(false)}
        onConfirm={() => remove.mutate(relay.id, { onError: notifyError })}
      />
    </li>
  );
}
