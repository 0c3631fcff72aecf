import { Anchor, Button, Group, Title } from "@mantine/core";
import type { Icon } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import type { Stream } from "../../api/types";
import { StatePill } from "./StatePill";

export interface Step {
  to: string;
  text: string;
  mono?: boolean;
}

/** The way from the room to this page. */
export function Crumbs({ steps }: { steps: Step[] }) {
  const { t } = useTranslation();
  return (
    <nav aria-label={t("nav.path")} className="crumbs">
      {steps.map((s) => (
        <span key={s.to}>
          <Anchor component={Link} href={s.to} className={s.mono ? "mono" : undefined}>
            {s.text}
          </Anchor>
          <span aria-hidden> / </span>
        </span>
      ))}
    </nav>
  );
}

interface Props {
  name: string;
  stream: Stream | null | undefined;
  room: Step;
  /** What can be done from here. */
  children: ReactNode;
}

/** The top of every page about one stream. */
export function StreamHead({ name, stream, room, children }: Props) {
  return (
    <header className="streamhead">
      <div>
        <Crumbs steps={[room]} />
        <Group gap="sm">
          <Title order={1} size="h2" className="mono-title">
            {name}
          </Title>
          <StatePill state={stream?.state ?? "idle"} since={stream?.since} />
        </Group>
      </div>
      <Group gap="xs">{children}</Group>
    </header>
  );
}

/** Goes to another page about the same stream. */
export function HeadLink({ to, icon: Drawing, text }: { to: string; icon: Icon; text: string }) {
  return (
    <Button component={Link} href={to} variant="default" leftSection={<Drawing size={18} />}>
      {text}
    </Button>
  );
}
