import { Button, PasswordInput, Stack, Text } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { put } from "../../api/client";
import { useChange, useSession } from "../../api/hooks";
import { Dialog } from "./Dialog";
import { ErrorText } from "./ErrorText";
import { notifyDone } from "./notify";

const shortest = 10;

export function PasswordModal({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  const has = useSession().data?.password_set ?? false;
  const [current, setCurrent] = useState("");
  const [password, setPassword] = useState("");
  const save = useChange((body: object) => put("/session/password", body), "session");
  const submit = (e: FormEvent) => {
    e.preventDefault();
    save.mutate(has ? { password, current } : { password }, {
      onSuccess: () => {
        notifyDone(t("password.done"));
        setCurrent("");
        setPassword("");
        onClose();
      },
    });
  };
  return (
    <Dialog opened={opened} onClose={onClose} title={t(has ? "password.change" : "password.set")}>
      <form onSubmit={submit}>
        <Stack>
          <Text c="dimmed">{t("password.why")}</Text>
          <input
            className="visually-hidden"
            tabIndex={-1}
            aria-hidden
            autoComplete="username"
            defaultValue="owner"
          />
          {has && (
            <PasswordInput
              visibilityToggleButtonProps={{ "aria-label": t("password.show") }}
              label={t("password.current")}
              value={current}
              autoComplete="current-password"
              onChange={(e) => setCurrent(e.currentTarget.value)}
            />
          )}
          <PasswordInput
            visibilityToggleButtonProps={{ "aria-label": t("password.show") }}
            data-autofocus
            label={t("password.new")}
            description={t("password.length", { n: shortest })}
            value={password}
            autoComplete="new-password"
            minLength={shortest}
            onChange={(e) => setPassword(e.currentTarget.value)}
          />
          <ErrorText error={save.error} />
          <Button type="submit" disabled={[...password].length < shortest} loading={save.isPending}>
            {t("password.save")}
          </Button>
        </Stack>
      </form>
    </Dialog>
  );
}
