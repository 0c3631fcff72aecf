import { Button, MultiSelect, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { del, post } from "../../api/client";
import { useChange, useWebhooks } from "../../api/hooks";
import type { Webhook } from "../../api/types";
import { CopyRow } from "./CopyRow";
import { Dialog } from "./Dialog";
import { ErrorText } from "./ErrorText";
import { notifyError } from "./notify";
import { Adding, Section } from "./Section";

const types = [
  "stream.started",
  "stream.away",
  "stream.returned",
  "stream.ended",
  "publish.refused",
  "session.opened",
  "session.closed",
];

export function Webhooks() {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const hooks = useWebhooks().data ?? [];
  const remove = useChange((id: string) => del(`/webhooks/${id}`), "webhooks");
  return (
    <Section
      id="webhooks"
      title={t("webhooks.title")}
      aside={<Adding path="/webhooks" text={t("webhooks.add")} onAdd={() => setOpen(true)} />}
      text={t("webhooks.text")}
    >
      <ul className="relays">
        {hooks.map((h) => (
          <li key={h.id} className="relay">
            <div>
              <code className="mono">{h.url}</code>
              <p className="muted">{h.types.join(", ") || t("webhooks.all")}</p>
            </div>
            <Button variant="default" size="xs" onClick={() => remove.mutate(h.id, { onError: notifyError })}>
              {t("remove")}
            </Button>
          </li>
        ))}
      </ul>
      <WebhookModal opened={open} onClose={() => setOpen(false)} />
    </Section>
  );
}

function WebhookModal({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  const [url, setUrl] = useState("");
  const [chosen, setChosen] = useState<string[]>(["stream.started", "stream.ended"]);
  const add = useChange((body: object) => post<Webhook>("/webhooks", body), "webhooks");
  const made = add.data;
  const close = () => {
    add.reset();
    setUrl("");
    onClose();
  };
  const submit = (e: FormEvent) => {
    e.preventDefault();
    add.mutate({ url: url.trim(), types: chosen });
  };
  return (
    <Dialog opened={opened} onClose={close} title={t("webhooks.add")}>
      {made ? (
        <Stack>
          <Text>{t("webhooks.secretText")}</Text>
          <CopyRow
            id="webhook-secret"
            label={t("webhooks.secret")}
            shown={made.secret ?? ""}
            value={() => made.secret ?? ""}
          />
          <Button onClick={close}>{t("done")}</Button>
        </Stack>
      ) : (
        <form onSubmit={submit}>
          <Stack>
            <TextInput
              data-autofocus
              label={t("webhooks.url")}
              placeholder="https://example.org/hook"
              value={url}
              onChange={(e) => setUrl(e.currentTarget.value)}
              classNames={{ input: "mono" }}
            />
            <MultiSelect label={t("webhooks.types")} data={types} value={chosen} onChange={setChosen} />
            <ErrorText error={add.error} />
            <Button type="submit" loading={add.isPending} disabled={!url.trim()}>
              {t("webhooks.add")}
            </Button>
          </Stack>
        </form>
      )}
    </Dialog>
  );
}
