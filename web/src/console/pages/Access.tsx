import { ActionIcon, Button, Menu, Stack, Table, Text, Title } from "@mantine/core";
import { IconDots } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { del, get, post } from "../../api/client";
import { useChange, useKeys, useSession, useTokens } from "../../api/hooks";
import type { Key, Token } from "../../api/types";
import { ago, moment } from "../../lib/format";
import { useTitle } from "../../lib/page";
import { Confirm } from "../parts/Confirm";
import { KeyModal, SecretModal, TokenModal } from "../parts/KeyModals";
import { notifyError } from "../parts/notify";
import { PasswordModal } from "../parts/PasswordModal";
import { Adding, Section } from "../parts/Section";

export default function Access() {
  const { t } = useTranslation();
  useTitle(t("nav.access"));
  return (
    <Stack gap="md">
      <Title order={1} size="h2">
        {t("nav.access")}
      </Title>
      <Keys />
      <Tokens />
      <Password />
    </Stack>
  );
}

function Keys() {
  const { t } = useTranslation();
  const keys = useKeys();
  const [adding, setAdding] = useState(false);
  const [secret, setSecret] = useState<{ name: string; secret: string } | null>(null);
  const [dropping, setDropping] = useState<Key | null>(null);
  const [replacing, setReplacing] = useState<Key | null>(null);
  const show = useChange((k: Key) => get<{ secret: string }>(`/keys/${k.id}/secret`), "keys");
  const rotate = useChange((k: Key) => post<Key>(`/keys/${k.id}/rotate`), "keys");
  const drop = useChange((k: Key) => del(`/keys/${k.id}`), "keys");
  const items = keys.data ?? [];
  return (
    <Section
      id="keys"
      title={t("keys.title")}
      aside={<Adding path="/keys" text={t("keys.add")} onAdd={() => setAdding(true)} />}
      text={t("keys.text")}
    >
      {keys.isSuccess && items.length === 0 && <Text>{t("keys.none")}</Text>}
      {items.length > 0 && (
        <Table.ScrollContainer minWidth={280} tabIndex={0} aria-label={t("keys.title")}>
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("keys.name")}</Table.Th>
                <Table.Th>{t("keys.pattern")}</Table.Th>
                <Table.Th className="wide-only">{t("keys.actions")}</Table.Th>
                <Table.Th className="wide-only">{t("keys.lastUsed")}</Table.Th>
                <Table.Th className="wide-only" ta="right">
                  {t("keys.shown")}
                </Table.Th>
                <Table.Th>
                  <span className="visually-hidden">{t("more")}</span>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {items.map((k) => (
                <KeyRow
                  key={k.id}
                  item={k}
                  onShow={() =>
                    show.mutate(k, {
                      onSuccess: (s) => setSecret({ name: k.name, ...s }),
                      onError: notifyError,
                    })
                  }
                  onRotate={() => setReplacing(k)}
                  onDrop={() => setDropping(k)}
                />
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      <KeyModal
        opened={adding}
        onClose={() => setAdding(false)}
        onMade={(k) => setSecret({ name: k.name, secret: k.secret ?? "" })}
      />
      <SecretModal
        of={secret}
        title={t("keys.secretTitle")}
        text={t("keys.secretText")}
        onClose={() => setSecret(null)}
      />
      <Confirm
        opened={replacing !== null}
        title={t("keys.rotateTitle", { name: replacing?.name ?? "" })}
        text={t("publish.newKeyText")}
        action={t("keys.rotate")}
        onClose={() => setReplacing(null)}
        onConfirm={() =>
          replacing &&
          rotate.mutate(replacing, {
            onSuccess: (s) => setSecret({ name: replacing.name, secret: s.secret ?? "" }),
            onError: notifyError,
          })
        }
      />
      <Confirm
        opened={dropping !== null}
        title={t("keys.dropTitle", { name: dropping?.name ?? "" })}
        text={t("keys.dropText")}
        action={t("remove")}
        onClose={() => setDropping(null)}
        onConfirm={() => dropping && drop.mutate(dropping, { onError: notifyError })}
      />
    </Section>
  );
}

interface RowProps {
  item: Key;
  onShow: () => void;
  onRotate: () => void;
  onDrop: () => void;
}

function KeyRow({ item, onShow, onRotate, onDrop }: RowProps) {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  return (
    <Table.Tr>
      <Table.Td fw={500}>{item.name}</Table.Td>
      <Table.Td>
        <code className="mono">{item.pattern}</code>
      </Table.Td>
      <Table.Td className="wide-only">
        {item.actions.map((a) => t(`action.${a}`, { defaultValue: a })).join(", ")}
      </Table.Td>
      <Table.Td
        className="wide-only num"
        title={item.last_used_at ? moment(lang, item.last_used_at) : undefined}
      >
        {item.last_used_at ? ago(lang, item.last_used_at) : t("never")}
      </Table.Td>
      <Table.Td ta="right" className="wide-only num">
        {item.shown_count}
      </Table.Td>
      <Table.Td ta="right">
        <RowMenu label={t("keys.menu", { name: item.name })}>
          <Menu.Item onClick={onShow}>{t("keys.show")}</Menu.Item>
          <Menu.Item onClick={onRotate}>{t("keys.rotate")}</Menu.Item>
          <Menu.Item color="red" onClick={onDrop}>
            {t("remove")}
          </Menu.Item>
        </RowMenu>
      </Table.Td>
    </Table.Tr>
  );
}

function RowMenu({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon aria-label={label}>
          <IconDots size={18} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>{children}</Menu.Dropdown>
    </Menu>
  );
}

function Tokens() {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  const tokens = useTokens();
  const [adding, setAdding] = useState(false);
  const [secret, setSecret] = useState<{ name: string; secret: string } | null>(null);
  const [dropping, setDropping] = useState<Token | null>(null);
  const drop = useChange((x: Token) => del(`/tokens/${x.id}`), "tokens");
  const items = tokens.data ?? [];
  return (
    <Section
      id="tokens"
      title={t("tokens.title")}
      aside={<Adding path="/tokens" text={t("tokens.add")} onAdd={() => setAdding(true)} />}
      text={t("tokens.text")}
    >
      {tokens.isSuccess && items.length === 0 && <Text>{t("tokens.none")}</Text>}
      {items.length > 0 && (
        <Table.ScrollContainer minWidth={280} tabIndex={0} aria-label={t("tokens.title")}>
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("keys.name")}</Table.Th>
                <Table.Th>{t("tokens.scopes")}</Table.Th>
                <Table.Th className="wide-only">{t("keys.lastUsed")}</Table.Th>
                <Table.Th>
                  <span className="visually-hidden">{t("more")}</span>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {items.map((x) => (
                <Table.Tr key={x.id}>
                  <Table.Td fw={500}>{x.name}</Table.Td>
                  <Table.Td>
                    <code className="mono">{x.scopes.join(" ")}</code>
                  </Table.Td>
                  <Table.Td className="wide-only num">
                    {x.last_used_at ? ago(lang, x.last_used_at) : t("never")}
                  </Table.Td>
                  <Table.Td ta="right">
                    <RowMenu label={t("keys.menu", { name: x.name })}>
                      <Menu.Item color="red" onClick={() => setDropping(x)}>
                        {t("remove")}
                      </Menu.Item>
                    </RowMenu>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      <TokenModal
        opened={adding}
        onClose={() => setAdding(false)}
        onMade={(x) => setSecret({ name: x.name, secret: x.secret ?? "" })}
      />
      <SecretModal
        of={secret}
        title={t("tokens.secretTitle")}
        text={t("tokens.secretText")}
        onClose={() => setSecret(null)}
      />
      <Confirm
        opened={dropping !== null}
        title={t("tokens.dropTitle", { name: dropping?.name ?? "" })}
        text={t("tokens.dropText")}
        action={t("remove")}
        onClose={() => setDropping(null)}
        onConfirm={() => dropping && drop.mutate(dropping, { onError: notifyError })}
      />
    </Section>
  );
}

function Password() {
  const { t } = useTranslation();
  const session = useSession().data;
  const [open, setOpen] = useState(false);
  return (
    <Section
      id="password"
      title={t("password.title")}
      text={t(session?.password_set ? "password.isSet" : "password.bannerText")}
    >
      <Button variant="default" className="fit" onClick={() => setOpen(true)}>
        {t(session?.password_set ? "password.change" : "password.set")}
      </Button>
      <PasswordModal opened={open} onClose={() => setOpen(false)} />
    </Section>
  );
}
