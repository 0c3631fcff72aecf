import { Button, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { nameProblem } from "../../lib/name";
import { Dialog } from "./Dialog";

/** Asks under which name somebody will publish. */
export function NameModal({
  opened,
  onClose,
  onName,
}: {
  opened: boolean;
  onClose: () => void;
  onName: (n: string) => void;
}) {
  const { t } = useTranslation();
  const [name, setName] = useState("live/show");
  const problem = nameProblem(name);
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (problem) return;
    onClose();
    onName(name);
  };
  return (
    <Dialog opened={opened} onClose={onClose} title={t("publish.title")}>
      <form onSubmit={submit}>
        <Stack>
          <Text c="dimmed">{t("publish.nameText")}</Text>
          <TextInput
            data-autofocus
            label={t("stream.name")}
            value={name}
            error={problem && t(`name.${problem}`)}
            onChange={(e) => setName(e.currentTarget.value)}
            classNames={{ input: "mono" }}
          />
          <Button type="submit" disabled={problem !== undefined}>
            {t("publish.open")}
          </Button>
        </Stack>
      </form>
    </Dialog>
  );
}
