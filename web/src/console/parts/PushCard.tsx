import { Button, Stack, Text, TextInput } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { post } from "../../api/client";
import { useChange, useRelays } from "../../api/hooks";
import { Curl } from "./Curl";
import { Dialog } from "./Dialog";
import { ErrorText } from "./ErrorText";
import { RelayRow } from "./RelayRow";
import { Section } from "./Section";

export function PushCard({ name }: { name: string }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const targets = (useRelays("pushes").data ?? []).filter((x) => x.stream === name);
  return (
    <Section
      id="push-title"
      title={t("push.title")}
      aside={<Curl method="POST" path="/pushes" body={{ stream: name, url: "rtmp://…" }} />}
    >
      {targets.length === 0 ? (
        <p className="muted">{t("push.none")}</p>
      ) : (
        <ul className="relays">
          {targets.map((x) => (
            <RelayRow key={x.id} kind="pushes" relay={x} />
          ))}
        </ul>
      )}
      <Button mt="sm" variant="default" leftSection={<IconPlus size={18} />} onClick={() => setOpen(true)}>
        {t("push.add")}
      </Button>
      <PushModal name={name} opened={open} onClose={() => setOpen(false)} />
    </Section>
  );
}

export function PushModal({ name, opened, onClose }: { name: string; opened: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  const [stream, setStream] = useState(name);
  const [url, setUrl] = useState("");
  const add = useChange((body: object) => post("/pushes", body), "pushes");
  const submit = (e: FormEvent) => {
    e.preventDefault();
    add.mutate(
      { stream, url: url.trim() },
      {
        onSuccess: () => {
          setUrl("");
          onClose();
        },
      },
    );
  };
  return (
    <Dialog opened={opened} onClose={onClose} title={t("push.add")}>
      <form onSubmit={submit}>
        <Stack>
          <Text c="dimmed">{t("push.text")}</Text>
          {name === "" && (
            <TextInput
              label={t("stream.name")}
              value={stream}
              onChange={(e) => setStream(e.currentTarget.value)}
              classNames={{ input: "mono" }}
            />
          )}
          <TextInput
            data-autofocus
            label={t("push.url")}
            placeholder="rtmp://198.51.100.7/app/key"
            value={url}
            onChange={(e) => setUrl(e.currentTarget.value)}
            classNames={{ input: "mono" }}
          />
          <ErrorText error={add.error} />
          <Button type="submit" loading={add.isPending} disabled={!url.trim() || !stream.trim()}>
            {t("push.add")}
          </Button>
        </Stack>
      </form>
    </Dialog>
  );
}
