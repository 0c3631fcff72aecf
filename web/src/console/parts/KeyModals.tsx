import { Button, Checkbox, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { post } from "../../api/client";
import { useChange } from "../../api/hooks";
import type { Key, Token } from "../../api/types";
import { CopyRow } from "./CopyRow";
import { Dialog } from "./Dialog";
import { ErrorText } from "./ErrorText";

interface ModalProps<T> {
  opened: boolean;
  onClose: () => void;
  onMade: (made: T) => void;
}

export function KeyModal({ opened, onClose, onMade }: ModalProps<Key>) {
  const { t } = useTranslation();
  const [name, setName] = useState("");
  const [pattern, setPattern] = useState("live/*");
  const [actions, setActions] = useState(["publish"]);
  const add = useChange((body: object) => post<Key>("/keys", body), "keys");
  const submit = (e: FormEvent) => {
    e.preventDefault();
    add.mutate(
      { name: name.trim(), pattern: pattern.trim(), actions },
      {
        onSuccess: (k) => {
          setName("");
          onClose();
          onMade(k);
        },
      },
    );
  };
  return (
    <Dialog opened={opened} onClose={onClose} title={t("keys.add")}>
      <form onSubmit={submit}>
        <Stack>
          <TextInput
            data-autofocus
            label={t("keys.name")}
            description={t("keys.nameHint")}
            value={name}
            onChange={(e) => setName(e.currentTarget.value)}
          />
          <TextInput
            label={t("keys.pattern")}
            description={t("keys.patternHint")}
            value={pattern}
            onChange={(e) => setPattern(e.currentTarget.value)}
            classNames={{ input: "mono" }}
          />
          <Checkbox.Group label={t("keys.actions")} value={actions} onChange={setActions}>
            <Stack gap="xs" mt={4}>
              <Checkbox value="publish" label={t("action.publish")} />
              <Checkbox value="play" label={t("action.play")} />
            </Stack>
          </Checkbox.Group>
          <ErrorText error={add.error} />
          <Button
            type="submit"
            loading={add.isPending}
            disabled={!name.trim() || !pattern.trim() || !actions.length}
          >
            {t("keys.add")}
          </Button>
        </Stack>
      </form>
    </Dialog>
  );
}

const scopes = ["streams:read", "streams:write", "keys:write", "admin"];

export function TokenModal({ opened, onClose, onMade }: ModalProps<Token>) {
  const { t } = useTranslation();
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState(["streams:read"]);
  const add = useChange((body: object) => post<Token>("/tokens", body), "tokens");
  const submit = (e: FormEvent) => {
    e.preventDefault();
    add.mutate(
      { name: name.trim(), scopes: chosen },
      {
        onSuccess: (x) => {
          setName("");
          onClose();
          onMade(x);
        },
      },
    );
  };
  return (
    <Dialog opened={opened} onClose={onClose} title={t("tokens.add")}>
      <form onSubmit={submit}>
        <Stack>
          <TextInput
            data-autofocus
            label={t("keys.name")}
            description={t("tokens.nameHint")}
            value={name}
            onChange={(e) => setName(e.currentTarget.value)}
          />
          <Checkbox.Group label={t("tokens.scopes")} value={chosen} onChange={setChosen}>
            <Stack gap="xs" mt={4}>
              {scopes.map((s) => (
                <Checkbox
                  key={s}
                  value={s}
                  label={<code className="mono">{s}</code>}
                  description={t(`scope.${s.replace(":", "_")}`)}
                />
              ))}
            </Stack>
          </Checkbox.Group>
          <ErrorText error={add.error} />
          <Button type="submit" loading={add.isPending} disabled={!name.trim() || chosen.length === 0}>
            {t("tokens.add")}
          </Button>
        </Stack>
      </form>
    </Dialog>
  );
}

interface SecretProps {
  of: { name: string; secret: string } | null;
  title: string;
  text: string;
  onClose: () => void;
}

export function SecretModal({ of, title, text, onClose }: SecretProps) {
  const { t } = useTranslation();
  return (
    <Dialog opened={of !== null} onClose={onClose} title={title}>
      <Stack>
        <Text>{text}</Text>
        {of && <CopyRow id="secret" label={of.name} shown={of.secret} value={() => of.secret} />}
        <Button onClick={onClose}>{t("done")}</Button>
      </Stack>
    </Dialog>
  );
}
