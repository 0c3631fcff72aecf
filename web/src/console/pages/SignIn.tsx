import { Button, Card, Center, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { post } from "../../api/client";
import { useChange } from "../../api/hooks";
import type { Session } from "../../api/types";
import { LanguageRow } from "../../i18n/LanguageRow";
import { ErrorText } from "../parts/ErrorText";
import { Logo } from "../parts/Logo";

export function SignIn({ session }: { session: Session }) {
  const { t } = useTranslation();
  const [name, setName] = useState("owner");
  const [password, setPassword] = useState("");
  const enter = useChange((body: object) => post("/session", body), "session");
  // Where a login link leads that opens nothing.
  const refused = new URLSearchParams(location.search).get("refused");
  const submit = (e: FormEvent) => {
    e.preventDefault();
    enter.mutate({ name, password });
  };
  return (
    <Center mih="100vh" p="md" component="main">
      <Stack w={380} maw="100%" gap="lg">
        <Stack align="center" gap="xs">
          <Logo size={48} />
          <Title order={1} size="h2">
            {t("signin.title")}
          </Title>
        </Stack>
        {refused && (
          <Text role="alert" fw={600}>
            {t(refused === "login_limited" ? "signin.linkLimited" : "signin.linkUsed")}
          </Text>
        )}
        <Card padding="lg">
          {session.password_set ? (
            <form onSubmit={submit}>
              <Stack>
                <TextInput
                  label={t("signin.name")}
                  value={name}
                  autoComplete="username"
                  onChange={(e) => setName(e.currentTarget.value)}
                />
                <PasswordInput
                  visibilityToggleButtonProps={{ "aria-label": t("password.show") }}
                  label={t("signin.password")}
                  value={password}
                  autoComplete="current-password"
                  onChange={(e) => setPassword(e.currentTarget.value)}
                />
                <ErrorText error={enter.error} />
                <Button type="submit" loading={enter.isPending} disabled={!password || !name}>
                  {t("signin.enter")}
                </Button>
                <Text size="xs" c="dimmed">
                  {t("signin.forgot")} <code className="mono">weir user reset-password</code>
                </Text>
              </Stack>
            </form>
          ) : (
            <Stack>
              <Text fw={600}>{t("signin.linkTitle")}</Text>
              <Text>{t("signin.linkText")}</Text>
              <Text size="sm" c="dimmed">
                {t("signin.linkLost")} <code className="mono">weir user reset-password</code>
              </Text>
            </Stack>
          )}
        </Card>
        <LanguageRow />
      </Stack>
    </Center>
  );
}
