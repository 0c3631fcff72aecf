import { Button, Stack, Switch, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { post } from "../../api/client";
import { useChange } from "../../api/hooks";
import { nameProblem } from "../../lib/name";
import { Dialog } from "./Dialog";
import { ErrorText } from "./ErrorText";

export function PullModal({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  const [stream, setStream] = useState("live/pulled");
  const [url, setUrl] = useState("");
  const [onDemand, setOnDemand] = useState(false);
  const add = useChange((body: object) => post("/pulls", body), "pulls", "streams");
  const problem = nameProblem(stream);
  const submit = (e: FormEvent) => {
    e.preventDefault();
    add.mutate(
      { stream, url: url.trim(), on_demand: onDemand },
      {
        onSuccess: () => {
          setUrl("");
          onClose();
        },
      },
    );
  };
  return (
    <Dialog opened={opened} onClose={onClose} title={t("pull.title")}>
      <form onSubmit={submit}>
        <Stack>
          <Text c="dimmed">{t("pull.text")}</Text>
          <TextInput
            data-autofocus
            label={t("pull.url")}
            description={t("pull.urlHint")}
            placeholder="rtmp://198.51.100.7/live/show"
            value={url}
            onChange={(e) => setUrl(e.currentTarget.value)}
            classNames={{ input: "mono" }}
          />
          <TextInput
            label={t("pull.stream")}
            value={stream}
            error={problem && t(`name.${problem}`)}
            onChange={(e) => setStream(e.currentTarget.value)}
            classNames={{ input: "mono" }}
          />
          <Switch
            label={t("pull.onDemand")}
            checked={onDemand}
            onChange={(e) => setOnDemand(e.currentTarget.checked)}
          />
          <ErrorText error={add.error} />
          <Button type="submit" loading={add.isPending} disabled={problem !== undefined || url.trim() === ""}>
            {t("pull.add")}
          </Button>
        </Stack>
      </form>
    </Dialog>
  );
}
